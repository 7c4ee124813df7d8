"""What somebody left on a connection: settings, prepared statements, another database.  Both engines with servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests import servers
from tests.engines.postgres.shop import Shop, Unit
from tests.servers import MODES
from tests.tenancy.test_wall_stamps import both_write, seen
from tests.tenancy.walled import ACME, OTHER, Thing, WalledShop, walled_shop

from prefiq.bridge import await_
from prefiq.sql.errors import RawSqlRefused


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(mode: str) -> Iterator[WalledShop]:
    with walled_shop(mode, pool_size=1) as made:
        yield made


def behind_its_back(unit: Unit, sql: str) -> list[Any]:
    """Run SQL on the driver's own connection, as no door of Prefiq would."""
    unit.executor.query(sa.select(sa.literal(1)))
    cursor = unit.driver.cursor()
    ran: Any = cursor.execute(sql, prepare=False)
    if hasattr(ran, "__await__"):
        await_(ran)
        return list(await_(cursor.fetchall())) if cursor.description else []
    return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.parametrize(
    "left",
    [
        "SET prefiq.tenant = 'acme-'",
        "BEGIN; SET prefiq.tenant = 'acme-'; COMMIT",
        "SET SESSION prefiq.tenant TO 'acme-'",
        "RESET prefiq.tenant",
        "RESET ALL",
    ],
)
def test_a_setting_that_somebody_left_shows_no_foreign_row(shop: WalledShop, left: str) -> None:
    """In autocommit or committed: the next tenant is stamped, and the same one finds nothing, or an error."""

    def use() -> None:
        both_write(shop)
        with shop.scope(ACME) as scope:
            behind_its_back(Unit(shop, scope), left)
        with shop.scope(ACME) as scope:
            try:
                codes = [thing.code for thing in Unit(shop, scope).things.list().items]
            except Exception as error:  # noqa: BLE001  it is looked at
                assert "prefiq.tenant" in str(error.__cause__)  # noqa: PT017
            else:
                assert codes in ([], ["of acme"])
        with shop.scope(OTHER) as scope:
            assert seen(Unit(shop, scope)) == ["of acme-"]
        with shop.scope(ACME) as scope:
            assert seen(Unit(shop, scope)) == ["of acme"]

    shop.run(use)


def test_a_prepared_statement_serves_the_tenant_of_its_execution(shop: WalledShop) -> None:
    """It was planned for another one, behind a wall whose rule is asked anew each time."""

    def use() -> None:
        both_write(shop)
        for tenancy in (ACME, OTHER, ACME):
            with shop.scope(tenancy) as scope:
                unit = Unit(shop, scope)
                for _ in range(8):
                    assert [thing.code for thing in unit.things.list().items] == [f"of {tenancy.tenant}"]
                prepared = behind_its_back(unit, "SELECT statement FROM pg_prepared_statements")
                assert any("shop_thing" in text for (text,) in prepared)

    shop.run(use)


LEADING_AWAY = (
    "USE mysql",
    "SET @prefiq_tenant = 'other'",
    "SELECT @x := code FROM shop_thing",
    "SELECT code FROM {database}.shop_thing",
    "SELECT code FROM `{database}`.`shop_thing`",
    "SELECT user FROM mysql.user",
    "SELECT code FROM shop_thing",
    "/*! SELECT code FROM shop_thing */",
    "HANDLER shop_thing OPEN",
    "LOAD DATA INFILE '/x' INTO TABLE shop_thing",
    "SELECT 1; SELECT code FROM shop_thing",
)


def test_mariadb_has_no_wall_and_refuses_instead(mode: str) -> None:
    """Neither another database nor a variable of the session can be reached by raw SQL."""
    passed: list[str] = []
    with servers.database("mariadb", mode) as at:
        shop = Shop(at).create()

        def use() -> None:
            with shop.scope(ACME) as scope:
                unit = Unit(shop, scope)
                unit.things.save(Thing(code="x"))
                for text in LEADING_AWAY:
                    try:
                        unit.executor.query(text.format(database=at.name))
                    except RawSqlRefused:
                        continue
                    passed.append(text)

        shop.run(use)
    assert passed == []
