"""Behind the wall, where raw SQL may name tenants' tables: a read-only tenant's are read, and not written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.engines.postgres.shop import Unit
from tests.servers import MODES
from tests.tenancy.walled import ACME, Thing, WalledShop, walled_shop

from prefiq.contracts import Bound, TenantReadOnly

FROZEN = Bound("acme", read_only=True)


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


@pytest.fixture(params=MODES)
def shop(request: pytest.FixtureRequest) -> Iterator[WalledShop]:
    with walled_shop(str(request.param)) as made:
        made.in_scope(lambda unit: unit.things.save(Thing(code="t")), ACME)
        yield made


def test_raw_sql_is_refused_by_what_it_writes(shop: WalledShop) -> None:
    """The same text changes a row of the tenant once it may be changed."""
    text = "UPDATE shop_thing SET whole = 7"

    def frozen(unit: Unit) -> None:
        assert unit.executor.scalar("SELECT whole FROM shop_thing") == 0
        with pytest.raises(TenantReadOnly):
            unit.executor.exec(text)
        with unit.executor.tx(), pytest.raises(TenantReadOnly):
            unit.executor.exec(text)

    shop.in_scope(frozen, FROZEN)
    assert shop.do("SELECT whole FROM shop_thing") == [(0,)]
    shop.in_scope(lambda unit: unit.executor.exec(text), ACME)
    assert shop.do("SELECT whole FROM shop_thing") == [(7,)]
