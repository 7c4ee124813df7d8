"""``OpenedByServer``: the ASGI app whose application opens when the server starts, and closes when it ends.

A server imports the app inside or outside of an event loop, in a parent or in each worker.  What belongs to a
loop or to a process, connections above all, must therefore wait for the lifespan, in both modes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from prefiq.application import Application
    from prefiq.cli.session import Session

__all__ = ["OpenedByServer"]

logger = logging.getLogger("prefiq")

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class OpenedByServer:
    """An ASGI app.

    Args:
        app: Composed; it is opened here.
        session: For whom a failure is told.
        serve: Makes what answers, once the application is open.
        prepare: Called before that, with the application; what waits for the database may happen in it.
    """

    def __init__(
        self,
        app: Application,
        session: Session,
        serve: Callable[[Application], Starlette],
        prepare: Callable[[Application], object] = lambda _: None,
    ) -> None:
        self._app = app
        self._session = session
        self._serve = serve
        self._prepare = prepare
        self._served: Starlette | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or a server that starts and ends."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._served is not None:
            await self._served(scope, receive, send)
        else:
            await _not_open(scope, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            served = await self._open()
        except Exception as error:  # noqa: BLE001  whatever it is, the server must be told, and ends
            self._tell(error)
            await send({"type": "lifespan.startup.failed", "message": ""})  # it is said already
            return
        try:
            async with served.router.lifespan_context(served):
                self._served = served
                await send({"type": "lifespan.startup.complete"})
                await receive()
        finally:
            self._served = None
            await self._run(self._app.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> Starlette:
        app = self._app
        try:
            await self._run(app.open)
            await self._run(self._prepare, app)
            await self._run(_warm_up, app)
            return await self._run(self._serve, app)
        except BaseException:
            await self._run(app.close)
            raise

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        # Nobody is served yet, or any more: what blocks in sync mode holds up no request.
        if self._app.settings.database.mode == "sync":
            return work(*args)
        from prefiq.bridge import call

        return await call(work, *args)

    def _tell(self, error: Exception) -> None:
        from prefiq.cli.failure import end

        # A traceback would bury the one block that says what to do; without such a block it is all there is.
        self._session.debug = self._session.debug or not isinstance(error, PrefiqError)
        end(error, self._session)


def _warm_up(app: Application) -> None:
    """Open the pools of ``DB_POOL_WARMUP``; a database that cannot be reached yet is what ``/readyz`` is for."""
    from prefiq.cli.database_state import manager_of

    try:
        manager_of(app).warm_up()
    except PrefiqError as error:
        logger.warning("connections cannot be opened yet: %s", error)


async def _not_open(scope: Message, send: Send) -> None:
    from prefiq.web.endpoint import send_answer
    from prefiq.web.errors import NotReady
    from prefiq.web.problems import problem_answer
    from prefiq.web.request_id import request_ids

    logger.error("the server did not tell its start; ASGI's lifespan must be on (uvicorn: --lifespan on)")
    if scope["type"] == "http":
        request_id = request_ids()()
        answer = problem_answer(NotReady(), request_id)
        await send_answer(send, answer, request_id, head=scope["method"] == "HEAD")
