"""Cancels an operation at every await that it makes, and looks what is left of it: nothing, or all.

``Steps`` awaits a coroutine and counts where it waits, as the event loop does it, and cancels the task at one of
these places: while it waits, or just as the answer comes.  Nothing of the product knows of it.  ``every_await``
runs an operation as often as it waits, cancels it one place later each time, and checks after each run that

- the task was cancelled, or did its work;
- no connection is in use, no transaction open, no function suspended, no scope the current one, and at the end
  no transaction and no connection too many on the server;
- what is stored is what was there before, or what the whole operation makes of it: the latter, if it returned;
- the next request works.

What waits nowhere by itself, as SQLite alone on its file, is given obstacles to wait for.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import psycopg.waiting
import sqlalchemy as sa
from tests.faults.kit import backends, open_transactions, soon
from tests.servers import Database

from prefiq.application import Application
from prefiq.bridge import call, suspended
from prefiq.contracts import Bound, Scope, current_scope_or_none
from prefiq.foundation import can
from prefiq.plugins import ProviderBase
from prefiq.sql import ConnectionManager, Executor, Tables
from prefiq.testing import make_application

__all__ = ["Obstacles", "Steps", "Trial", "When"]

When = Literal["waiting", "answered"]
EVERYTHING = can("*")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST = 500
"""Awaits of one operation; more is a loop."""


class Steps(Awaitable[Any]):
    """Awaits a coroutine in the present task, which is cancelled where it waits the n-th time.

    Args:
        coroutine: What to run.
        at: Which await, from 1; 0 cancels none.
        when: While it waits, or when the answer is there and the task does not know yet.
        times: At how many awaits from there on.
        meanwhile: Called at every await with its number.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        at: int = 0,
        when: When = "waiting",
        times: int = 1,
        meanwhile: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.coroutine = coroutine
        self.at = at
        self.when = when
        self.times = times
        self.meanwhile = meanwhile
        self.count = 0
        self.finished = False
        """Whether the coroutine has returned, as if nothing had been."""

    @property
    def reached(self) -> bool:
        """Whether it came to the place where it was to be cancelled."""
        return bool(self.at) and self.count >= self.at

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.coroutine.__await__()
        step: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                waits_for = step(value)
            except StopIteration as end:
                self.finished = True
                return end.value
            self.count += 1
            if self.count > MOST + self.times:  # what must end waits again each time
                self.coroutine.close()
                raise AssertionError("it waits for ever")
            if 0 < self.at <= self.count < self.at + self.times:
                self._cancel(waits_for)
            self.meanwhile(self.count)
            try:
                value, step = (yield waits_for), steps.send
            except BaseException as error:  # noqa: BLE001  also the cancellation, which is the coroutine's
                value, step = error, steps.throw

    def _cancel(self, waits_for: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.when == "waiting":
            task.cancel()
        elif waits_for is None:
            asyncio.get_running_loop().call_soon(task.cancel)  # before the task's own next step
        else:
            waits_for.add_done_callback(lambda _: task.cancel())  # before the task's own


class Obstacles:
    """What an operation on SQLite has to wait for: a connection, its turn to write, another process.

    One is taken away at each await, the last first, so that each is waited for.

    Args:
        app: With one connection in its pool.
        path: The database's file.
    """

    def __init__(self, app: Application, path: Path) -> None:
        self._connections: ConnectionManager = app.container.resolve(None, ConnectionManager)
        self._other = sqlite3.connect(path, isolation_level=None)
        self._held: Any = None

    @contextmanager
    def raised(self) -> Iterator[Callable[[int], None]]:
        """They stand in the block; gives what to call at each await."""
        self._held = self._connections.checkout()[0]
        connection: Any = self._held.connection.driver_connection
        line = connection.line
        line.enter(60.0)
        self._other.execute("BEGIN IMMEDIATE")
        steps = [self._held.close, line.leave, lambda: None, lambda: self._other.execute("ROLLBACK")]

        def lift(_count: int) -> None:
            if steps:
                steps.pop(0)()

        try:
            yield lift
        finally:
            while steps:
                lift(0)

    def close(self) -> None:
        """Leave the file."""
        self._other.close()


class Trial:
    """An application in async mode whose operations are cancelled.

    Args:
        database: Fresh and empty.
        folder: The application's.
        modules: What it is made of.
        prepare: Makes what is there before each operation, in a scope.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        modules: Sequence[type[ProviderBase]],
        prepare: Callable[[Scope], None],
    ) -> None:
        assert database.mode == "async"
        self.database = database
        self.loop = asyncio.Runner()
        variables = {**database.variables(), "DB_POOL_SIZE": 1}
        self.app = self._run(make_application, folder, modules=modules, tenants=(), **variables)
        self._connections: ConnectionManager = self.app.container.resolve(None, ConnectionManager)
        self._tables: Tables = self.app.container.resolve(None, Tables)
        self._run(self.app.tenants.create, "acme")
        self._run(self._use, prepare)
        self._obstacles = Obstacles(self.app, database.path) if database.path else None
        self._first = self._dump()

    def close(self) -> None:
        """Close the application and the loop."""
        if self._obstacles is not None:
            self._obstacles.close()
        self._run(self.app.close)
        self.loop.close()

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.loop.run(call(function, *args, **kwargs))

    def _use(self, work: Callable[[Scope], Any]) -> Any:
        with self.app.scope("acme", EVERYTHING) as scope:
            return work(scope)

    def every_await(
        self,
        operation: Callable[[Scope], Any],
        when: When = "waiting",
        times: int = 1,
        *,
        connected: bool = True,
    ) -> int:
        """Cancel an operation at each of its awaits in turn; how many there are.

        Args:
            operation: What to do in a scope.
            when: While it waits, or when the answer is there and the task does not know yet.
            times: At how many awaits in a row: 1 as asyncio does it, or many as impatient callers may.
            connected: Whether the pool holds a connection when it begins.
        """
        before = self._told()
        try:
            with self._eager() if times == 1 else nullcontext():
                steps = self._attempt(operation, 0, when, times, connected=connected)
                after = self._told()
                self._check("not cancelled", after)
                at = 0
                while steps.reached or at == 0:  # how often a server is waited for is not always the same
                    at += 1
                    self._restore()
                    steps = self._attempt(operation, at, when, times, connected=connected)
                    whole = (after,) if steps.finished else (before, after)
                    self._check(f"cancelled at await {at}, {when}", *whole)
            self._check_server()
        finally:
            self._restore()
        return at - 1

    @staticmethod
    def _eager() -> AbstractContextManager[Any]:
        """psycopg gives way where it need not wait, too, as on a loop that was busy for long.

        It survives a second cancellation there as well, but Python complains of a generator that could not be
        closed.
        """
        return mock.patch.object(psycopg.waiting, "MAX_BUSY_TIME", -1.0)

    def _attempt(
        self, operation: Callable[[Scope], Any], at: int, when: When, times: int, *, connected: bool
    ) -> Steps:
        if not connected:
            self._run(lambda: self._connections.engine().dispose())
        return self.loop.run(self._attempted(operation, at, when, times))

    async def _attempted(self, operation: Callable[[Scope], Any], at: int, when: When, times: int) -> Steps:
        if self._obstacles is None:
            return await self._cancelled(operation, at, when, times, lambda _: None)
        raised = self._obstacles.raised()
        lift = await call(raised.__enter__)
        try:
            return await self._cancelled(operation, at, when, times, lift)
        finally:
            await call(raised.__exit__, None, None, None)

    async def _cancelled(
        self,
        operation: Callable[[Scope], Any],
        at: int,
        when: When,
        times: int,
        meanwhile: Callable[[int], None],
    ) -> Steps:
        steps = Steps(call(self._use, operation), at, when, times, meanwhile)
        outside = Scope(Bound("outside"), resolve=lambda *_: None)

        async def attempt() -> None:
            with outside:  # the caller's own, which is the current one again afterwards
                try:
                    await steps
                finally:
                    assert current_scope_or_none() is outside

        task = asyncio.create_task(attempt())
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # done, or what went wrong
        return steps

    # -- looking what is left

    def _check(self, which: str, *whole: Any) -> None:
        assert suspended() == [], f"{which}: a function waits"
        assert self._connections.in_use() == {}, f"{which}: a connection is in use"
        if self.database.engine == "sqlite":
            with closing(self.database.connect()) as other:
                other.execute("PRAGMA busy_timeout = 0")
                other.execute("BEGIN IMMEDIATE")  # nobody has a transaction open
                other.execute("ROLLBACK")
        assert self._told() in whole, f"{which}: half of it was kept"
        self._run(self._use, self._works)

    def _check_server(self) -> None:
        """Nothing stays open there; what was thrown away ends a little later."""
        if self.database.engine != "sqlite":
            soon(lambda: open_transactions(self.database) == 0, "a transaction stays open")
            soon(lambda: len(backends(self.database)) <= 1, "a connection stays open")

    @staticmethod
    def _works(scope: Scope) -> None:
        executor = scope[Executor]
        assert not executor.in_transaction
        with executor.tx():
            assert executor.scalar(sa.select(sa.literal(1))) == 1

    def _dump(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table."""
        with self._connections.schema_connection() as connection:
            return {
                table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
                for table in self._tables.metadata.sorted_tables
            }

    def _restore(self) -> None:
        tables = self._tables.metadata.sorted_tables
        with self._connections.schema_connection() as connection:
            for table in reversed(tables):
                connection.execute(table.delete())
            for table in tables:
                if rows := self._first[table.name]:
                    connection.execute(table.insert(), rows)

    def _told(self) -> dict[str, list[tuple[str, ...]]]:
        """What is stored, without what is different each time: keys and instants."""
        told: dict[str, list[tuple[str, ...]]] = {}
        for name, rows in self._dump().items():
            columns = [
                column.name
                for column in self._tables.metadata.tables[name].columns
                if getattr(column.type, "kind", "") not in {"uuid", "datetime"}
            ]
            told[name] = sorted(tuple(ID.sub("…", repr(row[column])) for column in columns) for row in rows)
        return told
