"""The bridge: plain functions that wait without blocking the event loop, for ``DB_MODE=async``.

Repositories, services, hooks and policies are plain ``def``, written once.  In async mode a use case runs in
a greenlet: where the driver must wait, the greenlet hands the awaitable to the coroutine ``call``, which
awaits it on the loop and switches back with the result.  Greenlets are kept for reuse, because a new one
costs ten times as much as a switch.

The context variables of the caller's task are those of the function, in both directions, as in a coroutine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, ClassVar, Final, ParamSpec, TypeVar, cast

from greenlet import GreenletExit, getcurrent, greenlet

from prefiq.errors import PrefiqError

__all__ = ["NoBridge", "await_", "call", "in_bridge", "iterate", "run"]

P = ParamSpec("P")
T = TypeVar("T")

MOST_IDLE: Final = 256
"""Greenlets that a thread keeps for reuse; each holds a stack of a few KiB."""
MOST_REFUSALS: Final = 100

_DONE: Final = object()
_END: Final = object()


class NoBridge(PrefiqError):
    """``await_`` was called where nothing can wait for it: outside ``call``, or with ``DB_MODE=sync``.

    Args:
        name: Name of what was to be awaited.
    """

    code: ClassVar[str] = "PFQ010"
    what = "A plain function cannot await here"

    def __init__(self, name: str) -> None:
        self.name = name
        self.where = f"await_({name})"
        self.fix = 'run the caller with "await call(function, …)", and set DB_MODE=async'


class _Worker(greenlet):
    """A greenlet that runs one function after the other."""

    # SQLAlchemy's async drivers ask for this before they switch to the parent.
    __sqlalchemy_greenlet_provider__ = True

    def __init__(self) -> None:
        super().__init__()
        self.result: Any = None
        self.raised: BaseException | None = None

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Run the function, report, and wait for the next one."""
        while True:
            try:
                self.result = function(*args, **kwargs)
            except GreenletExit:  # the thread ends, or nobody holds this greenlet any more
                raise
            except BaseException as error:  # noqa: BLE001  whatever it is, it is the caller's
                self.raised = error
            del function, args, kwargs
            parent = cast("greenlet", self.parent)
            function, args, kwargs = parent.switch(_DONE)


class _Idle(threading.local):
    """The greenlets that this thread keeps; a greenlet cannot leave its thread."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []


_idle = _Idle()


async def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function so that everything in it that waits leaves the loop free.

    ``await call(service.create, project)``.  Cancelling the task raises ``CancelledError`` in the function,
    where it waits.

    Args:
        function: Any callable; it runs in the caller's thread and context.
        args: Its arguments.
        kwargs: Its arguments by name.

    Raises:
        BaseException: What the function raised.
    """
    workers = _idle.workers
    worker = workers.pop() if workers else _Worker()
    here = getcurrent()
    worker.parent = here
    worker.gr_context = here.gr_context
    answer = worker.switch(function, args, kwargs)
    while answer is not _DONE:
        try:
            value = await answer
        except GeneratorExit as error:  # the coroutine is closed: nothing can be awaited any more
            _abandon(worker, answer, error)
            raise
        except BaseException as error:  # noqa: BLE001  cancellation too belongs to the function
            answer = worker.throw(error)
        else:
            answer = worker.switch(value)
    result, raised, worker.result, worker.raised = worker.result, worker.raised, None, None
    worker.gr_context = None
    if len(workers) < MOST_IDLE:
        workers.append(worker)
    if raised is not None:
        try:
            raise raised
        finally:
            del raised  # its traceback holds this frame
    return cast("T", result)


def await_(awaitable: Awaitable[T], /) -> T:
    """Await from within a plain function that ``call`` runs.

    Args:
        awaitable: A coroutine, future or task.

    Returns:
        Its result.

    Raises:
        NoBridge: Nothing here can wait for it.
    """
    here = getcurrent()
    if type(here) is not _Worker:
        name = getattr(awaitable, "__qualname__", type(awaitable).__name__)
        _close(awaitable)  # else Python warns that it was never awaited
        raise NoBridge(name)
    return cast("T", cast("greenlet", here.parent).switch(awaitable))


def in_bridge() -> bool:
    """Whether ``await_`` works here."""
    return type(getcurrent()) is _Worker


def run(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function on an event loop of its own, for scripts and commands.

    Raises:
        RuntimeError: A loop runs in this thread already; use ``call`` there.
    """

    async def main() -> T:
        return await call(function, *args, **kwargs)

    return asyncio.run(main())


async def iterate(values: Iterable[T], /) -> AsyncGenerator[T]:
    """The values of an iterator that waits, such as ``repository.stream()``, for ``async for``.

    The iterator is closed when the loop over it ends, also early: then with ``aclosing``.
    """
    iterator = iter(values)
    try:
        while (item := await call(next, iterator, _END)) is not _END:
            yield cast("T", item)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await call(close)


def _abandon(worker: _Worker, answer: Any, error: BaseException) -> None:
    """Let the function of a closed coroutine end: whatever it still wants to wait for is refused."""
    for _ in range(MOST_REFUSALS):
        if answer is _DONE:
            break
        _close(answer)
        answer = worker.throw(error)
    worker.result = worker.raised = None
    worker.gr_context = None


def _close(awaitable: Any) -> None:
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()
