"""``FairPool``: connections that units of work wait for in line, tasks and threads alike."""

from __future__ import annotations

from collections import deque
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from prefiq.bridge import FairSemaphore

__all__ = ["FairPool"]


class FairPool(Pool):
    """So many connections at most; who finds none waits in line, in the bridge without stopping the loop.

    SQLAlchemy's own pools belong to threads or to one loop, and let who comes late go before who waits, which
    with more callers than connections ends with callers that had none in time while others had many.

    Args:
        creator: Opens a connection.
        pool_size: How many there may be.
        timeout: Seconds to wait for one.
        options: As ``sqlalchemy.pool.Pool`` has them.
    """

    def __init__(self, creator: Any, pool_size: int = 5, timeout: float = 5.0, **options: Any) -> None:
        super().__init__(creator, **options)
        self._size = pool_size
        self._timeout = timeout
        self._turns = FairSemaphore(pool_size)
        self._idle: deque[ConnectionPoolEntry] = deque()
        self._disposed = False

    def _do_get(self) -> ConnectionPoolEntry:
        if not self._turns.acquire(self._timeout):
            raise sa.exc.TimeoutError(f"no connection of {self._size} was free in {self._timeout} s")
        try:
            # The one used last has prepared the most, and those that nobody needs stay idle, and may end.
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._create_connection()
        except BaseException:
            self._turns.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._disposed:
            record.close()
        else:
            self._idle.append(record)
        self._turns.release()

    def checkedout(self) -> int:
        """How many connections are in use."""
        return self._size - self._turns.free

    def checkedin(self) -> int:
        """How many connections are open and not in use."""
        return len(self._idle)

    def recreate(self) -> FairPool:
        """A new pool like this one."""
        return type(self)(
            self._creator,
            pool_size=self._size,
            timeout=self._timeout,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Close the connections that are not in use now, and each of the others when it comes back."""
        self._disposed = True
        while self._idle:
            self._idle.pop().close()

    def status(self) -> str:
        """How many connections are in use and idle, in words."""
        return f"{self.checkedout()} of {self._size} connections in use, {len(self._idle)} idle"
