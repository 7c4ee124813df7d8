"""Raw SQL behind the wall: it may name tenants' tables, sees one tenant's rows, and steers nothing.

Where the wall does not stand for the serving role, it is refused as on any other engine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.engines.postgres.shop import Unit
from tests.servers import MODES
from tests.tenancy.test_wall_stamps import both_write, seen
from tests.tenancy.walled import ACME, OTHER, Currency, Thing, WalledShop, walled_shop

from prefiq.contracts import Bound, Placement, System, UniqueViolation
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.sql import DatabaseError
from prefiq.sql.errors import PlaceUnusable, RawSqlRefused
from prefiq.sql.walls import REMEMBERED, WallMemory


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(mode: str) -> Iterator[WalledShop]:
    with walled_shop(mode, pool_size=1) as made:
        yield made


def test_it_reads_and_writes_the_rows_of_its_tenant(shop: WalledShop) -> None:
    """No word of the tenant is needed, and none helps."""

    def use() -> None:
        both_write(shop)
        with shop.scope(ACME) as scope:
            db = Unit(shop, scope).executor
            assert db.query("SELECT code FROM shop_thing") == [("of acme",)]
            assert db.scalar("SELECT count(*) FROM shop_thing WHERE tenant_id = 'acme-' OR TRUE") == 1
            assert db.query("SELECT a.code, b.code FROM shop_thing AS a CROSS JOIN shop_thing AS b") == [
                ("of acme", "of acme")
            ]
            assert db.scalar("SELECT code FROM shop_thing WHERE code LIKE %s", ("of%",)) == "of acme"
            assert db.exec("UPDATE shop_thing SET whole = 7") == 1
            assert db.exec("UPDATE shop_thing SET whole = 8 WHERE tenant_id = 'acme-'") == 0
            with db.tx():
                assert db.exec("DELETE FROM shop_thing WHERE tenant_id <> 'acme'") == 0
        with shop.scope(OTHER) as scope:
            unit = Unit(shop, scope)
            assert [thing.whole for thing in unit.things.list().items] == [0]
            assert unit.executor.exec("DELETE FROM shop_thing") == 1
        with shop.scope(ACME) as scope:
            assert [thing.whole for thing in Unit(shop, scope).things.list().items] == [7]

    shop.run(use)


def test_shared_tables_may_stand_beside(shop: WalledShop) -> None:
    """To be read; only the system writes them."""

    def use() -> None:
        both_write(shop)
        with shop.scope(System("rates")) as scope:
            RepositoryQuery.of(Currency)(shop.executor(scope), shop.tables).save(Currency(code="EUR"))
        with shop.scope(ACME) as scope:
            db = shop.executor(scope)
            joined = "SELECT t.code, c.code FROM shop_thing AS t CROSS JOIN shop_currency AS c"
            assert db.query(joined) == [("of acme", "EUR")]
            with pytest.raises(Exception, match="shop_currency"):
                db.exec("UPDATE shop_currency SET code = 'x'")

    shop.run(use)


FOREIGN = (
    "UPDATE shop_thing SET tenant_id = 'acme-'",
    (
        "INSERT INTO shop_owner (tenant_id, id, version, name) VALUES "
        "('acme-', '00000000-0000-4000-8000-000000000001', 1, 'x')"
    ),
    "INSERT INTO shop_owner (tenant_id, id, version, name) SELECT 'acme-', id, version, code FROM shop_thing",
)


@pytest.mark.parametrize("sql", FOREIGN)
def test_rows_of_another_tenant_are_refused_by_the_server(shop: WalledShop, sql: str) -> None:
    """Whatever the text says."""

    def use() -> None:
        both_write(shop)
        with shop.scope(ACME) as scope, pytest.raises(DatabaseError):
            shop.executor(scope).exec(sql)

    shop.run(use)
    assert shop.do("SELECT count(*) FROM shop_owner") == [(0,)]
    assert shop.do("SELECT tenant_id FROM shop_thing ORDER BY 1") == [("acme",), ("acme-",)]


STEERING = (
    "SET prefiq.tenant = 'acme-'",
    "SET LOCAL prefiq.tenant TO 'acme-'",
    "SET SESSION AUTHORIZATION postgres",
    "RESET prefiq.tenant",
    "RESET ALL",
    "DISCARD ALL",
    "SET ROLE postgres",
    "RESET ROLE",
    "SELECT set_config('prefiq.tenant', 'acme-', false)",
    "SELECT \"set_config\"('prefiq.tenant', 'acme-', false)",
    "SELECT pg_catalog.set_config('prefiq.tenant', 'acme-', false)",
    "SELECT SET_CONFIG('prefiq.tenant', 'acme-', true) FROM shop_thing",
    "SELECT code FROM shop_thing; SET prefiq.tenant = 'acme-'",
    "SELECT code FROM shop_thing; SELECT 1",
    "SELECT code FROM shop_thing -- ;",
    "SELECT code /* */ FROM shop_thing",
    "COPY shop_thing TO STDOUT",
    "COPY shop_thing TO PROGRAM 'cat'",
    "TRUNCATE shop_thing",
    "LOCK TABLE shop_thing",
    "CREATE TEMP TABLE shop_thing (code text)",
    "SELECT * INTO TEMP mine FROM shop_thing",
    "CREATE VIEW mine AS SELECT * FROM shop_thing",
    "ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY",
    "DROP POLICY prefiq_tenant ON shop_thing",
    "DO $$ BEGIN PERFORM set_config('prefiq.tenant', 'acme-', false); END $$",
    "EXPLAIN SELECT * FROM shop_thing",
    "PREPARE one AS SELECT * FROM shop_thing",
    "WITH moved AS (SELECT set_config('prefiq.tenant', 'acme-', true)) SELECT code FROM shop_thing",
    "SELECT code FROM public.shop_thing",
    "SELECT code FROM pg_temp.shop_thing",
    "SELECT usename FROM pg_stat_activity",
    "SELECT most_common_vals FROM pg_stats",
    "SELECT table_name FROM information_schema.tables",
    "SELECT everything()",
    "SELECT * FROM everything()",
    "SELECT code FROM frozen",
    "SELECT code FROM shop_thing_part",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT pg_read_file('/etc/passwd') FROM shop_thing",
    "SELECT dblink('', '') FROM shop_thing",
    "SELECT lo_import('/etc/passwd')",
    "SELECT current_setting('prefiq.tenant')",
    "SELECT pg_sleep(1)",
    "SELECT pg_terminate_backend(1)",
    "SELECT nextval('x')",
)


def test_what_steers_or_leads_elsewhere_is_refused(shop: WalledShop) -> None:
    """Before anything is sent; what the wall does not cover is there, and cannot be named."""
    shop.do(
        "CREATE FUNCTION everything() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM shop_thing';"
        "CREATE MATERIALIZED VIEW frozen AS SELECT * FROM shop_thing; CREATE TABLE shop_thing_part (code text);"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {shop.serving}"
    )
    passed: list[str] = []

    def use() -> None:
        both_write(shop)
        with shop.scope(ACME) as scope:
            unit = Unit(shop, scope)
            for sql in STEERING:
                for run in (unit.executor.query, unit.executor.exec, unit.executor.scalar):
                    try:
                        run(sql)
                    except RawSqlRefused:
                        continue
                    except DatabaseError:  # the server refused it, which is too late
                        pass
                    passed.append(sql)
            assert seen(unit) == ["of acme"]
        with shop.scope(OTHER) as scope:
            assert seen(Unit(shop, scope)) == ["of acme-"]

    shop.run(use)
    assert passed == []


def test_the_system_names_no_tenants_table(shop: WalledShop) -> None:
    """It belongs to none of them; neither does who was placed elsewhere find these tables."""

    def use() -> None:
        for tenancy in (System("look"), Bound("acme", Placement("schema", "t_acme"))):
            with shop.scope(tenancy) as scope, pytest.raises((RawSqlRefused, PlaceUnusable)):
                shop.executor(scope).query("SELECT code FROM shop_thing")

    shop.run(use)


@pytest.mark.parametrize(
    "breach",
    [
        "ALTER TABLE shop_thing NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE shop_thing OWNER TO {serving}",
        "ALTER ROLE {serving} BYPASSRLS",
        "ALTER ROLE {serving} SUPERUSER",
        "GRANT {owner} TO {serving}",
        "CREATE POLICY more ON shop_thing USING (true)",
        "ALTER POLICY prefiq_tenant ON shop_thing USING (true)",
    ],
)
def test_without_a_wall_it_is_refused(shop: WalledShop, breach: str) -> None:
    """As on engines that have none."""
    shop.do(breach.format(serving=shop.serving, owner=shop.owner))

    def use() -> None:
        with shop.scope(ACME) as scope:
            with pytest.raises(RawSqlRefused) as caught:
                shop.executor(scope).query("SELECT code FROM shop_thing")
            assert caught.value.what == "Raw SQL cannot be confined to one tenant"

    shop.run(use)


def test_a_wall_that_falls_is_noticed(shop: WalledShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error, and after a while; what stands is not asked for in between."""
    now = [0.0]
    shop.manager.walls = WallMemory(lambda: now[0])

    def use() -> None:
        both_write(shop)

        def count() -> int:
            with shop.scope(ACME) as scope:
                found = shop.executor(scope).scalar("SELECT count(*) FROM shop_thing")
            assert isinstance(found, int)
            return found

        assert count() == 1
        shop.do("ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY")
        assert count() == 2  # the price of not asking each time
        now[0] = REMEMBERED
        with pytest.raises(RawSqlRefused):
            count()
        shop.wall()
        now[0] = 2 * REMEMBERED
        assert count() == 1
        shop.do("ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY")
        with shop.scope(ACME) as scope, pytest.raises(DatabaseError):
            shop.executor(scope).scalar("SELECT whole / 0 FROM shop_thing")
        with pytest.raises(RawSqlRefused):
            count()

    shop.run(use)


def test_an_error_tells_nothing_of_another_tenant(shop: WalledShop) -> None:
    """Neither by a value in its text nor by being there: the same code may be used by both."""

    def use() -> None:
        both_write(shop)
        with shop.scope(ACME) as scope:
            unit = Unit(shop, scope)
            unit.things.save(Thing(code="of acme-"))
            with pytest.raises(UniqueViolation):
                unit.things.save(Thing(code="of acme"))
            with pytest.raises(DatabaseError) as caught:
                unit.executor.query("SELECT CAST(code AS int) FROM shop_thing WHERE code = 'of acme-'")
            assert "of acme" not in str(caught.value)

    shop.run(use)
