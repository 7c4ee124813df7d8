"""Functions in pooled greenlets; see the room's docstring.

Repositories, services, hooks and policies are plain ``def``, written once.  In async mode a use case runs in
a greenlet: where the driver must wait, the greenlet hands the awaitable to the coroutine ``call``, which
awaits it on the loop and switches back with the result.  Greenlets are kept for reuse, because a new one
costs ten times as much as a switch.

The context variables of the caller's task are those of the function, in both directions, as in a coroutine.
So are cancellation and timeouts: what ``await`` would raise in a coroutine, ``await_`` raises in the function.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable
from types import FrameType, TracebackType
from typing import Any, ClassVar, Final, ParamSpec, TypeVar, cast

from greenlet import GreenletExit, getcurrent, greenlet
from greenlet import error as GreenletError  # noqa: N812  the library's word is "error"

from prefiq.errors import PrefiqError

__all__ = [
    "NoBridge",
    "await_",
    "call",
    "in_bridge",
    "is_ending",
    "iterate",
    "pause",
    "run",
    "suspended",
    "who",
]

P = ParamSpec("P")
T = TypeVar("T")

MOST_IDLE: Final = 256
"""Greenlets that a thread keeps for reuse; each holds its stacks, some 6 KiB."""
MOST_REFUSALS: Final = 100
LIBRARIES: Final = frozenset({"prefiq", "sqlalchemy"})

_DONE: Final = object()
_END: Final = object()


class NoBridge(PrefiqError):
    """Something must be awaited where nothing can wait for it: outside of ``call``, or with ``DB_MODE=sync``.

    With ``DB_MODE=async`` every use case runs in ``call``: the server does it for each request, tests of
    ``prefiq.testing`` run in it, and your own coroutines say ``await call(service.create, project)``.

    Args:
        name: Name of what was to be awaited.
        place: ``file:line, in function`` that asked for it; the innermost outside of Prefiq where left out.
    """

    code: ClassVar[str] = "PFQ010"

    def __init__(self, name: str, place: str = "") -> None:
        self.name = name
        self.place = place or _place()

    @property
    def what(self) -> str:  # type: ignore[override]
        """What cannot be awaited."""
        return f"{self.name} must be awaited, and nothing here can wait for it"

    @property
    def where(self) -> str:  # type: ignore[override]
        """The code that asked for it."""
        return self.place

    fix = 'run the use case with "await call(function, …)", in a script with "prefiq.run(function, …)"'


class _Worker(greenlet):
    """A greenlet that runs one function after the other."""

    # SQLAlchemy's async drivers ask for this before they switch to the parent.
    __sqlalchemy_greenlet_provider__ = True

    def __init__(self) -> None:
        super().__init__(_work)
        self.result: Any = None
        self.raised: BaseException | None = None


def _work(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Run the function, report, and wait for the next one.

    No name here may stand for the greenlet itself: its stack would keep it alive, and no garbage collection
    looks into stacks.
    """
    current: Callable[[], Any] = getcurrent
    while True:
        try:
            current().result = function(*args, **kwargs)
        except GreenletExit:  # the thread ends, or nobody holds this greenlet any more
            raise
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the caller's
            current().raised = error
        del function, args, kwargs
        function, args, kwargs = current().parent.switch(_DONE)


class _Workers(threading.local):
    """The greenlets of this thread, which they cannot leave."""

    def __init__(self) -> None:
        self.idle: list[_Worker] = []
        self.all: weakref.WeakSet[_Worker] = weakref.WeakSet()


_workers = _Workers()


def _new_worker() -> _Worker:
    worker = _Worker()
    _workers.all.add(worker)
    return worker


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
    idle = _workers.idle
    worker = idle.pop() if idle else _new_worker()
    worker.parent = here = getcurrent()
    worker.gr_context = here.gr_context
    answer = worker.switch(function, args, kwargs)
    while answer is not _DONE:
        # The parent is set at every return: an eager task begins in the greenlet of whoever starts it, and
        # goes on in the loop's.
        try:
            value = await answer
        except GeneratorExit as error:  # the coroutine is closed: nothing can be awaited any more
            _abandon(worker, answer, error)
            raise
        except BaseException as error:  # noqa: BLE001  cancellation too belongs to the function
            worker.parent = getcurrent()
            trace = cast("TracebackType", error.__traceback__).tb_next  # without this frame
            answer = worker.throw(type(error), error, trace)
            del trace
        else:
            worker.parent = getcurrent()
            answer = worker.switch(value)
    result: T = worker.result
    raised = worker.raised
    worker.result = worker.raised = None
    worker.gr_context = None
    if len(idle) < MOST_IDLE:
        idle.append(worker)
    if raised is not None:
        context, handled = raised.__context__, sys.exception()
        try:
            raise raised.with_traceback(cast("TracebackType", raised.__traceback__).tb_next)
        finally:
            if handled is not None:  # what the function was handling comes before what its caller is
                raised.__context__ = context
                _chain(raised, handled)
            del raised, context, handled  # its traceback holds this frame
    return result


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
    loop: Any = here.parent
    handled = sys.exception()
    del here  # see _work
    try:
        value: T = loop.switch(awaitable)
    except BaseException as error:
        if handled is not None:
            _chain(error, handled)
        raise
    return value  # not by `cast`: at run time that is a call, on the road of every statement


