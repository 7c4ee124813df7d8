"""Serving an application: the ASGI app that workers make, and uvicorn around it."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefiq.cli.extras import needs_extra
from prefiq.cli.lifespan import OpenedByServer
from prefiq.cli.session import Session
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import Settings

__all__ = ["APP", "Readiness", "application_asgi", "make_app", "serve", "server_options", "sources_of"]

APP = "prefiq.cli.core.server:app"
AT_HEAD_SECONDS = 30.0
BACKLOG = 2048
_SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "gunicorn.error", "gunicorn.access")


def make_app(folder: Path | None = None) -> OpenedByServer:
    """The ASGI app of the application in a folder, as each worker makes it; the server's start opens it.

    Logs are configured as the settings say, also those of the server that runs this.  In development the
    database is brought to the declarations before the first request, with a tenant and its seeds.

    Args:
        folder: The application's folder; the working directory where left out.

    Raises:
        SystemExit: The application cannot be made; the reason was written to stderr as one block.
    """
    from prefiq.cli.failure import end

    session = Session(folder=folder or Path.cwd(), server=True)
    try:
        settings = session.settings()
        adopt_server_logs()
        from prefiq.application import Application

        return application_asgi(Application.prepare(settings), session, _prepare)
    except Exception as error:
        # A traceback would bury the one block that says what to do; without such a block it is all there is.
        # Servers that ask for an attribute would take an AttributeError for "no app here".
        session.debug = not isinstance(error, PrefiqError)
        raise SystemExit(end(error, session)) from error


def _prepare(app: Application) -> None:
    if app.settings.env == "development":
        from prefiq.cli.development import fill_database

        fill_database(app)


def application_asgi(
    app: Application, session: Session, prepare: Callable[[Application], object] = lambda _: None
) -> OpenedByServer:
    """The ASGI app of an application, with the checks of ``/readyz``; its lifespan opens and closes it.

    Args:
        app: Composed; it may be open already.
        session: For whom a failure at start is told.
        prepare: Called with the open application before the first request.
    """
    with needs_extra("server"):
        from prefiq.web import create_asgi

    return OpenedByServer(app, session, lambda app: create_asgi(app, checks=[Readiness(app)]), prepare)


class Readiness:
    """Whether an application can serve: its database answers, and is at head.

    An orchestrator asks every second, and reading all migrations costs milliseconds; what was at head a
    moment ago is so still, so that it is asked again after half a minute only.

    Args:
        app: Booted.
        clock: Monotonic seconds.
    """

    def __init__(self, app: Application, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._until = float("-inf")

    def __call__(self) -> None:
        """Go on only if it can.

        Raises:
            prefiq.errors.PrefiqError: What is in the way.
        """
        from prefiq.cli.database_state import check_at_head, ping
        from prefiq.web import in_thread

        ping(self._app)
        if self._clock() >= self._until:
            in_thread(check_at_head, self._app)  # migrations have a blocking driver in both modes
            self._until = self._clock() + AT_HEAD_SECONDS


def adopt_server_logs() -> None:
    """Send the records of uvicorn and gunicorn where all others go, in the same form.

    But uvicorn's line for each request: Prefiq's own knows tenant and actor, and leaves the query out.
    """
    for name in _SERVERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()  # with no handler in reach, uvicorn does not even put the line together
    access.propagate = False


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn serves Prefiq, as options of ``uvicorn.run`` and ``uvicorn.Config``."""
    return {
        "access_log": False,
        "log_config": None,  # ours is configured already, and takes uvicorn's records too
        "log_level": settings.log_level.lower(),
        "lifespan": "on",
        "server_header": False,
        # Nobody's word on who asks is believed unless the operator names the proxy.
        "forwarded_allow_ips": os.environ.get("FORWARDED_ALLOW_IPS", ""),
        # It would put what a proxy says in the place of the proxy's own address, which TRUSTED_PROXIES is about.
        "proxy_headers": not settings.trusted_proxies,
        "timeout_graceful_shutdown": int(settings.request_timeout),
    }


def sources_of(app: Application) -> list[Path]:
    """The application's folder, and those of its modules that are checkouts: what a developer changes."""
    modules = [
        module.path
        for module in app.host.modules
        if not {"site-packages", "dist-packages"} & {*module.path.parts}
    ]
    return list(dict.fromkeys([app.settings.folder, *modules]))


def serve(settings: Settings, bound: socket.socket, *, workers: int, reload: Sequence[Path] = ()) -> int:
    """Serve the application of the working directory until a signal ends it.

    Args:
        settings: The application's.
        bound: What to listen on.
        workers: How many processes.
        reload: Folders in which a changed source file starts the server anew; none where empty.

    Returns:
        The exit code: 0 after an orderly end, 1 where the server could not start.
    """
    import uvicorn

    adopt_server_logs()
    sys.stdout.flush()
    bound.listen(BACKLOG)  # who connects while workers start waits, and is not refused
    try:
        if reload:
            from prefiq.cli.reloading import serve_and_reload

            serve_and_reload(APP, bound, reload, server_options(settings))
        else:
            uvicorn.run(APP, fd=bound.fileno(), workers=workers, **server_options(settings))
    except KeyboardInterrupt:
        return 0  # how a server on a terminal is ended
    except SystemExit as end:
        # uvicorn's own codes say that the server could not start, which is told already.
        return 0 if not end.code else 1
    return 0
