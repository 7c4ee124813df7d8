"""Async mode on PostgreSQL: a task may be cancelled at every await, and the loop is never held up."""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Owner, Shop, Thing, Unit
from tests.faults.kit import soon

from prefiq.bridge import await_, call
from prefiq.sql import CommitUnknown, ConnectionsExhausted
from prefiq.sql.dialects import postgres_waiting


@pytest.fixture(scope="session")
def mode() -> str:
    return "async"


@types.coroutine
def cancelled_at(running: Coroutine[Any, Any, Any], place: int, times: int) -> Generator[Any, Any, bool]:
    """Run it in the present task, which is cancelled where it waits the n-th time; whether it came so far."""
    task = asyncio.current_task()
    assert task is not None
    steps = running.__await__()
    count = 0
    step: Callable[[Any], Any] = steps.send
    value: Any = None
    while True:
        try:
            waits_for = step(value)
        except StopIteration:
            return count > place
        if place <= count < place + times:
            task.cancel()
        count += 1
        try:
            value, step = (yield waits_for), steps.send
        except BaseException as error:  # noqa: BLE001
            value, step = error, steps.throw


def begin(unit: Unit) -> None:
    unit.owners.save(Owner(name="old"))
    unit.things.save_many([Thing(code="1"), Thing(code="2")])


def add_many(unit: Unit, count: int) -> None:
    unit.owners.save_many([Owner(name="new") for _ in range(count)])


def add_nested(unit: Unit) -> None:
    with unit.executor.tx():
        unit.owners.save(Owner(name="new"))
        with unit.executor.tx():
            unit.owners.save(Owner(name="new"))


def read_stream(unit: Unit) -> None:
    with unit.executor.tx():
        unit.owners.save(Owner(name="new"))
        for rows in unit.executor.stream(sa.select(unit.owner.c.id), batch=1):
            assert len(rows) == 1


def read_held_stream(unit: Unit) -> None:
    for rows in unit.executor.stream(sa.select(unit.thing.c.id), batch=1):
        assert len(rows) == 1


def change(unit: Unit) -> None:
    owner = unit.owners.list().items[0]
    owner.name = "new"
    unit.owners.update(owner)


def hurry(unit: Unit) -> None:
    unit.owners.list()
    unit.executor._until = time.monotonic() + 10
    unit.owners.save(Owner(name="new"))


OPERATIONS: dict[str, Callable[[Unit], Any]] = {
    "list": lambda unit: unit.owners.list(),
    "save": lambda unit: unit.owners.save(Owner(name="new")),
    "update": change,
    "pipeline": lambda unit: add_many(unit, 3),
    "copy": lambda unit: add_many(unit, 300),
    "nested": add_nested,
    "stream": read_stream,
    "stream without a transaction": read_held_stream,
    "core": lambda unit: unit.executor.exec(sa.update(unit.owner).values(name="new")),
    "core in bulk": lambda unit: unit.executor.bulk(
        sa.update(unit.owner).values(name=sa.bindparam("to")), [{"to": "new"}] * 3
    ),
    "deadline": hurry,
}


