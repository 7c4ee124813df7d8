"""Many rows into MariaDB and out of it, in both modes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Owner, Shop, Thing, Unit
from tests.engines.postgres.test_bulk import (
    test_core_in_bulk,
    test_general_statements_share_connection_and_transaction,
    things,
)
from tests.own_server import OwnServer, own_server

from prefiq.contracts import ForeignKeyViolation, UniqueViolation
from prefiq.sql import Disconnected, StatementTooLarge
from prefiq.sql.dialects.mariadb_statements import MOST_BYTES, batches

__all__ = ["test_core_in_bulk", "test_general_statements_share_connection_and_transaction"]


@pytest.mark.parametrize("count", [1, 7, 3000])
def test_many_rows_come_back(shop: Shop, count: int) -> None:
    """In as few statements as a megabyte allows."""
    made = things(count)

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many(made)
        for thing in made:
            assert unit.things.get_by_id(thing.id) == thing
        assert unit.things.count() == count

    shop.in_scope(use)


def test_all_or_none(shop: Shop) -> None:
    """One row too many undoes all of them; the error is that of a single insert."""

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code="002999"))
        with pytest.raises(UniqueViolation) as caught:
            unit.things.save_many(things(3000))
        assert (caught.value.model, caught.value.fields) == ("shop.Thing", ("code",))
        with pytest.raises(ForeignKeyViolation):
            unit.owners.save_many([Owner(name="x", thing_id=UUID(int=number)) for number in range(300)])
        assert unit.things.count() == 1
        assert unit.owners.count() == 0

    shop.in_scope(use)


def test_rows_are_put_together() -> None:
    """Up to the size that was asked for; a row that is longer goes alone, and other statements one by one."""
    insert = "INSERT INTO t (a, b) VALUES (%s, %s)"
    rows = [(number, "'%s\\") for number in range(10)]
    assert list(batches(insert, rows[:2])) == [b"INSERT INTO t (a, b) VALUES (0, '''%s\\\\'),(1, '''%s\\\\')"]
    assert list(batches(insert, [])) == []
    for most in (1, 60, 80, 200):
        made = list(batches(insert, rows, most))
        assert all(len(statement) <= most or statement.count(b"),(") == 0 for statement in made)
        assert sum(statement.count(b"),(") + 1 for statement in made) == 10
    update = "UPDATE t SET a = %s WHERE b = 'VALUES (%%s)'"
    assert list(batches(update, [(1,), (2,)])) == [
        b"UPDATE t SET a = 1 WHERE b = 'VALUES (%s)'",
        b"UPDATE t SET a = 2 WHERE b = 'VALUES (%s)'",
    ]


@pytest.fixture(scope="session")
def small_server(engine: str) -> Iterator[OwnServer]:
    """A server that takes little more than a megabyte in one statement."""
    with own_server(engine, "--max-allowed-packet=1M") as server:
        yield server


@pytest.fixture
def small(small_server: OwnServer, mode: str) -> Shop:
    shop = Shop(replace(small_server.database, mode=mode))
    with small_server.database.connect() as administrator, administrator.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {shop.database.name}")
        cursor.execute(f"CREATE DATABASE {shop.database.name}")
    return shop.create()


def test_rows_near_the_packets_limit(small: Shop) -> None:
    """Rows of any size below it go through, alone and together."""

    def use(unit: Unit) -> None:
        sizes = [1, 600_000, 300_000, MOST_BYTES - 1000, 1_040_000, 5, 499_000, 499_000]
        made = [Thing(code=str(n), long="ä'"[n % 2] * (size // 2)) for n, size in enumerate(sizes)]
        unit.things.save_many(made)
        assert {thing.code: len(thing.long) for thing in unit.things.list().items} == {
            str(n): size // 2 for n, size in enumerate(sizes)
        }

    small.in_scope(use)


def test_statement_that_is_too_long(small: Shop) -> None:
    """It has an error of its own, which nobody repeats; nothing was sent, and the connection goes on."""

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.owners.save(Owner(name="kept"))
            for write in (
                lambda: unit.things.save(Thing(code="a", long="x" * 2_000_000)),
                lambda: unit.executor.exec(sa.update(unit.thing).values(long="ä" * 600_000)),
            ):
                with pytest.raises(StatementTooLarge) as caught, unit.executor.tx():
                    write()
                assert not caught.value.retryable
        assert unit.owners.count() == 1

    small.in_scope(use)


def fill(shop: Shop, count: int) -> None:
    with shop.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO shop_owner (tenant_id, id, version, name) SELECT 'acme', UNHEX(LPAD(HEX(seq), 32, '0')), 1,"
            f" REPEAT('x', 40) FROM seq_1_to_{count}"
        )


@pytest.mark.parametrize("in_transaction", [False, True])
def test_streaming_needs_little_memory(shop: Shop, in_transaction: bool) -> None:
    """However many rows there are; inside a transaction and outside of one."""
    fill(shop, 60_000)

    def use(unit: Unit) -> None:
        statement = sa.select(unit.owner.c.id, unit.owner.c.name)
        unit.executor.scalar("SELECT 1")
        total = 0
        tracemalloc.start()
        try:
            for rows in unit.executor.stream(statement, batch=500):
                total += len(rows)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert total == 60_000
        assert peak < 4_000_000

    def inside(unit: Unit) -> None:
        with unit.executor.tx():
            use(unit)

    shop.in_scope(inside if in_transaction else use)


@pytest.mark.parametrize("meanwhile", ["plan", "core", "transaction", "another stream"])
def test_other_statements_beside_a_stream(shop: Shop, meanwhile: str) -> None:
    """They let the stream read its rest into memory first: no row is lost, and none is seen that came later."""
    fill(shop, 2500)

    def use(unit: Unit) -> None:
        statement = sa.select(unit.owner.c.id)

        def disturb() -> None:
            if meanwhile == "plan":
                unit.owners.save(Owner(name="later"))
            elif meanwhile == "core":
                unit.executor.exec(sa.insert(unit.owner).values(id=UUID(int=10**6), version=1, name="later"))
            elif meanwhile == "transaction":
                with unit.executor.tx():
                    unit.owners.save(Owner(name="later"))
            else:
                other = [row for rows in unit.executor.stream(statement, batch=7) for row in rows]
                assert len(other) == len(set(other)) == 2500
                unit.owners.save(Owner(name="later"))

        seen: list[Any] = []
        for number, rows in enumerate(unit.executor.stream(statement, batch=1000)):
            seen += rows
            if number == 0:
                disturb()
        assert len(seen) == len(set(seen)) == 2500
        assert unit.owners.count() == 2501

    shop.in_scope(use)


def test_stream_that_is_left_early(shop: Shop) -> None:
    """The connection serves what follows, in the same unit and in the next one."""
    fill(shop, 2500)
    shop = Shop(shop.database, pool_size=1)

    def use() -> None:
        with shop.scope() as scope:
            unit = Unit(shop, scope)
            for rows in unit.executor.stream(sa.select(unit.owner.c.id), batch=10):
                assert len(rows) == 10
                break
            assert unit.owners.count() == 2500
            rows = unit.executor.stream(sa.select(unit.owner.c.id), batch=10)
            next(iter(rows))
        with shop.scope() as scope:
            assert Unit(shop, scope).owners.count() == 2500

    shop.run(use)


def test_stream_whose_connection_is_lost(shop: Shop) -> None:
    """It ends with an error, not as if there were no more rows."""
    fill(shop, 60_000)

    def use(unit: Unit) -> None:
        rows = unit.executor.stream(sa.select(unit.owner.c.id, unit.owner.c.name), batch=10)
        next(rows)
        assert unit.executor._session is not None
        unit.executor._session.kill()
        with pytest.raises(Disconnected):
            list(rows)
        assert unit.owners.count() == 60_000

    shop.in_scope(use)


def test_rows_that_an_insert_returns(shop: Shop) -> None:
    """In bulk, too, where SQLAlchemy puts the rows together: each of them is the tenant's."""

    def use(unit: Unit) -> None:
        rows = [{"id": UUID(int=number), "version": 1, "name": str(number)} for number in range(300)]
        unit.executor.exec(sa.insert(unit.owner), {"id": UUID(int=999), "version": 1, "name": "one"})
        insert = sa.insert(unit.owner).values(rows).returning(unit.owner.c.id, unit.owner.c.tenant_id)
        assert {tuple(row) for row in unit.executor.query(insert)} == {(row["id"], "acme") for row in rows}
        delete = sa.delete(unit.owner).returning(unit.owner.c.name)
        assert len(unit.executor.query(delete)) == 301

    shop.in_scope(use)
