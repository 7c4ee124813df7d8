"""An HTTP client of an application in the same process, signed in as an actor of a tenant.

In a test on the event loop the requests are answered on that loop, beside the test, so that what the application
opened there serves them, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from starlette.testclient import TestClient

from prefiq.bridge import await_, in_bridge
from prefiq.contracts import Actor
from prefiq.web import create_asgi, make_token

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["Client", "client_for"]

Client = TestClient


@contextmanager
def client_for(app: Application, *, tenant: str, actor: Actor) -> Iterator[TestClient]:
    """A client whose requests carry a token of this actor.

    Args:
        app: The application, or a fork of it.
        tenant: Whose rows it sees.
        actor: Who it is, and what it may do.
    """
    token = make_token(app.settings, tenant=tenant, actor=actor.id, permissions=actor.permissions)
    client = TestClient(
        create_asgi(app),
        base_url="http://testserver",
        headers={"Authorization": f"Bearer {token}"},
        raise_server_exceptions=False,
    )
    if not in_bridge():
        with client:
            yield client
        return
    client._transport = _OnThisLoop(client.app)
    try:
        with _started(client.app):
            yield client
    finally:
        client.close()


class _OnThisLoop(httpx2.BaseTransport):
    """Answers requests on the loop that the bridge runs on.

    Args:
        app: Answers them; its answer is read to the end at once.
    """

    def __init__(self, app: Any) -> None:
        self._app = httpx2.ASGITransport(app, raise_app_exceptions=False, client=("testclient", 50000))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """See ``httpx2.BaseTransport``."""

        async def answer() -> httpx2.Response:
            request.read()
            given = await self._app.handle_async_request(request)
            body = b"".join([part async for part in given.aiter_raw()])
            return httpx2.Response(given.status_code, headers=given.headers.raw, content=body)

        return await_(answer())


@contextmanager
def _started(app: Callable[..., Any]) -> Iterator[None]:
    """What a server tells the app when it starts and when it ends."""
    told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, told.get, said.put))
    try:
        for step in ("startup", "shutdown"):
            told.put_nowait({"type": f"lifespan.{step}"})
            answer = asyncio.ensure_future(said.get())
            await_(asyncio.wait([task, answer], return_when=asyncio.FIRST_COMPLETED))
            if not answer.done() or answer.result()["type"] != f"lifespan.{step}.complete":
                answer.cancel()
                await_(task)  # raises what went wrong
                raise RuntimeError(f"the application did not complete its {step}")
            if step == "startup":
                yield
        await_(task)
    finally:
        task.cancel()
