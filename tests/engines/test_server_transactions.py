"""Transactions, errors and time limits on servers, in both modes, as far as they are alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Owner, Shop, Thing, Unit
from tests.servers import SERVERS, Database

from prefiq.contracts import ForeignKeyViolation, UniqueViolation, ValidationFailed
from prefiq.errors import PrefiqError
from prefiq.sql import (
    DatabaseLocked,
    DeadlineExceeded,
    SchemaMissing,
    StatementTimeout,
    TransactionFailed,
)

pytestmark = pytest.mark.parametrize("engine", SERVERS, scope="session")

SLEEP = {"postgres": "SELECT pg_sleep(10)", "mariadb": "SELECT sleep(10)"}
LIMIT = {
    "postgres": "SELECT setting::float / 1000 FROM pg_settings WHERE name = 'statement_timeout'",
    "mariadb": "SELECT @@max_statement_time",
}


class Undo(Exception):
    """Ends a transaction of a test."""


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database).create()


def count(unit: Unit) -> int:
    return int(unit.executor.scalar(sa.select(sa.func.count()).select_from(unit.thing)))


def test_transactions_and_savepoints(shop: Shop) -> None:
    """Kept whole or undone whole; a nested one is undone alone; a failed one is not committed."""

    def use(unit: Unit) -> None:
        with pytest.raises(Undo), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="undone"))
            raise Undo
        assert count(unit) == 0
        with unit.executor.tx():
            unit.things.save(Thing(code="kept"))
            with pytest.raises(UniqueViolation), unit.executor.tx():  # noqa: PT012
                unit.things.save(Thing(code="undone"))
                unit.things.save(Thing(code="kept"))
            unit.things.save(Thing(code="kept, too"))
        assert count(unit) == 2
        with pytest.raises(TransactionFailed), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="undone"))
            with pytest.raises(UniqueViolation):
                unit.things.save(Thing(code="kept"))
        assert count(unit) == 2

    shop.in_scope(use)


@contextmanager
def locked(shop: Shop) -> Iterator[None]:
    """Every row of things is locked by somebody else."""
    with shop.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM shop_thing FOR UPDATE")
        yield
        cursor.execute("ROLLBACK")


def test_lock_is_not_waited_for_without_end(shop: Shop) -> None:
    """As on SQLite, a writer gives up after DB_BUSY_TIMEOUT, on MariaDB in whole seconds; it alone is undone."""
    shop = Shop(shop.database, busy_timeout=0.05)

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        thing.whole = 1
        with locked(shop):
            with pytest.raises(DatabaseLocked), unit.executor.tx():  # noqa: PT012
                unit.owners.save(Owner(name="x"))
                with pytest.raises(DatabaseLocked), unit.executor.tx():
                    unit.things.update(thing)
                assert unit.executor._session is not None
                assert unit.executor._session.in_transaction
                raise DatabaseLocked
            with pytest.raises(DatabaseLocked):
                unit.things.update(thing)
        unit.things.update(thing)
        assert unit.owners.count() == 0

    shop.in_scope(use)


def test_statement_timeout(shop: Shop, engine: str) -> None:
    """DB_STATEMENT_TIMEOUT ends a statement; the connection serves the next one."""
    shop = Shop(shop.database, statement_timeout=0.05)

    def use(unit: Unit) -> None:
        with pytest.raises(StatementTimeout):
            unit.executor.scalar(SLEEP[engine])
        driver = unit.driver
        with pytest.raises(StatementTimeout), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="a"))
            unit.executor.scalar(SLEEP[engine])
        assert count(unit) == 0
        assert unit.driver is driver

    shop.in_scope(use)


def test_deadline_ends_statements(shop: Shop, engine: str) -> None:
    """A unit's deadline limits its statements, and no unit after it; over it, nothing is sent."""
    shop = Shop(shop.database, statement_timeout=600, pool_size=1)

    def limit(unit: Unit) -> float:
        unit.things.count()  # what the next statement may take is said before it
        assert unit.executor._session is not None
        return float(unit.executor._session.fetch(LIMIT[engine], ())[0][0])

    def use() -> None:
        with shop.scope(seconds=100) as scope:
            unit = Unit(shop, scope)
            assert 99 < limit(unit) <= 100
            with pytest.raises(Undo), unit.executor.tx():  # noqa: PT012
                unit.executor._until -= 50
                assert limit(unit) < 50.001
                raise Undo
            assert limit(unit) < 50.001
        with shop.scope() as scope:
            assert limit(Unit(shop, scope)) == 600
        with shop.scope(seconds=0.1) as scope:
            unit = Unit(shop, scope)
            with pytest.raises(StatementTimeout):
                unit.executor.scalar(SLEEP[engine])
            with pytest.raises(DeadlineExceeded):
                count(unit)

    shop.run(use)


