"""SQLite's writers wait for each other in turn, and nothing else waits with them."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from prefiq.bridge import await_, call, pause
from prefiq.contracts import Bound, Scope
from prefiq.sql import (
    ConnectionManager,
    DatabaseConfig,
    DatabaseLocked,
    DeadlineExceeded,
    Executor,
    StatementTimeout,
    Tables,
)
from prefiq.sql.dialects import sqlite_connection
from prefiq.sql.dialects.sqlite_connection import line_of

BUSY = 0.3
PATIENT = 60.0
"""For tests in which nobody may be refused, however slow the machine is."""


class Shop:
    """A database in one mode, whose file others may write, too."""

    def __init__(self, tables: Tables, path: Path | None, mode: str, **options: Any) -> None:
        self.path = path
        self.mode = mode
        options = {"busy_timeout": BUSY, "pool_timeout": 5.0, **options}
        self.connections = ConnectionManager([DatabaseConfig(path=path, mode=mode, **options)], tables)
        self.tables = tables
        with self.connections.schema_connection() as connection:
            tables.create_all(connection)

    def executor(self, **options: Any) -> Executor:
        scope = Scope(Bound("acme"), resolve=lambda *_: None, **options)
        return Executor(self.connections, scope, self.tables)

    def order(self, number: str) -> sa.Insert:
        return sa.insert(self.orders).values(id=uuid4(), version=1, number=number, total=1)

    @property
    def orders(self) -> sa.Table:
        return next(table for table in self.tables if table.name == "shop_order")

    def run(self, function: Callable[[], Any]) -> Any:
        return function() if self.mode == "sync" else asyncio.run(call(function))

    def numbers(self) -> list[str]:
        assert self.path
        with closing(sqlite3.connect(self.path)) as raw:
            return [number for (number,) in raw.execute("SELECT number FROM shop_order ORDER BY rowid")]

    @property
    def is_free(self) -> bool:
        """Whether nobody is writing, nor about to."""
        line = line_of(str(self.path))
        return line._turn.free == 1


@pytest.fixture(params=["sync", "async"])
def shop(request: pytest.FixtureRequest, tables: Tables, path: Path) -> Iterator[Shop]:
    made = Shop(tables, path.resolve(), request.param)
    yield made
    made.connections.close()
    assert made.is_free


@pytest.fixture
def async_shop(tables: Tables, path: Path) -> Iterator[Shop]:
    made = Shop(tables, path.resolve(), "async", busy_timeout=PATIENT, pool_timeout=PATIENT)
    yield made
    made.connections.close()
    assert made.is_free


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else who writes the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        yield raw


def in_transaction(shop: Shop, name: str, rounds: int, statements: int = 2) -> None:
    with closing_scope(shop) as executor:
        for number in range(rounds):
            with executor.tx():
                for part in range(statements):
                    executor.exec(shop.order(f"{name}{number}.{part}"))
                    pause(0)


def closing_scope(shop: Shop, **options: Any) -> Any:
    return closing(shop.executor(**options))


# -- within a process


def test_tasks_write_in_turn(async_shop: Shop) -> None:
    """Each transaction is whole, and who has just written stands behind the others."""

    async def main() -> None:
        await asyncio.gather(*(call(in_transaction, async_shop, name, 3) for name in "abc"))

    asyncio.run(main())
    assert async_shop.numbers() == [
        f"{name}{n}.{part}" for n in range(3) for name in "abc" for part in (0, 1)
    ]


def test_threads_write_in_turn(tables: Tables, path: Path) -> None:
    """Likewise in sync mode."""
    shop = Shop(tables, path.resolve(), "sync", busy_timeout=PATIENT)
    names = "abcd"
    threads = [threading.Thread(target=in_transaction, args=(shop, name, 10)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = shop.numbers()
    assert len(numbers) == 80
    assert [number[:-2] for number in numbers[::2]] == [number[:-2] for number in numbers[1::2]]
    shop.connections.close()


def test_single_statements_stand_in_line_too(async_shop: Shop) -> None:
    """Those outside of a transaction, by a plan or by SQLAlchemy Core."""
    order: list[str] = []

    def first() -> None:
        with closing_scope(async_shop) as executor, executor.tx():
            executor.exec(async_shop.order("first"))
            for _ in range(5):
                await_(asyncio.sleep(0))
            order.append("first")

    def single() -> None:
        with closing_scope(async_shop) as executor:
            executor.exec(async_shop.order("single"))
            order.append("single")

    async def main() -> None:
        await asyncio.gather(call(first), call(single))

    asyncio.run(main())
    assert order == ["first", "single"]
    assert async_shop.numbers() == ["first", "single"]


def test_readers_do_not_wait(async_shop: Shop) -> None:
    """They see what was committed."""

    async def main() -> None:
        gate = asyncio.Event()

        def writes() -> None:
            with closing_scope(async_shop) as executor, executor.tx():
                executor.exec(async_shop.order("new"))
                await_(gate.wait())

        def reads() -> Any:
            with closing_scope(async_shop) as executor:
                return executor.scalar(sa.select(sa.func.count()).select_from(async_shop.orders))

        writer = asyncio.create_task(call(writes))
        await asyncio.sleep(0)
        assert await call(reads) == 0
        gate.set()
        await writer
        assert await call(reads) == 1

    asyncio.run(main())


def test_cancelled_writer_leaves_no_hole(async_shop: Shop) -> None:
    """In the line, or as its turn comes."""

    async def main() -> None:
        gate = asyncio.Event()

        def holds() -> None:
            with closing_scope(async_shop) as executor, executor.tx():
                executor.exec(async_shop.order("held"))
                await_(gate.wait())

        tasks = [asyncio.create_task(call(holds))]
        await asyncio.sleep(0)
        for name in "abcd":
            tasks.append(asyncio.create_task(call(in_transaction, async_shop, name, 1)))
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        await tasks[0]  # b has the turn now, and does not know yet
        tasks[2].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in done[1:3]] == [asyncio.CancelledError] * 2
        assert done[3:] == [None, None]

    asyncio.run(main())
    assert async_shop.numbers() == ["held", "c0.0", "c0.1", "d0.0", "d0.1"]


# -- whatever ends a transaction


def ends_by_error(executor: Executor, shop: Shop) -> None:
    with pytest.raises(ZeroDivisionError), executor.tx():  # noqa: PT012
        executor.exec(shop.order("x"))
        _ = 1 / 0


def ends_by_close(executor: Executor, shop: Shop) -> None:
    transaction = executor.tx()
    transaction.__enter__()
    executor.exec(shop.order("x"))
    executor.close()


def ends_by_kill(executor: Executor, shop: Shop) -> None:
    with pytest.raises(Exception), executor.tx():  # noqa: B017, PT012  whatever the executor makes of it
        executor.exec(shop.order("x"))
        assert executor._session
        executor._session.kill()
        executor.exec(shop.order("y"))


def ends_by_itself(executor: Executor, shop: Shop) -> None:
    with pytest.raises(Exception), executor.tx():  # noqa: B017, PT012
        executor.exec(shop.order("x"))
        session: Any = executor._session
        session._connection.execute("ROLLBACK")  # as SQLite does when the disk is full
        session.write("INSERT INTO nowhere VALUES (1)", ())


def ends_by_being_forgotten(executor: Executor, shop: Shop) -> None:
    executor.tx().__enter__()
    executor.exec(shop.order("x"))


ENDS = [ends_by_error, ends_by_close, ends_by_kill, ends_by_itself, ends_by_being_forgotten]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_turn_ends_with_the_transaction(shop: Shop, other: sqlite3.Connection, end: Any) -> None:
    """Nothing of it is kept, and the next one writes at once, in this process and in another."""

    def work() -> None:
        executor = shop.executor()
        end(executor, shop)
        scope = executor._scope
        del executor
        gc.collect()
        assert shop.connections.engine().pool.checkedout() <= 1  # type: ignore[attr-defined]
        del scope
        gc.collect()
        assert shop.is_free
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        with closing_scope(shop) as fresh, fresh.tx():
            fresh.exec(shop.order("next"))
        assert shop.connections.engine().pool.checkedout() == 0  # type: ignore[attr-defined]

    shop.run(work)
    assert shop.numbers() == ["next"]


# -- other processes


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_other_process_is_waited_for(
    tables: Tables, path: Path, other: sqlite3.Connection, mode: str
) -> None:
    """For as long as it takes, below the busy timeout; with the loop free meanwhile."""
    shop = Shop(tables, path.resolve(), mode, busy_timeout=PATIENT)
    turns = 0

    def writes(one: Callable[[Executor], None]) -> None:
        with closing_scope(shop) as executor:
            one(executor)

    def transaction(executor: Executor) -> None:
        with executor.tx():
            executor.exec(shop.order("a"))

    def statement(executor: Executor) -> None:
        executor.exec(shop.order("b"))

    async def in_loop(one: Callable[[Executor], None]) -> None:
        nonlocal turns
        task = asyncio.create_task(call(writes, one))
        while turns < 20:
            await asyncio.sleep(0)
            turns += 1
        assert not task.done()
        other.execute("ROLLBACK")
        await task

    for one in (transaction, statement):
        turns = 0
        other.execute("BEGIN IMMEDIATE")
        if shop.mode == "async":
            asyncio.run(in_loop(one))
        else:
            thread = threading.Thread(target=writes, args=(one,))
            thread.start()
            thread.join(0.02)
            assert thread.is_alive()
            other.execute("ROLLBACK")
            thread.join()
    assert shop.numbers() == ["a", "b"]
    shop.connections.close()


def test_waiting_has_an_end(shop: Shop, other: sqlite3.Connection) -> None:
    """After the busy timeout, not before, and in one error for all ways of writing."""

    def work() -> None:
        with closing_scope(shop) as executor:
            for statement in (lambda: executor.exec(shop.order("x")), lambda: executor.tx().__enter__()):
                began = time.monotonic()
                with pytest.raises(DatabaseLocked) as found:
                    statement()
                assert found.value.retryable
                assert BUSY <= time.monotonic() - began < BUSY + 5

    other.execute("BEGIN IMMEDIATE")
    shop.run(work)
    other.execute("ROLLBACK")
    assert shop.is_free


def test_whole_line_waits_no_longer_than_agreed(
    tables: Tables, path: Path, other: sqlite3.Connection
) -> None:
    """Each of many tasks is refused after the busy timeout, not after those of all before it."""
    shop = Shop(tables, path.resolve(), "async")

    def work() -> None:
        with pytest.raises(DatabaseLocked), closing_scope(shop) as executor:
            executor.exec(shop.order("x"))

    async def main() -> None:
        began = time.monotonic()
        await asyncio.gather(*(call(work) for _ in range(5)))
        assert time.monotonic() - began < BUSY * 4

    other.execute("BEGIN IMMEDIATE")
    asyncio.run(main())
    other.execute("ROLLBACK")
    shop.connections.close()


def test_deadline_ends_the_waiting(shop: Shop, other: sqlite3.Connection) -> None:
    """Where it comes before the busy timeout does."""

    def work() -> None:
        deadline = datetime.now(UTC) + timedelta(seconds=BUSY / 3)
        with closing_scope(shop, deadline=deadline) as executor:
            executor.scalar(sa.select(sa.literal(1)))
            with pytest.raises((StatementTimeout, DeadlineExceeded)):
                executor.exec(shop.order("x"))

    other.execute("BEGIN IMMEDIATE")
    shop.run(work)
    other.execute("ROLLBACK")


def test_process_that_writes_long_lets_others_go_first(
    async_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A little after each long transaction; one that writes little does not wait."""
    pauses: list[float] = []
    monkeypatch.setattr(sqlite_connection, "pause", pauses.append)

    def work(seconds: float) -> None:
        with closing_scope(async_shop) as executor:
            for number in range(2):
                with executor.tx():
                    executor.exec(async_shop.order(f"{seconds}-{number}"))
                    await_(asyncio.sleep(seconds))

    monkeypatch.setattr(sqlite_connection, "LONG", 60.0)
    asyncio.run(call(work, 0.0))
    assert pauses == []
    monkeypatch.setattr(sqlite_connection, "LONG", 0.01)
    asyncio.run(call(work, 0.05))
    assert len(pauses) == 1
    assert 0 < pauses[0] <= sqlite_connection.LONGEST_PAUSE


