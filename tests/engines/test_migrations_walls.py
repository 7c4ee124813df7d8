"""PostgreSQL keeps tenants apart by itself: migrations raise row-level security and keep it as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests import servers
from tests.engines.migration_models import NAME, every_kind, shop
from tests.engines.test_migrations_roles import plain
from tests.unit.migrations.kit import Workshop, child, model

from prefiq.lowcode import ModelMeta, children, field, ref
from prefiq.migrations import Walls, apply, migrate_from_declarations, plan, raw, schema_of, sql
from prefiq.migrations.removal import belongings, remove

__all__ = ["plain"]

pytestmark = pytest.mark.parametrize("engine", ["postgres"], scope="session")
TENANTS = ("acme", "other")
NO_TENANT = "unrecognized configuration parameter"


@pytest.fixture
def serving(plain: Workshop) -> Iterator[str]:
    """The name of a role that reads and writes what the plain user makes, and owns nothing."""
    name = f"{plain.at.user}_serving"
    root = servers.administrator("postgres").cursor()
    root.execute(f"CREATE ROLE {name} LOGIN")
    with plain.at.connect() as owner:
        owner.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES "
            f"TO {name}"
        )
    try:
        yield name
    finally:
        with replace(plain.at, user="postgres").connect() as inside:
            inside.execute(f"DROP OWNED BY {name} CASCADE")
        root.execute(f"DROP ROLE {name}")


def asked(workshop: Workshop, text: str, *, user: str = "", tenant: str | None = None) -> list[Any]:
    """The rows that a statement gives a role, on a connection of its own."""
    with replace(workshop.at, user=user or workshop.at.user).connect() as connection:
        if tenant is not None:
            connection.execute("SELECT set_config('prefiq.tenant', %s, false)", (tenant,))
        cursor = connection.execute(text)
        while cursor.nextset():
            pass
        return [row[0] for row in cursor.fetchall()] if cursor.description else [cursor.rowcount]


def two_tenants(workshop: Workshop, table: str = "shop_thing") -> None:
    for tenant in TENANTS:
        workshop.put(table, tenant, name=tenant)


def test_every_table_of_tenants_is_behind_a_wall_from_the_first(plain: Workshop, serving: str) -> None:
    """Also its children's; a shared table has none."""
    line = child("Line", {"title": str})
    thing = model("Thing", NAME | {"lines": (list[line], children(line))})  # type: ignore[valid-type]
    plain.declare("shop", model("Unit", NAME, ModelMeta(scope="shared")), thing)
    plain.make("shop")
    plain.migrate()
    walled = "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity ORDER BY 1"
    assert asked(plain, walled) == ["shop_line", "shop_thing"]
    two_tenants(plain)
    everything = "SELECT name FROM shop_thing"
    assert asked(plain, everything, user=serving, tenant="acme") == ["acme"]
    assert asked(plain, everything, user=serving, tenant="") == []
    with pytest.raises(psycopg.errors.UndefinedObject, match=NO_TENANT):
        asked(plain, everything, user=serving)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asked(plain, "UPDATE shop_thing SET tenant_id = 'other'", user=serving, tenant="acme")
    assert asked(plain, "UPDATE shop_thing SET name = 'x'", user=serving, tenant="acme") == [1]
    assert asked(plain, "DELETE FROM shop_thing", user=serving, tenant="acme") == [1]
    # Its owner, too, unless he says that he migrates; and whoever says so without owning it sees no more.
    assert asked(plain, everything, tenant="acme") == []
    assert asked(plain, "SET prefiq.migrating = on; " + everything, tenant="acme") == ["other"]
    steering = "SET prefiq.migrating = on; " + everything
    assert asked(plain, steering, user=serving, tenant="acme") == []
    assert plain.get("shop_thing", "name") == ["other"]


def test_its_plan_uses_the_key(plain: Workshop, serving: str) -> None:
    """The wall's rule reads a tenant's rows by the index, also where the statement names no tenant."""
    shop(plain, NAME)
    two_tenants(plain)
    raised = asked(
        plain, "SET enable_seqscan = off; EXPLAIN SELECT * FROM shop_thing", user=serving, tenant="acme"
    )
    assert any("Index Cond: ((tenant_id)::text = $0)" in line for line in raised)


def test_a_database_from_before_gets_its_walls(plain: Workshop) -> None:
    """When migrations are applied, though nothing is pending; rows stay."""
    plain.declare("shop", *every_kind(), model("Other", NAME))
    plain.make("shop")
    with plain.connect() as connection:
        apply(plan(plain.parts, connection), connection, walls=None)
    two_tenants(plain, "shop_other")
    assert asked(plain, "SELECT count(*) FROM pg_policy") == [0]
    found = plain.drifted()
    assert len(found) == 3
    assert "row security is not enabled" in found[0]
    assert plain.migrate() == []
    assert plain.drifted() == []
    assert asked(plain, "SELECT name FROM shop_other", tenant="acme") == ["acme"]
    assert plain.get("shop_other", "name") == ["acme", "other"]


