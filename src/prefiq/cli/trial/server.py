"""A trial served by uvicorn in this process."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefiq.cli.errors import ServerDidNotStart
from prefiq.cli.serving import adopt_server_logs, application_asgi, server_options

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.cli.session import Session

__all__ = ["serve_beside", "serve_here"]

SECONDS = 15.0


def serve_here(app: Application, bound: socket.socket, session: Session) -> None:
    """Serve until a signal comes; the application is open meanwhile."""
    import uvicorn

    # uvicorn ends in good order and then raises the signal again, which must not skip the clean-up.
    previous = signal.signal(signal.SIGTERM, lambda *_: _end(143))
    try:
        adopt_server_logs()
        uvicorn.Server(uvicorn.Config(application_asgi(app, session), **server_options(app.settings))).run(
            sockets=[bound]
        )
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def serve_beside(app: Application, bound: socket.socket, session: Session) -> Iterator[None]:
    """Serve in a thread while the body runs; the application is open meanwhile.

    Raises:
        ServerDidNotStart: It gave no answer in time.
    """
    import uvicorn

    adopt_server_logs()
    server = uvicorn.Server(uvicorn.Config(application_asgi(app, session), **server_options(app.settings)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="prefiq-try", daemon=True)
    thread.start()
    deadline = time.monotonic() + SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise ServerDidNotStart(SECONDS, None if thread.is_alive() else 1)
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(SECONDS)


def _end(code: int) -> None:
    raise SystemExit(code)
