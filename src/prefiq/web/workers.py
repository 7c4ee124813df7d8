"""Where requests are served: threads, or right on the event loop.

With ``DB_MODE=sync`` a request hops to a thread exactly once, and everything that may block happens there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from prefiq.web.errors import Overloaded

__all__ = ["Inline", "Threads", "Workers"]

T = TypeVar("T")
C = TypeVar("C")

QUEUED_PER_THREAD = 16


class Workers(Protocol):
    """Runs the blocking part of a request."""

    async def run(self, work: Callable[[C], T], call: C, /) -> T:
        """The result of ``work(call)``.

        Raises:
            Overloaded: Too many are waiting; the work was not started.
        """
        ...

    def close(self) -> None:
        """Wait for what is running and start no more; ``run`` after it starts anew."""
        ...


class Inline:
    """Runs the work on the event loop: for work that does not block."""

    async def run(self, work: Callable[[C], T], call: C, /) -> T:
        """See ``Workers``."""
        return work(call)

    def close(self) -> None:
        """Nothing to close."""


class Threads:
    """A bounded pool with a bounded queue.

    No context is copied into the threads: the work opens its own scope, and leaves it.

    Args:
        threads: How many requests are served at once.
        queued: How many may wait; one more is answered 503.
    """

    def __init__(self, threads: int, queued: int | None = None) -> None:
        self._threads = threads
        self._most = threads + (threads * QUEUED_PER_THREAD if queued is None else queued)
        self._inside = 0
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[C], T], call: C, /) -> T:
        """See ``Workers``."""
        with self._lock:
            if self._inside >= self._most:
                raise Overloaded
            self._inside += 1
            pool = self._pool = self._pool or ThreadPoolExecutor(self._threads, "prefiq-request")
        try:
            future = pool.submit(work, call)
        except BaseException:
            self._left()
            raise
        # By the thread's own future: a caller that was cancelled still has its work running.
        future.add_done_callback(self._left)
        return await asyncio.wrap_future(future)

    def _left(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """See ``Workers``."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
