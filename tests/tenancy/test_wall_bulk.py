"""Many rows behind the wall, where PostgreSQL refuses COPY: as arrays, alike and all or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.engines.postgres.shop import Unit
from tests.engines.postgres.test_bulk import things
from tests.servers import MODES
from tests.tenancy.walled import ACME, OTHER, Owner, Thing, WalledShop, walled_shop

from prefiq.contracts import UniqueViolation
from prefiq.sql import DatabaseError
from prefiq.sql.dialects.postgres_session import COPY_FROM, PIPELINE


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


@pytest.fixture(params=MODES)
def shop(request: pytest.FixtureRequest) -> Iterator[WalledShop]:
    with walled_shop(str(request.param)) as made:
        yield made


@pytest.mark.parametrize("count", [COPY_FROM - 1, COPY_FROM, PIPELINE + 777])
def test_many_rows_come_back(shop: WalledShop, count: int) -> None:
    """With every kind of value, and each of them empty, too."""
    made = things(count)

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many(made)
        found = {thing.id: thing for batch in unit.things.stream() for thing in batch}
        assert found == {thing.id: thing for thing in made}

    shop.in_scope(use, ACME)


def test_columns_without_a_value_come_back(shop: WalledShop) -> None:
    """Of an array without values the driver knows no type."""

    def use(unit: Unit) -> None:
        unit.things.save_many([Thing(code=f"{number:04}") for number in range(COPY_FROM)])
        found = [thing for batch in unit.things.stream() for thing in batch]
        assert {(thing.word, thing.other, thing.due, thing.price) for thing in found} == {(None,) * 4}

    shop.in_scope(use, ACME)


def test_rows_that_cannot_be_kept_leave_nothing(shop: WalledShop) -> None:
    """The error is the same as by COPY, and the connection serves on."""

    def use(unit: Unit) -> None:
        twice = [Thing(code="same") for _ in range(COPY_FROM)]
        with pytest.raises(UniqueViolation):
            unit.things.save_many(twice)
        assert unit.things.count() == 0
        unit.things.save_many([Thing(code=f"{number}") for number in range(COPY_FROM)])
        assert unit.things.count() == COPY_FROM

    shop.in_scope(use, ACME)


def test_a_wall_is_raised_while_a_connection_is_open(shop: WalledShop) -> None:
    """What was known of the table holds no longer: the server refuses once, and the next rows are kept."""

    def use(unit: Unit) -> None:
        def save() -> None:
            unit.owners.save_many([Owner(name=f"{number}") for number in range(COPY_FROM)])

        save()
        shop.wall()
        with pytest.raises(DatabaseError):
            save()
        save()
        assert unit.owners.count() == 2 * COPY_FROM

    shop.do("ALTER TABLE shop_owner DISABLE ROW LEVEL SECURITY")
    shop.in_scope(use, ACME)


def test_copy_is_refused_by_the_server(shop: WalledShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the way by arrays is taken where the wall is active for the role, and asked for once a table."""
    from prefiq.sql.dialects.postgres_session import PostgresAsyncSession, PostgresSession

    async def yes_later(self: Any, table: str) -> bool:
        return True

    def use(unit: Unit) -> None:
        rows = [Owner(name=f"{number}") for number in range(COPY_FROM)]
        unit.owners.save_many(rows)
        session: Any = unit.executor._session
        assert session._copyable == {"shop_owner": False}
        monkeypatch.setattr(PostgresSession, "_can_copy", lambda self, table: True)
        monkeypatch.setattr(PostgresAsyncSession, "_can_copy", yes_later)
        with pytest.raises(DatabaseError) as caught:
            unit.owners.save_many([Owner(name="x") for _ in range(COPY_FROM)])
        assert "row-level security" in str(caught.value.__cause__)

    shop.in_scope(use, OTHER)