@pytest.mark.parametrize("times", [1, 1000])
@pytest.mark.parametrize("name", OPERATIONS)
def test_cancelled_at_every_await(shop: Shop, name: str, times: int) -> None:
    """Nothing is half done, no connection or transaction is left, and the next one is served.

    Once, as asyncio cancels; or at each await from there on, as a group of tasks may.
    """
    shop.in_scope(begin)
    shop = Shop(shop.database, pool_size=1)

    def use() -> None:
        with shop.scope() as scope:
            OPERATIONS[name](Unit(shop, scope))

    def names() -> list[str]:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            assert unit.executor.scalar("SELECT count(*) FROM pg_cursors WHERE name <> ''") == 0
            return sorted(row[0] for row in unit.executor.query(sa.select(unit.owner.c.name)))

    def reset() -> None:
        with shop.database.connect() as administrator:
            administrator.execute(
                "DELETE FROM shop_owner WHERE id <> (SELECT min(id::text)::uuid FROM shop_owner)"
            )
            administrator.execute("UPDATE shop_owner SET name = 'old'")

    def is_idle() -> bool:
        with shop.database.connect() as administrator:
            (open_,) = administrator.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'prefiq%' AND state <> 'idle'"
            ).fetchone()
            return bool(open_ == 0)

    async def attempt(place: int) -> bool:
        return await cancelled_at(call(use), place, times)

    async def main() -> None:
        await call(names)  # the pool's connection is there, and SQLAlchemy has asked what it asks first
        await asyncio.create_task(attempt(10_000))
        done = await call(names)
        reset()
        place, is_reached = 0, True
        while is_reached:
            task = asyncio.create_task(attempt(place))
            try:
                is_reached = await task
            except asyncio.CancelledError:
                assert task.cancelled()
            pool: Any = shop.manager.engine().pool
            assert pool.checkedout() == 0
            soon(is_idle, "the server has an open transaction")  # one that was given up ends by itself
            assert await call(names) in (["old"], done)
            reset()
            place += 1
        shop.manager.close()

    asyncio.run(main())


def test_commit_is_not_cancelled(shop: Shop) -> None:
    """What happened is known: it was kept, its callbacks are called, and the cancellation goes on behind it."""
    said: list[str] = []

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

    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        task = asyncio.create_task(call(use))
        tasks.append(task)
        with pytest.raises(asyncio.CancelledError):
            await task
        shop.manager.close()

    asyncio.run(main())
    assert said == ["kept", "cancelled"]
    assert shop.in_scope(lambda unit: unit.owners.count()) == 1


def test_time_limit_of_a_task(shop: Shop) -> None:
    """``asyncio.timeout`` ends a statement on the server, and the connection serves the next one."""

    async def main() -> None:
        def slow() -> None:
            with shop.scope() as scope:
                shop.executor(scope).scalar("SELECT pg_sleep(60)")

        def backend() -> int:
            with shop.scope() as scope:
                return int(shop.executor(scope).scalar("SELECT pg_backend_pid()"))

        before = await call(backend)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call(slow)
        with shop.database.connect() as administrator:
            query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state <> 'idle'"
            assert administrator.execute(query).fetchone() == (0,)
        await call(backend)
        assert before
        shop.manager.close()

    asyncio.run(main())


def test_commit_that_does_not_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled task waits for its COMMIT for some time, and then it is not known what became of it."""
    monkeypatch.setattr(postgres_waiting, "ENDING", 0.05)
    with shop.database.connect() as administrator:
        administrator.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$"
        )
        administrator.execute(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON shop_owner DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    caught: list[BaseException] = []

    def use() -> None:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            try:
                with unit.executor.tx():
                    unit.owners.save(Owner(name="x"))
                    asyncio.get_running_loop().call_later(0.01, tasks[0].cancel)
            except BaseException as error:
                caught.append(error)
                raise

    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        task = asyncio.create_task(call(use))
        tasks.append(task)
        with pytest.raises((asyncio.CancelledError, CommitUnknown)):
            await task
        pool: Any = shop.manager.engine().pool
        assert pool.checkedout() == 0
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
            unit.executor.scalar("SELECT pg_sleep(0.001)")
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


@pytest.mark.parametrize("times", [1, 1000])
def test_cancelled_while_it_connects(shop: Shop, times: int) -> None:
    """The pool gets its place back, whatever the connection was told already."""

    async def attempt(place: int) -> bool:
        fresh = Shop(shop.database, pool_size=1, pool_timeout=5)

        def ask() -> object:
            with fresh.scope() as scope:
                return fresh.executor(scope).scalar("SELECT 1")

        task = asyncio.create_task(cancelled_at(call(ask), place, times))
        try:
            is_reached = await task
        except asyncio.CancelledError:
            is_reached = True
        pool: Any = fresh.manager.engine().pool
        assert pool.checkedout() == 0
        assert await call(ask) == 1
        fresh.manager.close()
        return bool(is_reached)

    async def main() -> None:
        place = 0
        while await attempt(place):
            place += 1
        assert place > 3

    asyncio.run(main())
