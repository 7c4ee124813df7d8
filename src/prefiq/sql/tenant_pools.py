"""``TenantPools``: connections to the databases of tenants: few for each, and one budget for all of them.

With five hundred tenants and four processes, a pool for each would be more connections than any server takes.
So a tenant has at most ``PER_TENANT``, none stays open for longer than ``IDLE`` seconds without work, and where
the budget is spent the connection that has been idle for the longest time, whosever it is, makes room.  All
pools share one dialect, one cache of compiled statements and what is done when a connection is new.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from prefiq.bridge import FairSemaphore

__all__ = ["IDLE", "PER_TENANT", "TenantPool", "TenantPools"]

PER_TENANT = 2
"""Connections of one tenant at most: more of its requests at once wait, and leave the others theirs."""
IDLE = 60.0
"""Seconds after which a connection that nobody used is closed."""
SWEEP = 1.0
"""Seconds between two looks for such connections."""
MOST_UNUSED = 64
"""Pools without a connection that are remembered: each is a few kilobytes."""


class TenantPool(Pool):
    """The connections to one tenant's database; see ``FairPool``, which is the same for a database of all.

    Args:
        creator: Opens a connection.
        budget: Of all tenants together.
        timeout: Seconds to wait for one.
        options: As ``sqlalchemy.pool.Pool`` has them.
    """

    def __init__(self, creator: Any, budget: TenantPools, timeout: float, **options: Any) -> None:
        super().__init__(creator, **options)
        self._budget = budget
        self._timeout = timeout
        self._turns = FairSemaphore(PER_TENANT)
        self.idle: deque[tuple[ConnectionPoolEntry, float]] = deque()
        """Connections that nobody uses and since when, the one used last at the end."""
        self.entering = 0
        """How many are about to take a connection."""

    def _do_get(self) -> ConnectionPoolEntry:
        until = time.monotonic() + self._timeout
        if not self._turns.acquire(self._timeout):
            raise sa.exc.TimeoutError(f"no connection of {PER_TENANT} was free in {self._timeout} s")
        try:
            has_turn = self._budget.turns.acquire(max(0.0, until - time.monotonic()))
        except BaseException:
            self._turns.release()
            raise
        if not has_turn:
            self._turns.release()
            raise sa.exc.TimeoutError(f"no connection of the budget was free in {self._timeout} s")
        try:
            return self.idle.pop()[0]
        except IndexError:
            pass
        try:
            self._budget.make_room()
            return self._create_connection()
        except BaseException:
            self._release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        # Also called by the garbage collection, in the middle of anything: it takes no lock, and is idle
        # before its turn ends, so that the budget never counts too few.
        if self._budget.closed:
            record.close()
        elif record.dbapi_connection is not None:  # else it was thrown away
            self.idle.append((record, self._budget.clock()))
        self._release()

    def _release(self) -> None:
        self._budget.turns.release()
        self._turns.release()

    def checkedout(self) -> int:
        """How many connections are in use."""
        return PER_TENANT - self._turns.free

    def dispose(self) -> None:
        """Close the connections that are not in use now."""
        while self.idle:
            try:
                record, _ = self.idle.popleft()
            except IndexError:  # somebody took the last one
                return
            record.close()

    def recreate(self) -> TenantPool:
        """The same pool: what was disposed of is opened again when it is needed."""
        return self

    def status(self) -> str:
        """How many connections are in use and idle, in words."""
        return f"{self.checkedout()} of {PER_TENANT} connections in use, {len(self.idle)} idle"


class TenantPools:
    """The pools of one process (in async mode: of one event loop), made when they are asked for.

    Args:
        model: The engine whose dialect, cache and set-up they share; it serves scopes.
        most: Connections of all tenants at most.
        timeout: Seconds that a unit of work waits for one.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, model: sa.Engine, most: int, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._most = most
        self._timeout = timeout
        self.clock = clock
        self._lock = threading.Lock()
        self._engines: OrderedDict[Any, sa.Engine] = OrderedDict()
        self._swept = clock()
        self.turns = FairSemaphore(most)
        """Whose turn it is to hold a connection."""
        self.closed = False

    @contextmanager
    def engine(self, key: Any, opener: Callable[[], Callable[[], Any]]) -> Iterator[sa.Engine]:
        """The engine of one tenant's database; inside of the block its pool is not forgotten.

        Args:
            key: Names the database.
            opener: Gives what opens a connection to it; asked where the pool is new.
        """
        self.sweep()
        with self._lock:
            engine = self._engines.get(key)
            if engine is None:
                engine = self._engines[key] = self._make(opener())
                self._forget_unused()
            else:
                self._engines.move_to_end(key)
            pool: Any = engine.pool
            pool.entering += 1
        try:
            yield engine
        finally:
            with self._lock:
                pool.entering -= 1

    def _make(self, creator: Callable[[], Any]) -> sa.Engine:
        model: Any = self._model
        pool = TenantPool(
            creator,
            self,
            self._timeout,
            reset_on_return=None,
            dialect=model.dialect,
            # What is done with every new connection, and once with the first one of the dialect.
            _dispatch=model.pool.dispatch,
        )
        engine: Any = sa.Engine(pool, model.dialect, model.url, hide_parameters=True)
        engine._compiled_cache = model._compiled_cache  # one entry for a statement, not one for each tenant
        return engine  # type: ignore[no-any-return]

    def _forget_unused(self) -> None:
        unused = [key for key, engine in self._engines.items() if _is_unused(engine.pool)]
        for key in unused[: max(0, len(unused) - MOST_UNUSED)]:
            del self._engines[key]

    def pools(self) -> list[Any]:
        """Every pool."""
        return [engine.pool for engine in list(self._engines.values())]

    @property
    def in_use(self) -> int:
        """Connections that units of work hold now."""
        return self._most - self.turns.free

    @property
    def open(self) -> int:
        """Connections that there are, or are about to be."""
        return self.in_use + sum(len(pool.idle) for pool in self.pools())

    def make_room(self) -> None:
        """Close idle connections, the one that was so for the longest time first, until the budget holds."""
        while self.open > self._most:
            if not self._close_oldest(before=float("inf")):
                return  # others took them, and are counted

    def sweep(self) -> None:
        """Close what was idle for too long; the probes of a server come here too, so that a quiet night does."""
        now = self.clock()
        if now - self._swept < SWEEP:
            return
        self._swept = now
        while self._close_oldest(before=now - IDLE):
            pass

    def _close_oldest(self, before: float) -> bool:
        found: tuple[float, Any] | None = None
        for pool in self.pools():
            try:
                _, since = pool.idle[0]
            except IndexError:
                continue
            if since < before and (found is None or since < found[0]):
                found = since, pool
        if found is None:
            return False
        try:
            record, _ = found[1].idle.popleft()
        except IndexError:  # taken meanwhile, which may be as good: the caller looks again
            return True
        record.close()
        return True

    def close(self) -> None:
        """Close every connection that is not in use; the others when they come back."""
        self.closed = True
        for pool in self.pools():
            pool.dispose()


def _is_unused(pool: Any) -> bool:
    return not pool.entering and not pool.idle and not pool.checkedout()