ALTERED = (
    "ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE shop_thing NO FORCE ROW LEVEL SECURITY",
    "DROP POLICY prefiq_tenant ON shop_thing",
    "ALTER POLICY prefiq_tenant ON shop_thing USING (true)",
    "ALTER POLICY prefiq_tenant ON shop_thing USING (tenant_id = current_setting('prefiq.tenant', true))",
    "ALTER POLICY prefiq_tenant ON shop_thing WITH CHECK (true)",
    "ALTER POLICY prefiq_tenant ON shop_thing TO CURRENT_USER",
    "ALTER POLICY prefiq_migrating ON shop_thing TO PUBLIC",
    "ALTER POLICY prefiq_migrating ON shop_thing USING (true)",
    (
        "DROP POLICY prefiq_tenant ON shop_thing; CREATE POLICY prefiq_tenant ON shop_thing AS RESTRICTIVE "
        "USING (tenant_id = (SELECT current_setting('prefiq.tenant')))"
    ),
    (
        "DROP POLICY prefiq_tenant ON shop_thing; CREATE POLICY prefiq_tenant ON shop_thing FOR SELECT "
        "USING (tenant_id = (SELECT current_setting('prefiq.tenant')))"
    ),
)


@pytest.mark.parametrize("altered", ALTERED)
def test_an_altered_wall_is_told_and_mended(workshop: Workshop, altered: str) -> None:
    """By drift, and by the next ``run migrate``."""
    shop(workshop, NAME)
    assert workshop.drifted() == []
    workshop.rows(altered)
    assert len(workshop.drifted()) == 1
    workshop.migrate()
    assert workshop.drifted() == []


def test_a_policy_of_somebody_else_is_told_and_stays(workshop: Workshop) -> None:
    """It may show more rows than the wall should; only who made it knows whether it may go."""
    shop(workshop, NAME)
    workshop.rows("CREATE POLICY mine ON shop_thing USING (true)")
    workshop.migrate()
    assert "policy mine was added" in workshop.drifted()[0]


def test_development_raises_them_too(plain: Workshop) -> None:
    """In the same transaction as what it changes; and what was altered since."""
    plain.declare("shop", model("Thing", NAME))

    def follow() -> None:
        with plain.connect() as connection:
            migrate_from_declarations(plain.parts, plain.catalog, connection)

    follow()
    assert plain.drifted() == []
    with plain.at.connect() as owner:
        owner.execute("ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY")
    assert plain.drifted() != []
    follow()
    assert plain.drifted() == []


