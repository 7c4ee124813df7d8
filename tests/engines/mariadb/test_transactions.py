"""Transactions and errors that are MariaDB's own, in both modes; what servers have in common is one folder up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Owner, Shop, Thing, Unit

from prefiq.contracts import UniqueViolation
from prefiq.contracts.transactions import Isolation
from prefiq.sql import (
    Deadlock,
    ReadOnlyTransaction,
)
from prefiq.sql.tables import short_name


class Undo(Exception):
    """Ends a transaction of a test."""


@contextmanager
def other(shop: Shop) -> Iterator[Any]:
    """A cursor of the plain driver, behind Prefiq's back."""
    with shop.database.connect() as connection, connection.cursor() as cursor:
        yield cursor


def count(unit: Unit) -> int:
    return int(unit.executor.scalar(sa.select(sa.func.count()).select_from(unit.thing)))


@pytest.mark.parametrize(
    ("isolation", "read_only", "level"),
    [
        (None, False, "READ-COMMITTED"),
        ("read committed", False, "READ-COMMITTED"),
        ("repeatable read", False, "REPEATABLE-READ"),
        ("serializable", False, "SERIALIZABLE"),
        (None, True, "REPEATABLE-READ"),
        ("read committed", True, "REPEATABLE-READ"),
        ("serializable", True, "SERIALIZABLE"),
    ],
)
def test_isolation(shop: Shop, isolation: Isolation | None, read_only: bool, level: str) -> None:
    """It is as asked for, whatever the server's default is; reading sees the rows of the moment when it began."""
    now = "SELECT trx_isolation_level, trx_is_read_only FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = %s"

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code="a"))
        session = unit.executor._session
        assert session is not None
        with other(shop) as cursor, unit.executor.tx(isolation=isolation, read_only=read_only):
            if level != "SERIALIZABLE":  # which locks what it reads, and so has no snapshot
                cursor.execute("UPDATE shop_thing SET code = 'b'")
                changed = level == "READ-COMMITTED" or (level == "REPEATABLE-READ" and not read_only)
                assert unit.things.list().items[0].code == ("b" if changed else "a")
                cursor.execute("UPDATE shop_thing SET code = 'c'")
                code = unit.things.list().items[0].code
                assert code == ("c" if level == "READ-COMMITTED" else "b" if changed else "a")
            else:
                assert count(unit) == 1
            expected, told = (level.replace("-", " "), int(read_only)), None
            end = time.monotonic() + 10
            while told != expected and time.monotonic() < end:
                # The table tells old news for as long as anybody on the server asks it again within 100 ms.
                time.sleep(random.uniform(0.11, 0.3))
                cursor.execute(now, (unit.driver.thread_id(),))
                told = cursor.fetchone()
            assert told == expected
            if read_only:
                with pytest.raises(Exception, match="READ ONLY"):
                    session.write("DELETE FROM shop_thing", ())
        assert not session.in_transaction

    shop.in_scope(use)


def test_deadlock(shop: Shop) -> None:
    """One of two that wait for each other is ended, and says so; nothing that follows is kept alone."""
    waits = threading.Event()

    def use(unit: Unit) -> None:
        first, second = (unit.things.save(Thing(code=code)) for code in ("a", "b"))
        lock = "SELECT 1 FROM shop_thing WHERE tenant_id = 'acme' AND id = %s FOR UPDATE"
        with other(shop) as cursor:
            cursor.execute("BEGIN")
            # More rows are changed here: the server ends the transaction that has changed less.
            for code in range(20):
                cursor.execute(
                    "INSERT INTO shop_owner (tenant_id, id, version, name) VALUES ('x', %s, 1, 'x')",
                    (UUID(int=code).bytes,),
                )
            cursor.execute(lock, (second.id.bytes,))

            def cross() -> None:
                waits.set()
                cursor.execute(lock, (first.id.bytes,))
                cursor.execute("ROLLBACK")

            thread = threading.Thread(target=cross)
            with pytest.raises(Deadlock) as caught, unit.executor.tx():  # noqa: PT012
                first.whole = 5
                unit.things.update(first)
                thread.start()
                waits.wait()
                with pytest.raises(Deadlock):
                    unit.executor.exec(
                        sa.update(unit.thing).where(unit.thing.c.id == second.id).values(whole=5)
                    )
                session = unit.executor._held
                assert session is not None
                assert not session.in_transaction
                raise Deadlock
            thread.join()
        assert caught.value.retryable
        assert [thing.whole for thing in unit.things.list().items] == [0, 0]

    shop.in_scope(use)


def test_key_with_a_long_name_is_found(shop: Shop) -> None:
    """Names are shortened where they are too long; the tables know them as they are."""
    name = short_name("uq_shop_owner_quite_a_long_name_that_no_engine_takes_as_it_is_because_of_its_length")
    owner = shop.tables[Owner].c
    index = sa.Index(name, owner.tenant_id, owner.name, unique=True)
    with shop.manager.schema_connection() as connection:
        connection.execute(sa.schema.CreateIndex(index))

    def use(unit: Unit) -> None:
        unit.owners.save(Owner(name="a"))
        with pytest.raises(UniqueViolation) as caught:
            unit.owners.save(Owner(name="a"))
        assert (caught.value.model, caught.value.fields) == ("shop.Owner", ("name",))

    shop.in_scope(use)


def test_function_that_writes_in_a_reading_transaction(shop: Shop) -> None:
    """What Prefiq does not see, the server refuses."""
    with other(shop) as cursor:
        cursor.execute(
            "CREATE FUNCTION sneak() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM shop_thing; RETURN 1; END"
        )

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code="a"))
        with pytest.raises(ReadOnlyTransaction), unit.executor.tx(read_only=True):
            unit.executor.scalar("SELECT sneak()")
        assert count(unit) == 1

    try:
        shop.in_scope(use)
    finally:
        with other(shop) as cursor:
            cursor.execute("DROP FUNCTION sneak")


def test_update_counts_the_rows_that_it_matches(shop: Shop) -> None:
    """Not only those that it changes: an update to the same values is none that missed."""

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code="a", moment=datetime(2026, 1, 1, tzinfo=UTC)))
        same = sa.update(unit.thing).values(code="a")
        assert unit.executor.exec(same) == 1
        assert unit.executor.exec(same) == 1
        assert unit.executor.exec(same.where(unit.thing.c.code == "b")) == 0

    shop.in_scope(use)
