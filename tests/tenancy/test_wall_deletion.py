"""Behind the wall, a deletion reaches its own tenant's rows alone, whoever owns the tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Unit
from tests.tenancy.walled import ACME, OTHER, Owner, Thing, WalledShop, walled_shop

from prefiq.sql import tenant_rows


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


def fill(unit: Unit) -> None:
    things = [Thing(code=f"t{number}") for number in range(5)]
    unit.things.save_many(things)
    unit.owners.save(Owner(name="o", thing_id=things[0].id))


@pytest.fixture
def shop() -> Iterator[WalledShop]:
    """Two tenants whose keys look alike have the same rows."""
    with walled_shop() as made:
        for tenancy in (ACME, OTHER):
            made.in_scope(fill, tenancy)
        yield made


def left(shop: WalledShop) -> list[tuple[object, ...]]:
    return shop.do(
        "SELECT tenant_id, count(*) FROM shop_thing GROUP BY 1 UNION ALL "
        "SELECT tenant_id, count(*) FROM shop_owner GROUP BY 1 ORDER BY 1, 2"
    )


def test_owner_deletes_the_rows_of_one_tenant(shop: WalledShop) -> None:
    """References first, in batches; the look-alike keeps its own."""
    with shop.owning.schema_connection() as connection:
        tables = tenant_rows.tenant_tables(connection)
        connection.commit()
        assert tenant_rows.count_rows(connection, "acme", tables) == {"shop_owner": 1, "shop_thing": 5}
        connection.commit()
        tenant_rows.delete_rows(connection, "acme", tables, batch=2)
    assert left(shop) == [("acme-", 1), ("acme-", 5)]


def test_wall_holds_where_a_statement_forgets_its_tenant(shop: WalledShop) -> None:
    """The connection of a deletion sees nobody else, though others for migrations see all."""
    with shop.owning.schema_connection() as connection:
        everything = sa.text("SELECT count(*) FROM shop_thing")
        assert connection.execute(everything).scalar_one() == 10
        tenant_rows.confine(connection, "acme")
        assert connection.execute(everything).scalar_one() == 5
        connection.execute(sa.text("DELETE FROM shop_owner"))
        connection.execute(sa.text("DELETE FROM shop_thing"))
    assert left(shop) == [("acme-", 1), ("acme-", 5)]