def test_migrations_reach_the_rows_of_all_tenants(plain: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As their owner without further rights: fills, new references, functions, unique indexes."""
    other = model("Other", NAME)
    plain.declare("shop", other, model("Thing", NAME | {"size": (int | None, field(default=None))}))
    plain.make("shop")
    plain.migrate()
    two_tenants(plain)
    two_tenants(plain, "shop_other")
    grown: dict[str, Any] = {
        "size": (int, field(default=7)),
        "note": (str, field(default="n", max_length=9)),
        "other_id": (UUID | None, ref("shop.Other", default=None)),
    }
    plain.declare("shop", other, model("Thing", NAME | grown))
    plain.make("shop")
    plain.migrate()
    assert plain.get("shop_thing", "name", "size", "note") == [("acme", 7, "n"), ("other", 7, "n")]
    plain.write(
        "shop",
        "0003_join.py",
        "import sqlalchemy as sa\n"
        "from prefiq.migrations import Migration, RunSteps, Steps\n"
        "def join(steps: Steps) -> None:\n"
        "    thing, other = steps.table('Thing'), steps.table('Other')\n"
        "    same = sa.select(other.c.id).where(other.c.tenant_id == thing.c.tenant_id).scalar_subquery()\n"
        "    steps.execute(sa.update(thing).values(other_id=same))\n"
        "    steps.execute(sa.text('SET LOCAL prefiq.migrating = off'))\n"
        "    assert steps.execute(sa.select(sa.func.count()).select_from(thing)).scalar() == 0\n"
        "    steps.execute(sa.text('SET LOCAL prefiq.migrating = on'))\n"
        "migration = Migration(3, 'join', 'expand', operations=(RunSteps(join),))\n",
    )
    plain.migrate()
    assert None not in plain.get("shop_thing", "other_id")
    assert plain.drifted() == []
    # Tables so large that indexes and references come after the transaction.
    monkeypatch.setattr("prefiq.migrations.dialects.plain.LARGE", 1)
    with plain.at.connect() as owner:
        owner.execute("ANALYZE shop_thing")
    grown |= {
        "note": (str, field(default="n", max_length=9, index=True)),
        "second_id": (UUID | None, ref("shop.Other", default=None)),
    }
    plain.declare("shop", other, model("Thing", NAME | grown))
    plain.make("shop")
    plain.migrate()
    assert plain.drifted() == []


def test_a_reference_is_checked_for_all_tenants(plain: Workshop) -> None:
    """PostgreSQL looks for rows without target as the owner, whom the wall would show none."""
    other = model("Other", NAME)
    plain.declare("shop", other, model("Thing", NAME))
    plain.make("shop")
    plain.migrate()
    with plain.at.connect() as owner:
        owner.execute("SET prefiq.tenant = 'acme'")
        owner.execute("ALTER TABLE shop_thing ADD other_id uuid")
        owner.execute(
            "INSERT INTO shop_thing (tenant_id, id, version, name, other_id) "
            "SELECT 'acme', gen_random_uuid(), 1, 'a', gen_random_uuid()"
        )
    adding = (
        "ALTER TABLE shop_thing ADD FOREIGN KEY (tenant_id, other_id) REFERENCES shop_other (tenant_id, id)"
    )
    with plain.connect() as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        raw.run(connection, adding)


def test_another_name_and_putting_aside_keep_the_wall(plain: Workshop, serving: str) -> None:
    """Policies go with the table."""
    shop(plain, NAME)
    two_tenants(plain)
    plain.declare("shop", model("Piece", NAME))
    plain.make("shop", renames={"Thing": "Piece"})
    plain.migrate()
    assert plain.drifted() == []
    assert asked(plain, "SELECT name FROM shop_piece", user=serving, tenant="acme") == ["acme"]
    listed = plain.catalog
    plain.unlist("shop")
    with plain.connect() as connection:
        remove(connection, belongings(listed, plain.catalog, "shop"), "archive")
    kept = "SELECT name FROM archived_shop_piece"
    assert asked(plain, kept, user=serving, tenant="acme") == ["acme"]
    with pytest.raises(psycopg.errors.UndefinedObject):
        asked(plain, kept, user=serving)


def test_one_tenant_alone_needs_none(plain: Workshop) -> None:
    """What was raised before stays; it is not told as a difference either."""
    plain.declare("shop", model("Thing", NAME))
    plain.make("shop")
    with plain.connect() as connection:
        assert "POLICY" not in sql(plan(plain.parts, connection), "postgres", walls=None)
        assert "POLICY" in sql(plan(plain.parts, connection), "postgres")
        apply(plan(plain.parts, connection), connection, walls=None)
    assert asked(plain, "SELECT count(*) FROM pg_policy") == [0]


def test_the_role_that_reads_across_has_a_policy_of_its_own(plain: Workshop, serving: str) -> None:
    """Only to read; a role that is not there yet gets it by the next ``run migrate``."""
    from prefiq.migrations import drift

    plain.declare("shop", model("Thing", NAME))
    plain.make("shop")
    plain.migrate(walls=Walls("prefiq_test_nobody"))
    two_tenants(plain)
    with plain.connect() as connection:
        across = Walls(serving)
        assert "policy prefiq_across is missing" in str(
            drift(connection, schema_of(plain.catalog), across)[0]
        )
        apply(plan(plain.parts, connection), connection, walls=across)
        assert drift(connection, schema_of(plain.catalog), across) == []
    assert asked(plain, "SELECT name FROM shop_thing ORDER BY 1", user=serving, tenant="") == [
        "acme",
        "other",
    ]
    assert asked(plain, "UPDATE shop_thing SET name = ''", user=serving, tenant="") == [0]
    assert asked(plain, "UPDATE shop_thing SET name = ''", user=serving, tenant="acme") == [1]
    assert plain.drifted() == []


def test_another_owner_sees_all_rows_before_anything_is_migrated(plain: Workshop, serving: str) -> None:
    """``doctor database --apply`` may hand tables over; a fill that found no rows would be no error."""
    shop(plain, NAME)
    two_tenants(plain)
    root = replace(plain.at, user="postgres").connect()
    root.execute(f"ALTER TABLE shop_thing OWNER TO {serving}")
    root.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {serving}")
    root.execute(f"GRANT TEMPORARY ON DATABASE {plain.at.name} TO {serving}")
    root.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {serving}")
    root.close()
    plain.at = replace(plain.at, user=serving)
    plain.declare("shop", model("Thing", NAME | {"note": (str, field(default="n", max_length=9))}))
    plain.make("shop")
    plain.declare(
        "shop",
        model(
            "Thing",
            {
                "name": (str | None, field(max_length=20, default=None)),
                "note": (str, field(default="n", max_length=9)),
            },
        ),
    )
    plain.make("shop")
    plain.migrate()
    plain.rows("SET prefiq.migrating = on; SET prefiq.tenant = ''; UPDATE shop_thing SET name = NULL")
    with replace(plain.at, user="postgres").connect() as inside:
        inside.execute("ALTER POLICY prefiq_migrating ON shop_thing TO postgres")
    plain.declare("shop", model("Thing", NAME | {"note": (str, field(default="n", max_length=9))}))
    plain.make("shop", fills={"Thing.name": "filled"})
    plain.migrate()
    assert plain.get("shop_thing", "name") == ["filled", "filled"]
    assert plain.drifted() == []
