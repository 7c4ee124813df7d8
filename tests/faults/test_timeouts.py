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
from tests.faults.kit import Shop, creating, growing, open_shop, open_transactions, orders_in
from tests.servers import Database

from prefiq.contracts import Scope
from prefiq.sql import DatabaseLocked, DeadlineExceeded, Executor, StatementTimeout

TIME = 0.4
PATIENCE = 3
"""Seconds after which nobody would call it ended in time."""


def _numbers() -> sa.CTE:
    numbers = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    return numbers.union_all(sa.select(numbers.c.n + 1))


SLOW: dict[str, Any] = {
    "sqlite": sa.select(sa.func.count()).select_from(_numbers()),
    "postgres": "SELECT COUNT(*) FROM generate_series(1, 1000000000)",
    "mariadb": "SELECT SUM(seq * 2) FROM seq_1_to_1000000000",
}
"""Statements that take much longer than anyone would wait."""


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path, db_pool_size=1, db_statement_timeout=TIME) as opened:
        yield opened


TOO_LONG = (StatementTimeout, DeadlineExceeded, DatabaseLocked)
"""What ends who waits for others: SQLite's statements do not wait, it is the file that is locked."""


def soon() -> datetime:
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


def slow(engine: str) -> Any:
    return lambda scope: scope[Executor].query(SLOW[engine])


def test_slow_statement_is_ended(shop: Shop, engine: str, database: Database) -> None:
    """By DB_STATEMENT_TIMEOUT; the same connection then serves the next request."""
    with in_time(), pytest.raises(StatementTimeout):
        shop.do(slow(engine))
    assert_good(shop, database)


def test_deadline_ends_a_slow_statement(database: Database, tmp_path: Path, engine: str) -> None:
    """Although a statement may take longer where nobody waits for it."""
    with open_shop(database, tmp_path, db_pool_size=1, db_statement_timeout=20) as shop:
        with in_time(), pytest.raises(StatementTimeout):
            shop.do(slow(engine), deadline=soon())
        assert_good(shop, database)


def test_nothing_is_sent_after_the_deadline(shop: Shop, database: Database) -> None:
    """What was written before it in the same transaction is undone."""

    def work(scope: Scope) -> None:
        with scope[Executor].tx():
            creating("too late")(scope)
            time.sleep(TIME)  # the caller's own work: no event to wait for
            creating("never")(scope)

    with pytest.raises(DeadlineExceeded):
        shop.do(work, deadline=soon())
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
            shop.do(growing(order), deadline=soon())
        assert orders_in(database) == {("acme", "wanted"): 1}
        assert_good(shop, database)


def assert_good(shop: Shop, database: Database) -> None:
    shop.works("next")
    assert shop.in_use() == 0
    if database.engine != "sqlite":
        assert open_transactions(database) == 0
