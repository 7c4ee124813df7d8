"""Transactions and errors that are PostgreSQL's own, in both modes; what servers have in common is one folder up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Shop, Thing, Unit

from prefiq.contracts import UniqueViolation
from prefiq.contracts.transactions import Isolation
from prefiq.sql import (
    Deadlock,
    SerializationFailure,
    TransactionFailed,
    TransactionLost,
)


class Undo(Exception):
    """Ends a transaction of a test."""


@contextmanager
def other(shop: Shop) -> Iterator[Any]:
    """A connection of the plain driver, behind Prefiq's back."""
    with shop.database.connect() as connection:
        yield connection


def count(unit: Unit) -> int:
    return int(unit.executor.scalar(sa.select(sa.func.count()).select_from(unit.thing)))


def test_failed_transaction_cannot_be_committed(shop: Shop) -> None:
    """The server makes a rollback of the COMMIT and says nothing: that must not pass for success."""

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code="a"))
        with pytest.raises(TransactionFailed), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="b"))
            with pytest.raises(UniqueViolation):
                unit.things.save(Thing(code="a"))
        with pytest.raises(Undo), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="b"))
            session = unit.executor._session
            assert session is not None
            for command in ("SELECT nothing", "COMMIT"):
                with pytest.raises(psycopg.Error):
                    session.control(command)
            assert session.in_transaction
            raise Undo
        assert count(unit) == 1

    shop.in_scope(use)


@pytest.mark.parametrize(
    ("isolation", "read_only", "level"),
    [
        (None, False, "read committed"),
        ("read committed", False, "read committed"),
        ("repeatable read", False, "repeatable read"),
        ("serializable", False, "serializable"),
        (None, True, "repeatable read"),
        ("serializable", True, "serializable"),
    ],
)
def test_isolation(shop: Shop, isolation: Isolation | None, read_only: bool, level: str) -> None:
    """It is as asked for, whatever the server's default is; reading sees one snapshot."""
    with other(shop) as connection:
        connection.execute(
            f"ALTER DATABASE {shop.database.name} SET default_transaction_isolation = 'serializable'"
        )

    def use(unit: Unit) -> None:
        with unit.executor.tx(isolation=isolation, read_only=read_only):
            assert unit.executor.scalar("SELECT current_setting('transaction_isolation')") == level
            assert (
                unit.executor.scalar("SELECT current_setting('transaction_read_only')") == "on"
            ) is read_only
            before = count(unit)
            with other(shop) as connection:
                connection.execute(
                    "INSERT INTO shop_thing (tenant_id, id, version, code, long, whole, flag, money, ratio, day,"
                    " moment, key, colour, document) VALUES ('acme', gen_random_uuid(), 1, 'x', '', 0, false, 0, 0,"
                    " '2026-01-01', now(), gen_random_uuid(), 'red', '{}')"
                )
            assert count(unit) == before + (level == "read committed")
        assert unit.executor.scalar("SELECT current_setting('transaction_isolation')") == "read committed"

    shop.in_scope(use)
    with other(shop) as connection:
        connection.execute(f"ALTER DATABASE {shop.database.name} RESET default_transaction_isolation")


def test_serialization_failure(shop: Shop) -> None:
    """What the isolation forbids is an error after which the transaction may be repeated."""

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        with pytest.raises(SerializationFailure) as caught, unit.executor.tx(isolation="repeatable read"):  # noqa: PT012
            found = unit.things.get_by_id(thing.id)
            with other(shop) as connection:
                connection.execute("UPDATE shop_thing SET whole = 3")
            found.whole = 4
            unit.things.update(found)
        assert caught.value.retryable
        assert unit.things.get_by_id(thing.id).whole == 3

    shop.in_scope(use)


def test_deadlock(shop: Shop) -> None:
    """One of two that wait for each other is ended, and says so."""
    waits = threading.Event()

    def use(unit: Unit) -> None:
        first, second = (unit.things.save(Thing(code=code)) for code in ("a", "b"))
        lock = "SELECT 1 FROM shop_thing WHERE id = %s FOR UPDATE"
        with other(shop) as connection:
            connection.execute("SET deadlock_timeout = '10s'")  # the other side looks first
            connection.execute("BEGIN")
            connection.execute(lock, (second.id,))

            def cross() -> None:
                waits.set()
                connection.execute(lock, (first.id,))
                connection.execute("ROLLBACK")

            thread = threading.Thread(target=cross)
            with pytest.raises(Deadlock) as caught, unit.executor.tx():  # noqa: PT012
                first.whole = second.whole = 5
                unit.things.update(first)
                thread.start()
                waits.wait()
                unit.things.update(second)
            thread.join()
        assert caught.value.retryable
        assert count(unit) == 2

    shop.in_scope(use)


def test_plans_stay_prepared_through_a_rollback(shop: Shop) -> None:
    """The driver would forget them all."""
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%shop_thing.ratio%%'"

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        for _ in range(10):
            unit.things.get_by_id(thing.id)
        assert unit.executor.scalar(prepared) == 1
        with pytest.raises(Undo), unit.executor.tx():  # noqa: PT012
            with pytest.raises(Undo), unit.executor.tx():  # noqa: PT012
                unit.things.get_by_id(thing.id)
                raise Undo
            raise Undo
        assert unit.executor.scalar(prepared) == 1

    shop.in_scope(use)


def test_one_prepared_statement_whatever_the_size_of_a_number(shop: Shop) -> None:
    """The driver would choose a type for each, and prepare one for each combination of them."""

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        for number in [1, 2**20, 2**40] * 10:
            thing.whole = number
            unit.things.update(thing)
        seen = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'UPDATE%%'"
        assert unit.executor.scalar(seen) == 1

    shop.in_scope(use)


def test_migration_under_prepared_plans(shop: Shop) -> None:
    """A column that changes its type makes no plan useless for good; in a transaction, that one is repeated."""

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a", word="w"))
        for _ in range(10):
            unit.things.get_by_id(thing.id)
        with other(shop) as connection:
            connection.execute("ALTER TABLE shop_thing ALTER word TYPE text")
        assert unit.things.get_by_id(thing.id).word == "w"
        for _ in range(10):
            unit.things.get_by_id(thing.id)
        with other(shop) as connection:
            connection.execute("ALTER TABLE shop_thing ALTER word TYPE varchar(90)")
        with pytest.raises(TransactionLost) as caught, unit.executor.tx():
            unit.things.get_by_id(thing.id)
        assert caught.value.retryable
        with unit.executor.tx():
            assert unit.things.get_by_id(thing.id).word == "w"

    shop.in_scope(use)
