"""``FairPool``: no connection is lost, whatever happens to those who had or wanted one."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from typing import Any

import pytest
import sqlalchemy as sa

from prefiq.bridge import call, pause
from prefiq.sql.fair_pool import FairPool


class Opened:
    """Makes connections, counts them, and fails when told to."""

    def __init__(self) -> None:
        self.connections: list[sqlite3.Connection] = []
        self.fails = False

    def __call__(self) -> sqlite3.Connection:
        if self.fails:
            raise sqlite3.OperationalError
        self.connections.append(sqlite3.connect(":memory:", check_same_thread=False))
        return self.connections[-1]


@pytest.fixture
def opened() -> Any:
    made = Opened()
    yield made
    for connection in made.connections:
        connection.close()


def engine_of(opened: Opened, size: int = 2) -> tuple[sa.Engine, FairPool]:
    engine = sa.create_engine(
        "sqlite+pysqlite://", creator=opened, poolclass=FairPool, pool_size=size, pool_timeout=0.02
    )
    pool = engine.pool
    assert isinstance(pool, FairPool)
    return engine, pool


def test_connections_are_used_again(opened: Opened) -> None:
    """The last one given back is the first one taken."""
    engine, pool = engine_of(opened)
    first, second = engine.connect(), engine.connect()
    raw = second.connection.driver_connection
    first.close()
    second.close()
    with engine.connect() as again:
        assert again.connection.driver_connection is raw
        assert pool.checkedout() == 1
        assert pool.status() == "1 of 2 connections in use, 1 idle"
    assert len(opened.connections) == 2


def test_no_more_than_its_size(opened: Opened) -> None:
    """Who finds none free is told after the time that it may wait."""
    engine, pool = engine_of(opened)
    with engine.connect(), engine.connect(), pytest.raises(sa.exc.TimeoutError, match="no connection of 2"):
        engine.connect()
    assert pool.checkedout() == 0


def test_connection_that_cannot_be_opened_takes_no_place(opened: Opened) -> None:
    """However often."""
    engine, pool = engine_of(opened)
    opened.fails = True
    for _ in range(5):
        with pytest.raises(sa.exc.OperationalError):
            engine.connect()
    opened.fails = False
    with engine.connect(), engine.connect():
        assert pool.checkedout() == 2


def test_forgotten_and_broken_connections_leave_their_place(opened: Opened) -> None:
    """One that nobody closed comes back by itself; one that is invalidated is opened anew."""
    engine, pool = engine_of(opened)
    for _ in range(5):
        forgotten: Any = engine.connect()
        del forgotten
        gc.collect()
        connection = engine.connect()
        connection.invalidate()
        connection.close()
    assert pool.checkedout() == 0
    with engine.connect(), engine.connect():
        pass


def test_cancelled_waiter_leaves_no_hole(opened: Opened) -> None:
    """Of many tasks of which some are cancelled, all others come to a connection."""
    engine, pool = engine_of(opened, 1)
    pool._timeout = 30
    done: list[int] = []

    def use(number: int) -> None:
        with engine.connect() as connection:
            pause(0)
            connection.exec_driver_sql("SELECT 1")
        done.append(number)

    async def main() -> None:
        tasks = [asyncio.create_task(call(use, number)) for number in range(50)]
        for number in range(0, 50, 2):
            await asyncio.sleep(0)
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert [number for number in done if number % 2] == list(range(1, 50, 2))
    assert pool.checkedout() == 0
    assert len(opened.connections) == 1


def test_nobody_is_passed_by(opened: Opened) -> None:
    """Callers that come again and again have their turns one after the other, however many there are."""
    engine, pool = engine_of(opened, 2)
    pool._timeout = 30
    turns: list[int] = []

    def use(number: int) -> None:
        for _ in range(5):
            with engine.connect():
                pause(0)
            turns.append(number)

    async def main() -> None:
        await asyncio.gather(*(call(use, number) for number in range(6)))

    asyncio.run(main())
    assert turns == list(range(6)) * 5


def test_disposed_pool_closes_what_comes_back(opened: Opened) -> None:
    """What was in use then is closed when it is given back, and the engine opens others."""
    engine, pool = engine_of(opened)
    idle, used = engine.connect(), engine.connect()
    idle.close()
    engine.dispose()
    used.close()
    for raw in opened.connections:
        with pytest.raises(sqlite3.ProgrammingError):
            raw.execute("SELECT 1")
    assert pool.checkedout() == 0
    assert engine.pool is not pool
    with engine.connect() as fresh:
        assert fresh.exec_driver_sql("SELECT 1").scalar() == 1
