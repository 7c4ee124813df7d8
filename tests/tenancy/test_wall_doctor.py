"""``doctor database --strict`` tries what would get past the wall, and says what the wall does not cover."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.tenancy.walled import ACME, WalledShop, walled_shop
from tests.unit.doctor.kit import settings_of

from prefiq.doctor.database import walls
from prefiq.doctor.database.asking import asking
from prefiq.doctor.database.situation import Situation
from prefiq.sql.dialects.postgres_walls import gaps, question

TABLES = ("shop_owner", "shop_thing")


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


@pytest.fixture
def shop() -> Iterator[WalledShop]:
    with walled_shop() as made:
        yield made


def found(shop: WalledShop, what: str) -> list[str]:
    """What one check finds as the serving user."""
    settings = settings_of(shop.database, ENV="production")
    at = Situation.of(settings, settings.database, 1)
    with asking(settings.database) as ask:
        return [f"{f.id} {f.what}" for f in getattr(walls, what)(ask, at, TABLES)]


def test_a_wall_that_stands_is_not_got_past(shop: WalledShop) -> None:
    """Nothing succeeds, nothing is kept, and nothing is left to tell."""
    with shop.scope(ACME) as scope:
        shop.executor(scope)
    state = "SELECT count(*) FROM pg_class; SELECT count(*) FROM pg_policy"
    before = shop.do(state)
    for check in ("standing", "trial", "leaks"):
        assert found(shop, check) == []
    assert shop.do(state) == before
    assert shop.do("SELECT count(*) FROM shop_thing") == [(0,)]


BREACHES = {
    "ALTER TABLE shop_thing NO FORCE ROW LEVEL SECURITY": "row-level security is not enabled and forced",
    "ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY": "row-level security is not enabled and forced",
    "DROP POLICY prefiq_tenant ON shop_thing": "the policy prefiq_tenant is missing, or another one",
    "ALTER POLICY prefiq_tenant ON shop_thing USING (tenant_id <> '')": "is missing, or another one",
    "ALTER TABLE shop_thing OWNER TO {serving}": "the role owns it, or may become its owner",
    "GRANT {owner} TO {serving}": "the role owns it, or may become its owner",
    "CREATE POLICY more ON shop_thing TO {serving} USING (true)": "shows the role more rows: more",
    "CREATE POLICY more ON shop_thing FOR SELECT USING (true)": "shows the role more rows: more",
    "GRANT {across} TO {serving}": "shows the role more rows: prefiq_across",
    "ALTER ROLE {serving} BYPASSRLS": "the role is, or may become, {serving}, whom no policy binds",
    "ALTER ROLE {across} BYPASSRLS; GRANT {across} TO {serving}": "may become, {across}, whom no policy binds",
}


@pytest.mark.parametrize("breach", BREACHES)
def test_every_breach_is_found(shop: WalledShop, breach: str) -> None:
    """In the catalog, by who serves."""
    names = {"owner": shop.owner, "serving": shop.serving, "across": shop.across}
    shop.do(breach.format(**names))
    [told] = found(shop, "standing")
    assert told.startswith("PFQ-D260 PostgreSQL does not keep tenants apart in shop_")
    assert BREACHES[breach].format(**names) in told


def test_a_policy_for_others_is_no_breach(shop: WalledShop) -> None:
    """It shows the serving user nothing; neither does one that only takes away."""
    shop.do(f"CREATE POLICY theirs ON shop_thing TO {shop.owner} USING (true)")
    shop.do("CREATE POLICY less ON shop_thing AS RESTRICTIVE USING (code <> '')")
    assert found(shop, "standing") == []


PAST = {
    "GRANT TRUNCATE ON shop_thing TO {serving}": "empties the table",
    "GRANT TEMPORARY ON DATABASE {database} TO {serving}": "hides the table behind a temporary one",
    "GRANT CREATE ON SCHEMA public TO {serving}": "makes tables",
    "ALTER TABLE shop_thing OWNER TO {serving}": "switches the wall off; makes policies; empties the table",
    "ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY; INSERT INTO shop_owner (tenant_id, id, version, name) "
    "VALUES ('x', gen_random_uuid(), 1, 'x'); ALTER TABLE shop_owner DISABLE ROW LEVEL SECURITY": (
        "reads rows of others; reads rows as nobody; reads rows of others as if it migrated; "
        "reads rows of others without row_security; writes rows of others"
    ),
    "GRANT {owner} TO {serving}": "may become {owner}",
}


@pytest.mark.parametrize("way", PAST)
def test_every_way_past_is_found(shop: WalledShop, way: str) -> None:
    """By trying it; nothing of the trial is kept."""
    names = {
        "owner": shop.owner,
        "serving": shop.serving,
        "across": shop.across,
        "database": shop.everything.name,
    }
    shop.do(way.format(**names))
    told = "\n".join(found(shop, "trial"))
    assert "PFQ-D261" in told
    assert PAST[way].format(**names) in told
    assert shop.do("SELECT count(*) FROM shop_thing") == [(0,)]
    assert shop.do("SELECT to_regclass('prefiq_trial')") == [(None,)]


LEAKS = {
    "CREATE FUNCTION every() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM shop_thing'": (
        "the function every() runs with the rights of postgres"
    ),
    "CREATE MATERIALIZED VIEW frozen AS SELECT * FROM shop_thing": (
        "the materialized view frozen shows all rows of shop_thing"
    ),
    "CREATE VIEW seen AS SELECT * FROM shop_thing": "the view seen shows all rows of shop_thing",
    "CREATE TABLE again (LIKE shop_thing INCLUDING ALL)": "the table again has rows of tenants and no wall",
    "CREATE TABLE many (LIKE shop_thing) PARTITION BY LIST (tenant_id); "
    "CREATE TABLE many_a PARTITION OF many FOR VALUES IN ('acme'); ALTER TABLE many ENABLE ROW LEVEL SECURITY; "
    "ALTER TABLE many FORCE ROW LEVEL SECURITY": "the table many_a has rows of tenants and no wall",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_the_wall_does_not_cover_is_listed(shop: WalledShop, leak: str) -> None:
    """As far as the serving user may use it."""
    shop.do(leak)
    shop.do(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {shop.serving}")
    before = found(shop, "leaks")
    assert before == [] or "function" in before[0]
    shop.do(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {shop.serving}")
    [told] = found(shop, "leaks")
    assert told == f"PFQ-D262 Row-level security does not reach everything: {LEAKS[leak]}"


def test_tables_that_are_not_made_yet_are_no_gap(shop: WalledShop) -> None:
    """A module that is listed and not migrated is told as such elsewhere."""
    settings = settings_of(shop.database)
    with asking(settings.database) as ask:
        assert gaps(ask(question(("shop_thing", "no'such\"table")))) == {}
