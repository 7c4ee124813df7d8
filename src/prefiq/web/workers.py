"""Where requests are served: in threads, or in greenlets on the event loop.

With ``DB_MODE=sync`` a request hops to a thread exactly once, and everything that may block happens there.
With ``DB_MODE=async`` it runs in one greenlet of the bridge, on the loop's own thread: what waits for the
database leaves the loop to the others, and what blocks in another way must go through ``in_thread``.

Both take a bounded number at once and let a bounded number wait; one more is refused before it begins.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, Protocol, TypeVar

from prefiq.bridge import await_, call, in_bridge
from prefiq.web.errors import Overloaded, TookTooLong
from prefiq.web.time_limit import TimeLimit

__all__ = ["Greenlets", "Threads", "Workers", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")

QUEUED_PER_PLACE = 16
UNDOING_SECONDS = 5.0
"""How long work that was cancelled may take to undo what it did."""


class Workers(Protocol):
    """Runs the part of a request that waits for others."""

    async def run(self, work: Callable[[C], T], request: C, /) -> T:
        """The result of ``work(request)``.

        Raises:
            Overloaded: Too many are waiting; the work was not started.
            TookTooLong: It was ended, because its time was over.
        """
        ...

    async def close(self) -> None:
        """Wait for what is running, for a bounded time; ``run`` after it starts anew."""
        ...


class Threads:
    """A bounded pool with a bounded queue.

    No context is copied into the threads: the work opens its own scope, and leaves it.

    Args:
        threads: How many requests are served at once.
        queued: How many may wait; one more is answered 503.
    """

    def __init__(self, threads: int, queued: int | None = None) -> None:
        self._threads = threads
        self._most = threads + (threads * QUEUED_PER_PLACE if queued is None else queued)
        self._inside = 0
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[C], T], request: C, /) -> T:
        """See ``Workers``."""
        with self._lock:
            if self._inside >= self._most:
                raise Overloaded
            self._inside += 1
            pool = self._pool = self._pool or ThreadPoolExecutor(self._threads, "prefiq-request")
        try:
            future = pool.submit(work, request)
        except BaseException:
            self._left()
            raise
        # By the thread's own future: a caller that was cancelled still has its work running.
        future.add_done_callback(self._left)
        return await asyncio.wrap_future(future)

    def _left(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._inside -= 1

    async def close(self) -> None:
        """See ``Workers``; a thread cannot be ended, so this waits for the last one."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)  # the loop stays free: answers are still to be sent


class Greenlets:
    """Greenlets of the bridge, so many at once, on the loop that asks.

    Work whose time is over is cancelled where it waits: it undoes what it has not committed.  A caller that
    is cancelled takes its work along.

    Args:
        at_once: How many requests are worked on at once; the others come in order.
        seconds: How long a request may wait for its turn and work.
        queued: How many may wait; one more is answered 503.
    """

    def __init__(self, at_once: int, seconds: float, queued: int | None = None) -> None:
        self._at_once = at_once
        self._most = at_once + (at_once * QUEUED_PER_PLACE if queued is None else queued)
        self._inside = 0
        self._working = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._limit = TimeLimit(seconds)

    async def run(self, work: Callable[[C], T], request: C, /) -> T:
        """See ``Workers``."""
        if self._inside >= self._most:
            raise Overloaded
        self._inside += 1
        task = self._limit.begin()
        begun = False
        try:
            if self._working < self._at_once:  # then nobody is in line
                self._working += 1
            else:
                await self._turn()
            begun = True
            return await call(work, request)
        except asyncio.CancelledError:
            if self._limit.has_ended(task):
                raise (TookTooLong if begun else Overloaded) from None
            raise
        finally:
            self._limit.end(task)
            self._inside -= 1
            if begun:
                self._leave()

    async def _turn(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            await place
        except BaseException:
            if not place.cancelled():  # cancelled with the place in hand
                self._leave()
            raise

    def _leave(self) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._working -= 1

    async def close(self) -> None:
        """See ``Workers``; what is not done in the time of a request is cancelled."""
        tasks = self._limit.tasks()
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=self._limit.seconds)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=UNDOING_SECONDS)


def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what blocks without the database's driver (a file, a slow hash, an old HTTP client) off the loop.

    With ``DB_MODE=sync``, where this is a thread already, it is simply called.  The function must not use the
    scope: its connection belongs to the caller.

    Args:
        function: What blocks.
        args: Its arguments.
        kwargs: Its arguments by name.

    Returns:
        Its result.
    """
    if in_bridge():
        return await_(asyncio.to_thread(function, *args, **kwargs))
    return function(*args, **kwargs)
