"""Many rows into PostgreSQL and out of it, in both modes."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Owner, Shop, Thing, Unit
from tests.engines.postgres.test_types import EXTREMES

from prefiq.contracts import ForeignKeyViolation, UniqueViolation, ValidationFailed
from prefiq.foundation.mapper import Mapper
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.sql.dialects.postgres_session import COPY_FROM, PIPELINE


def things(count: int) -> list[Thing]:
    """Each with another combination of values."""
    made: list[Thing] = []
    for number in range(count):
        values: dict[str, Any] = {name: values[number % len(values)] for name, values in EXTREMES.items()}
        if len(str(values["long"])) > 1000:
            values["long"] = "long"
        made.append(Thing(**{**values, "code": f"{number:06}"}))
    return made


def statements(unit: Unit) -> list[str]:
    """What the server was told, by its own count of statements that it prepared or that write."""
    return [text for (text,) in unit.executor.query("SELECT statement FROM pg_prepared_statements")]


@pytest.mark.parametrize("count", [1, 7, COPY_FROM - 1, COPY_FROM, COPY_FROM + 777])
def test_many_rows_come_back(shop: Shop, count: int) -> None:
    """Alike whichever way they went."""
    made = things(count)

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many(made)
        for thing in made:
            assert unit.things.get_by_id(thing.id) == thing
        assert unit.things.count() == count

    shop.in_scope(use)


def test_copy_is_used_from_some_rows_on(shop: Shop) -> None:
    """Below, the inserts go together, by one prepared statement; from there on there is none."""

    def use(unit: Unit) -> None:
        def inserts() -> int:
            return sum(text.startswith("INSERT") for text in statements(unit))

        rows = [Owner(name=str(number)) for number in range(COPY_FROM)]
        unit.owners.save_many(rows)
        assert inserts() == 0
        unit.owners.save_many([Owner(name=str(number)) for number in range(COPY_FROM - 1)])
        assert inserts() == 1
        assert unit.owners.count() == 2 * COPY_FROM - 1

    shop.in_scope(use)


@pytest.mark.parametrize("count", [COPY_FROM - 1, COPY_FROM])
def test_all_or_none(shop: Shop, count: int) -> None:
    """One row too many undoes all of them; the error is that of a single insert."""

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code=f"{count - 1:06}"))
        with pytest.raises(UniqueViolation) as caught:
            unit.things.save_many(things(count))
        assert caught.value.fields == ("code",)
        with pytest.raises(ForeignKeyViolation):
            unit.owners.save_many([Owner(name="x", thing_id=UUID(int=number)) for number in range(count)])
        assert unit.things.count() == 1
        assert unit.owners.count() == 0

    shop.in_scope(use)


def test_unfit_value_leaves_the_transaction_as_it_was(shop: Shop) -> None:
    """Though it comes last, when the server has the others already."""

    def use(unit: Unit) -> None:
        rows = things(2 * COPY_FROM)
        rows[-1].code = 5  # type: ignore[assignment]
        with unit.executor.tx():
            unit.things.save(Thing(code="before"))
            with pytest.raises(ValidationFailed) as caught:
                unit.things.save_many(rows)
            unit.things.save(Thing(code="after"))
        assert [error.field for error in caught.value.errors] == ["code"]
        assert unit.things.count() == 2
        assert {row.version for row in rows} == {0}

    shop.in_scope(use)


def test_conversion_of_ones_own_may_ask_the_database(shop: Shop) -> None:
    """All are made before the first row goes."""

    def use(unit: Unit) -> None:
        class Asking(Mapper):
            def dump_name(self, value: str) -> str:
                return f"{value}{unit.executor.scalar('SELECT 1')}"

        owners: Any = type("Owners", (RepositoryQuery.of(Owner),), {"mapper": Asking})
        owners(unit.executor, shop.tables).save_many([Owner(name=f"{n}-") for n in range(COPY_FROM)])
        assert {owner.name for batch in unit.owners.stream() for owner in batch} == {
            f"{n}-1" for n in range(COPY_FROM)
        }

    shop.in_scope(use)


def test_table_with_row_security(shop: Shop) -> None:
    """The server takes no COPY there: the rows go by statements."""
    role = f"{shop.database.name}_role"
    with shop.database.connect() as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN")
        administrator.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        administrator.execute("ALTER TABLE shop_owner ENABLE ROW LEVEL SECURITY")
        administrator.execute("CREATE POLICY everything ON shop_owner USING (true)")
    served = Shop(shop.database, user=role)

    def use(unit: Unit) -> None:
        unit.owners.save_many([Owner(name=str(number)) for number in range(2 * PIPELINE + 1)])
        assert unit.owners.count() == 2 * PIPELINE + 1
        unit.things.save_many(things(COPY_FROM))

    try:
        served.in_scope(use)
    finally:
        with shop.database.connect() as administrator:
            administrator.execute(f"DROP OWNED BY {role}")
            administrator.execute(f"DROP ROLE {role}")


def test_core_in_bulk(shop: Shop) -> None:
    """A statement of Core for each row of values, and how many rows that changed."""

    def use(unit: Unit) -> None:
        rows = [{"id": UUID(int=number), "version": 1, "name": str(number)} for number in range(1000)]
        assert unit.executor.bulk(sa.insert(unit.owner), rows) == 1000
        raised = sa.update(unit.owner).where(unit.owner.c.id == sa.bindparam("key")).values(version=2)
        assert unit.executor.bulk(raised, [{"key": row["id"]} for row in rows[:300]]) == 300
        assert unit.executor.exec(sa.delete(unit.owner)) == 1000

    shop.in_scope(use)


def fill(shop: Shop, count: int) -> None:
    with shop.database.connect() as connection:
        connection.execute(
            "INSERT INTO shop_owner (tenant_id, id, version, name) SELECT 'acme', gen_random_uuid(), 1,"
            f" repeat('x', 40) FROM generate_series(1, {count})"
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
        assert peak < 3_000_000

    def inside(unit: Unit) -> None:
        with unit.executor.tx():
            use(unit)

    shop.in_scope(inside if in_transaction else use)


def test_stream_is_of_one_moment(shop: Shop) -> None:
    """What is written meanwhile on the same connection is committed, and not seen; no cursor is left behind."""
    fill(shop, 2500)

    def use(unit: Unit) -> None:
        seen = 0
        for rows in unit.executor.stream(sa.select(unit.owner.c.id), batch=1000):
            seen += len(rows)
            unit.owners.save(Owner(name="later"))
        assert seen == 2500
        assert unit.owners.count() == 2503
        for rows in unit.executor.stream(sa.select(unit.owner.c.id), batch=10):
            assert len(rows) == 10
            break
        assert unit.executor.scalar("SELECT count(*) FROM pg_cursors WHERE name <> ''") == 0

    shop.in_scope(use)


def test_general_statements_share_connection_and_transaction(shop: Shop) -> None:
    """Plans and statements of Core see each other's writes before they are committed."""

    def use(unit: Unit) -> None:
        with pytest.raises(ZeroDivisionError), unit.executor.tx():  # noqa: PT012
            thing = unit.things.save(Thing(code="a", money=Decimal("1.5")))
            twice = sa.update(unit.thing).values(money=unit.thing.c.money * 2)
            assert unit.executor.exec(twice) == 1
            assert unit.things.get_by_id(thing.id).money == 3
            1 / 0  # noqa: B018
        assert unit.things.count() == 0

    shop.in_scope(use)
