"""Async mode on MariaDB: what a cancelled task leaves behind, and what it still waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Owner, Shop, Thing, Unit

from prefiq.bridge import await_, call
from prefiq.sql import CommitUnknown, ConnectionsExhausted
from prefiq.sql.dialects import mariadb_async


@pytest.fixture(scope="session")
def mode() -> str:
    return "async"


def connections_of(shop: Shop) -> int:
    """How many connections the server has to the shop."""
    with shop.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
        )
        return int(cursor.fetchone()[0])


READS: dict[str, Callable[[Unit], Any]] = {
    "plan": lambda unit: unit.executor._session.fetch("SELECT sleep(60)", ()),  # type: ignore[union-attr]
    "core": lambda unit: unit.executor.scalar("SELECT sleep(60)"),
    "stream": lambda unit: list(unit.executor.stream("SELECT sleep(60)")),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_cancelled_statement(shop: Shop, name: str, in_transaction: bool) -> None:
    """Its connection is given up at once, without a word, and another one serves the next task."""
    shop = Shop(shop.database, pool_size=1, pool_timeout=1)
    sessions: list[Any] = []

    def slow() -> None:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            unit.executor.scalar("SELECT 1")
            sessions.append(unit.executor._session)
            if in_transaction:
                with unit.executor.tx():
                    unit.owners.save(Owner(name="undone"))
                    READS[name](unit)
            READS[name](unit)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await call(slow)
        assert sessions[0].dead
        assert not sessions[0].in_transaction
        with shop.scope() as scope:
            assert await call(Unit(shop, scope).owners.count) == 0
            await call(scope.close)
        shop.manager.close()

    asyncio.run(main())


def test_commit_is_not_cancelled(shop: Shop) -> None:
    """What happened is known: it was kept, its callbacks are called, and the cancellation goes on behind it."""
    said: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    def use() -> None:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            with unit.executor.tx():
                unit.owners.save(Owner(name="kept"))
                unit.executor.after_commit(lambda: said.append("kept"))
                unit.executor.on_rollback(lambda: said.append("undone"))
                tasks[0].cancel()
            try:
                await_(asyncio.sleep(0))
            finally:
                said.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(call(use))
        tasks.append(task)
        with pytest.raises(asyncio.CancelledError):
            await task
        shop.manager.close()

    asyncio.run(main())
    assert said == ["kept", "cancelled"]
    assert shop.in_scope(lambda unit: unit.owners.count()) == 1


def test_commit_that_does_not_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled task waits for its COMMIT for some time, and then it is not known what became of it."""
    monkeypatch.setattr(mariadb_async, "ENDING", 0.05)
    caught: list[BaseException] = []
    tasks: list[asyncio.Task[None]] = []

    def use() -> None:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            try:
                with unit.executor.tx():
                    unit.owners.save(Owner(name="x"))
                    driver = unit.driver
                    send = driver.query

                    async def slow(sql: Any, unbuffered: bool = False) -> Any:
                        return await send("SELECT sleep(60)" if sql == "COMMIT" else sql, unbuffered)

                    driver.query = slow
                    asyncio.get_running_loop().call_later(0.01, tasks[0].cancel)
            except BaseException as error:
                caught.append(error)
                raise

    async def main() -> None:
        task = asyncio.create_task(call(use))
        tasks.append(task)
        with pytest.raises((asyncio.CancelledError, CommitUnknown)):
            await task
        shop.manager.close()

    asyncio.run(main())
    assert [type(error) for error in caught] == [CommitUnknown]


def test_waiting_leaves_the_loop_free(shop: Shop) -> None:
    """For a statement, for a connection of the pool, and in a crowd; each gets its own answer."""
    shop = Shop(shop.database, pool_size=4, pool_timeout=30)

    def one(number: int) -> Any:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            thing = unit.things.save(Thing(code=str(number)))
            unit.executor.scalar("SELECT sleep(0.001)")
            return unit.things.get_by_id(thing.id).code

    async def main() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        found = await asyncio.gather(*(call(one, number) for number in range(60)))
        ticking.cancel()
        assert found == [str(number) for number in range(60)]
        assert ticks > 60
        assert connections_of(shop) <= 4
        shop.manager.close()

    asyncio.run(main())


def test_pool_that_is_exhausted(shop: Shop) -> None:
    """A task that waits too long is told so; one that is cancelled while it waits takes no place."""
    shop = Shop(shop.database, pool_size=1, pool_timeout=0.1)

    def hold(until: asyncio.Event, has: asyncio.Event) -> None:
        with shop.scope() as scope:
            shop.executor(scope).scalar("SELECT 1")
            has.set()
            await_(until.wait())

    def ask() -> None:
        with shop.scope() as scope:
            shop.executor(scope).scalar("SELECT 1")

    async def main() -> None:
        until, has = asyncio.Event(), asyncio.Event()
        holder = asyncio.create_task(call(hold, until, has))
        await has.wait()
        with pytest.raises(ConnectionsExhausted):
            await call(ask)
        waiting = asyncio.create_task(call(ask))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        until.set()
        await holder
        await call(ask)
        shop.manager.close()

    asyncio.run(main())


def test_both_drivers_give_the_same_values(shop: Shop) -> None:
    """Of every type that a statement of an author's may give, not only of those that fields have."""
    query = (
        "SELECT 1, -1.50, 1e0, 'ä', NULL, true, x'00ff', DATE'0001-01-01', TIMESTAMP'9999-12-31 23:59:59.999999', "
        "TIME'-838:59:59', CAST('12' AS UNSIGNED), 18446744073709551615, b'101', YEAR('2026-01-01'), "
        "JSON_OBJECT('a', 1), REPEAT('x', 100000), CURRENT_TIMESTAMP > 0, SUM(1), AVG(1), "
        "CAST('0000-00-00' AS DATETIME), CAST('x' AS BINARY(3)), UUID() IS NULL"
    )

    def rows(unit: Unit) -> Any:
        unit.executor.scalar(sa.select(sa.func.count()).select_from(unit.thing))
        assert unit.executor._session is not None
        return unit.executor._session.fetch(query, ())

    found = [Shop(replace(shop.database, mode=mode)).in_scope(rows)[0] for mode in ("sync", "async")]
    assert found[0] == found[1]
    assert [type(value) for value in found[0]] == [type(value) for value in found[1]]