SECRET = "not-for-any-log"


def shown(error: BaseException) -> list[str]:
    """The texts of an error as Prefiq shows them; the driver's own is a cause, which is not shown."""
    return [str(error), repr(error), *(str(value) for value in vars(error).values())]


def test_errors_name_model_and_fields_and_no_value(shop: Shop, engine: str) -> None:
    """By the key's name, of which the tables know the columns; on MariaDB by the table that is written, too."""

    def use(unit: Unit) -> None:
        made = unit.things.save(Thing(code=SECRET, word=SECRET))
        unit.owners.save(Owner(thing_id=made.id, name=SECRET))
        row = {"id": UUID(int=9), "version": 1, "name": SECRET}
        owners = sa.insert(unit.owner)
        cases: list[tuple[Any, type[PrefiqError], dict[str, Any]]] = [
            (lambda: unit.things.save(Thing(code=SECRET)), UniqueViolation,
             {"model": "shop.Thing", "fields": ("code",)}),
            (lambda: unit.things.save(Thing(id=made.id, code="b")), UniqueViolation,
             {"model": "shop.Thing", "fields": ("id",)}),
            (lambda: unit.executor.exec(sa.insert(unit.thing).from_select(
                ["id", *(c.name for c in unit.thing.c if c.name not in {"id", "tenant_id"})],
                sa.select(unit.thing.c.id, *(c for c in unit.thing.c if c.name not in {"id", "tenant_id"})),
            )), UniqueViolation, {"model": "shop.Thing", "fields": ("id",)}),
            (lambda: unit.owners.save(Owner(thing_id=UUID(int=404), name=SECRET)), ForeignKeyViolation,
             {"model": "shop.Owner", "fields": ("thing_id",), "deleting": False}),
            (lambda: unit.things.delete(made), ForeignKeyViolation,
             {"model": "shop.Thing", "fields": (), "deleting": True}),
            (lambda: unit.executor.exec(owners.values({**row, "name": None})), ValidationFailed,
             {"model": "shop.Owner"}),
            (lambda: unit.executor.exec(owners.values({"id": UUID(int=9), "version": 1})), ValidationFailed,
             {"model": "shop.Owner"}),
            (lambda: unit.executor.exec(owners.values({**row, "id": None})), ValidationFailed, {}),
            (lambda: unit.executor.exec(owners.values({**row, "name": SECRET * 9})), PrefiqError, {}),
            (lambda: unit.executor.query("SELECT %s FROM nowhere", (SECRET,)), SchemaMissing, {}),
            (lambda: unit.executor.query("SELECT nothing, %s", (SECRET,)), SchemaMissing, {}),
        ]  # fmt: skip
        if engine == "postgres":
            cases.append((lambda: unit.executor.query("SELECT %s::int", (SECRET,)), PrefiqError, {}))
        for run, kind, fields in cases:
            with pytest.raises(kind) as caught:
                run()
            assert {name: getattr(caught.value, name) for name in fields} == fields
            assert not [text for text in shown(caught.value) if SECRET in text]

    shop.in_scope(use)