def has_loop() -> bool:
    """Whether an event loop runs in this thread."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def in_bridge() -> bool:
    """Whether ``await_`` works here."""
    return type(getcurrent()) is _Worker


def who() -> object:
    """Who runs here: the same object in one thread, or in one function that ``call`` runs, and nowhere else."""
    return getcurrent()


def pause(seconds: float) -> None:
    """Wait so long: with the loop free in the bridge, elsewhere as ``time.sleep``."""
    if in_bridge():
        import asyncio

        await_(asyncio.sleep(seconds))
    else:
        import time

        time.sleep(seconds)


def run(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function on an event loop of its own, for scripts and commands.

    Where ``call`` runs the caller already, the function is called as it is.

    Raises:
        RuntimeError: A loop runs in this thread already; use ``call`` there.
    """
    import asyncio

    if in_bridge():
        return function(*args, **kwargs)
    if has_loop():
        raise RuntimeError('an event loop runs in this thread: use "await call(function, …)"')

    async def main() -> T:
        return await call(function, *args, **kwargs)

    return asyncio.run(main())


async def iterate(values: Iterable[T], /) -> AsyncGenerator[T]:
    """The values of an iterator that waits, such as ``repository.stream()``, for ``async for``.

    The iterator is closed when the loop over it ends; where that may be early, use ``contextlib.aclosing``.
    """
    iterator = await call(iter, values)
    try:
        while (item := await call(next, iterator, _END)) is not _END:
            yield cast("T", item)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await call(close)


def is_ending(error: BaseException) -> bool:
    """Whether an error is none of the code that it passes: the task is cancelled, or the process interrupted.

    What collects the errors of others lets it through.
    """
    asyncio = sys.modules.get("asyncio")  # else nobody can have cancelled anything
    cancelled = asyncio is not None and isinstance(error, asyncio.CancelledError)
    closed = isinstance(error, GeneratorExit) and in_bridge()
    return cancelled or closed or isinstance(error, KeyboardInterrupt)


def suspended() -> list[str]:
    """Where the functions stand that wait in this thread now, each as ``file:line, in function``.

    Those of a task that was forgotten stand here for ever; the leak guard of ``prefiq.testing`` tells them.
    """
    others: set[greenlet] = set(_workers.idle)
    here: greenlet | None = getcurrent()
    while here is not None:
        others.add(here)
        here = here.parent
    frames = [worker.gr_frame for worker in _workers.all if worker not in others]
    return sorted(_place(frame) for frame in frames if frame is not None)


def _abandon(worker: _Worker, answer: Any, error: BaseException) -> None:
    """Let the function of a closed coroutine end: whatever it still wants to wait for is refused."""
    try:
        worker.parent = getcurrent()
        for _ in range(MOST_REFUSALS):
            _close(answer)
            answer = worker.throw(error)
            if answer is _DONE:
                break
        else:
            _close(answer)
    except (GreenletError, RuntimeError, ValueError):
        # Closed by another thread, for instance by its garbage collection, or as the interpreter ends: the
        # greenlet cannot be reached any more.
        return
    raised, worker.result, worker.raised = worker.raised, None, None
    if raised is not None and raised is not error:
        try:
            raise raised
        finally:
            del raised


def _chain(error: BaseException, handled: BaseException) -> None:
    """Let an error that comes from another greenlet know what is being handled where it arrives."""
    known = set[int]()
    earlier: BaseException | None = handled
    while earlier is not None and id(earlier) not in known:
        known.add(id(earlier))
        earlier = earlier.__context__
    last = error
    while last.__context__ is not None and id(last) not in known:
        known.add(id(last))
        last = last.__context__
    if id(last) not in known:
        last.__context__ = handled


def _close(awaitable: Any) -> None:
    if isinstance(awaitable, Coroutine | Generator):
        awaitable.close()


def _place(frame: FrameType | None = None) -> str:
    """The innermost code of a frame that is not the bridge's or the database room's; the caller's where left out."""
    innermost = frame = frame or sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in LIBRARIES:
        frame = frame.f_back
    frame = frame or innermost
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"