# -- time


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_statement_timeout(tables: Tables, path: Path, mode: str) -> None:
    """``DB_STATEMENT_TIMEOUT`` ends what runs too long, by a plan or by Core; the next statement is not hurried."""
    shop = Shop(tables, path.resolve(), mode, statement_timeout=0.1)

    def work() -> None:
        with closing_scope(shop) as executor:
            assert executor.scalar("SELECT 1") == 1
            session: Any = executor._session
            assert session.timeout == session.usual == 0.1
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(StatementTimeout):
                    executor.scalar(ENDLESS)
                assert 0.1 <= time.monotonic() - began < 10
                with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                    session.fetch(ENDLESS, ())
                assert session.fetch("SELECT 1", ()) == [(1,)]

    shop.run(work)
    shop.connections.close()


def test_reader_of_a_stream_may_take_its_time(tables: Tables, path: Path) -> None:
    """Only the time in which SQLite works counts against the statement."""
    shop = Shop(tables, path.resolve(), "sync", statement_timeout=0.2)
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000) SELECT i FROM n"
    with closing_scope(shop) as executor:
        seen = 0
        for batch in executor.stream(rows, batch=15_000):
            seen += len(batch)
            time.sleep(0.1)
        assert seen == 60_000
    shop.connections.close()


# -- the pool


def test_connections_are_had_in_turn(async_shop: Shop) -> None:
    """Also by who comes back at once."""
    order: list[str] = []

    def reads(name: str) -> None:
        for _ in range(3):
            with closing_scope(async_shop) as executor:
                executor.scalar("SELECT 1")
                order.append(name)
                pause(0)

    async def main() -> None:
        async_shop.connections._databases["default"] = DatabaseConfig(
            path=async_shop.path, mode="async", pool_size=1, pool_timeout=PATIENT
        )
        await asyncio.gather(*(call(reads, name) for name in "abc"))

    asyncio.run(main())
    assert order == list("abc") * 3


def test_database_in_memory_is_shared_by_tasks(tables: Tables) -> None:
    """Readers hold up a commit there: it is tried again."""
    shop = Shop(tables, None, "async", busy_timeout=PATIENT, pool_timeout=PATIENT)

    async def main() -> None:
        await asyncio.gather(*(call(in_transaction, shop, name, 3) for name in "abc"))

        def count() -> Any:
            with closing_scope(shop) as executor:
                return executor.scalar(sa.select(sa.func.count()).select_from(shop.orders))

        assert await call(count) == 18

    asyncio.run(main())
    shop.connections.close()
