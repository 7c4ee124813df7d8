"""A statement that takes too long is ended; the connection that it ran on goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.faults.kit import Shop, creating, growing, open_shop, open_transactions, orders_in, soon
from tests.servers import Database

from prefiq.contracts import Scope
from prefiq.sql import DatabaseLocked, DeadlineExceeded, Executor, StatementTimeout

TIME = 0.4
PATIENCE = 4
"""Seconds after which nobody would call it ended in time."""


def _slow() -> sa.Select[Any]:
    """A statement that takes hours anywhere."""
    numbers = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < 500))
    joined: Any = numbers
    for i in range(5):
        joined = joined.join(numbers.alias(f"n{i}"), sa.true())
    return sa.select(sa.func.sum(numbers.c.n)).select_from(joined)


SLOW = _slow()


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    times: dict[str, Any] = {"db_statement_timeout": TIME}
    if database.engine == "sqlite":  # where waiting for another writer is no part of a statement
        times["db_busy_timeout"] = TIME
    with open_shop(database, tmp_path, db_pool_size=1, **times) as opened:
        yield opened


TOO_LONG = (StatementTimeout, DeadlineExceeded, DatabaseLocked)
"""What ends who waits for others: SQLite's statements do not wait, it is the file that is locked."""


def in_a_moment() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=TIME)


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert TIME * 0.5 < time.monotonic() - began < PATIENCE


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Somebody else has changed every order, and does not commit."""
    with closing(database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if database.engine == "sqlite" else "BEGIN")
        cursor.execute("UPDATE shop_order SET total = total + 1")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def slow(scope: Scope) -> None:
    scope[Executor].query(SLOW)


def test_slow_statement_is_ended(shop: Shop, database: Database) -> None:
    """By DB_STATEMENT_TIMEOUT; the same connection then serves the next request."""
    with in_time(), pytest.raises(StatementTimeout):
        shop.do(slow)
    assert_good(shop, database)


def test_deadline_ends_a_slow_statement(database: Database, tmp_path: Path) -> None:
    """Although a statement may take longer where nobody waits for it."""
    with open_shop(database, tmp_path, db_pool_size=1, db_statement_timeout=20) as shop:
        with in_time(), pytest.raises(StatementTimeout):
            shop.do(slow, deadline=in_a_moment())
        assert_good(shop, database)


def test_nothing_is_sent_after_the_deadline(shop: Shop, database: Database) -> None:
    """What was written before it in the same transaction is undone."""

    def work(scope: Scope) -> None:
        with scope[Executor].tx():
            creating("too late")(scope)
            time.sleep(TIME)  # the caller's own work: no event to wait for
            creating("never")(scope)

    with pytest.raises(DeadlineExceeded):
        shop.do(work, deadline=in_a_moment())
    assert orders_in(database) == {}
    assert_good(shop, database)


def test_waiting_for_another_one_is_ended(shop: Shop, database: Database) -> None:
    """Nothing of the write is kept, and once the other one is done it works."""
    order = shop.create("wanted")
    with locked(database), in_time(), pytest.raises(TOO_LONG):
        shop.do(growing(order))
    assert orders_in(database) == {("acme", "wanted"): 1}
    assert shop.do(growing(order)).version == 2
    assert_good(shop, database)


def test_deadline_ends_waiting_for_another_one(database: Database, tmp_path: Path) -> None:
    """The same by the deadline of the request."""
    with open_shop(database, tmp_path, db_pool_size=1, db_statement_timeout=20) as shop:
        order = shop.create("wanted")
        with locked(database), in_time(), pytest.raises(TOO_LONG):
            shop.do(growing(order), deadline=in_a_moment())
        assert orders_in(database) == {("acme", "wanted"): 1}
        assert_good(shop, database)


def assert_good(shop: Shop, database: Database) -> None:
    shop.works("next")
    assert shop.in_use() == 0
    if database.engine != "sqlite":
        soon(lambda: open_transactions(database) == 0, "a transaction is open")
