"""What somebody changed past the migrations is found, and nothing else; what would run can be printed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.engines.migration_models import NAME, Stage, every_kind, shop
from tests.unit.migrations.kit import Workshop, child, model

from prefiq.lowcode import children, field, ref, transition
from prefiq.migrations import drift, migrate_from_declarations, plan, schema_of, sql

_DAY = date(2026, 1, 1)
_AT = datetime(2026, 1, 1, tzinfo=UTC)
ANYWHERE = [
    ("ALTER TABLE shop_thing ADD COLUMN more integer", "column more was added"),
    ("CREATE INDEX by_hand ON shop_thing (size)", "index by_hand was added"),
    ("ALTER TABLE shop_thing RENAME COLUMN name TO title", "column name is missing"),
    ("DROP TABLE shop_thing", "it is missing"),
]
BY_HAND: dict[str, list[tuple[str, str]]] = {
    "postgres": [
        *ANYWHERE,
        ("DROP INDEX ix_shop_thing_name", "index ix_shop_thing_name is missing"),
        ("ALTER TABLE shop_thing ALTER COLUMN name DROP NOT NULL", 'COLLATE "C" in place of'),
        ("ALTER TABLE shop_thing ALTER COLUMN name SET DEFAULT 'x'", "DEFAULT 'x'::character varying"),
        ("ALTER TABLE shop_thing ALTER COLUMN name TYPE varchar(20)", "column name is character varying(20)"),
        ('ALTER TABLE shop_thing ALTER COLUMN name TYPE varchar(30) COLLATE "C"', "character varying(30)"),
        ("ALTER TABLE shop_thing ADD CHECK (size > 0)", "clause CHECK ((size > 0)) was added"),
        ("ALTER TABLE shop_thing DROP CONSTRAINT fk_shop_thing_unit_id", "reference (tenant_id, unit_id)"),
        ("ALTER TABLE shop_thing DISABLE ROW LEVEL SECURITY", "row security is not enabled"),
        ("ALTER TABLE shop_thing NO FORCE ROW LEVEL SECURITY", "row security is not forced on its owner"),
        ("DROP POLICY prefiq_tenant ON shop_thing", "policy prefiq_tenant is missing"),
        ("ALTER POLICY prefiq_tenant ON shop_thing USING (true)", "policy prefiq_tenant is another one"),
        (
            "ALTER POLICY prefiq_tenant ON shop_thing WITH CHECK (true)",
            "policy prefiq_tenant is another one",
        ),
        ("ALTER POLICY prefiq_migrating ON shop_thing TO PUBLIC", "policy prefiq_migrating is another one"),
        ("CREATE POLICY mine ON shop_thing USING (size > 0)", "policy mine was added"),
        ("CREATE RULE one AS ON UPDATE TO shop_thing DO INSTEAD NOTHING", "rule one was added"),
        ("ALTER TABLE shop_thing ADD UNIQUE (size)", "clause UNIQUE (size) was added"),
        (
            """CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER watch BEFORE INSERT ON shop_thing FOR EACH ROW EXECUTE FUNCTION f()""",
            "trigger watch was added",
        ),
        (
            "DROP INDEX ix_shop_thing_name; CREATE INDEX ix_shop_thing_name ON shop_thing (tenant_id, name DESC)",
            "index ix_shop_thing_name is btree (tenant_id, name DESC) in place of btree (tenant_id, name)",
        ),
        (
            """DROP INDEX ix_shop_thing_unit_id;
            CREATE INDEX ix_shop_thing_unit_id ON shop_thing (tenant_id, unit_id)""",
            "NULLS FIRST",
        ),
    ],
    "mariadb": [
        *ANYWHERE,
        ("DROP INDEX ix_shop_thing_name ON shop_thing", "index ix_shop_thing_name is missing"),
        (
            "ALTER TABLE shop_thing MODIFY name varchar(20) COLLATE utf8mb4_nopad_bin",
            "column name is varchar(20)",
        ),
        ("ALTER TABLE shop_thing ALTER COLUMN name SET DEFAULT 'x'", "NOT NULL DEFAULT x"),
        (
            "ALTER TABLE shop_thing MODIFY name varchar(20) COLLATE utf8mb4_general_ci NOT NULL",
            "utf8mb4_general_ci",
        ),
        ("ALTER TABLE shop_thing ADD CHECK (size > 0)", "clause CHECK (`size` > 0) was added"),
        ("ALTER TABLE shop_thing DROP FOREIGN KEY fk_shop_thing_unit_id", "reference (tenant_id, unit_id)"),
        (
            "CREATE TRIGGER watch BEFORE INSERT ON shop_thing FOR EACH ROW SET NEW.size = 1",
            "trigger watch was added",
        ),
        (
            "ALTER TABLE shop_thing DROP INDEX ix_shop_thing_name, ADD INDEX ix_shop_thing_name (tenant_id, name(3))",
            "name (3)",
        ),
        ("ALTER TABLE shop_thing ADD COLUMN twice bigint AS (size * 2)", "clause GENERATED ALWAYS AS"),
        ("ALTER TABLE shop_note ENGINE=Aria", "table is Aria in place of InnoDB"),
    ],
}


@pytest.mark.parametrize(
    ("engine", "by_hand", "difference"),
    [(engine, *case) for engine, cases in BY_HAND.items() for case in cases],
    scope="session",
)
def test_change_by_hand_is_found(workshop: Workshop, by_hand: str, difference: str) -> None:
    """What somebody changed past the migrations is told table by table."""
    unit = model("Unit", NAME)
    fields = {"name": (str, field(max_length=20, index=True)), "size": int}
    fields["unit_id"] = (UUID | None, ref("shop.Unit", default=None))
    workshop.declare("shop", unit, model("Thing", fields), model("Note", NAME))
    workshop.make("shop")
    workshop.migrate()
    assert workshop.drifted() == []
    workshop.rows(by_hand)
    found = workshop.drifted()
    assert len(found) == 1
    assert difference in found[0]


def test_looking_for_drift_leaves_nothing_behind(workshop: Workshop) -> None:
    """What it compares with is gone afterwards, and rows are untouched."""
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    state = workshop.state()
    with workshop.connect() as connection:
        assert drift(connection, schema_of(workshop.catalog)) == []
        assert drift(connection, schema_of(workshop.catalog)) == []
    assert workshop.state() == state
    assert workshop.get("shop_thing", "name") == ["a"]


def client(workshop: Workshop) -> Callable[[str], None]:
    """The engine's own shell, which stops at the first error."""
    at = workshop.at
    if at.engine == "postgres":
        command = [
            "psql",
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            at.host,
            "-p",
            str(at.port),
            "-U",
            at.user,
            at.name,
        ]
    elif at.engine == "mariadb":
        command = ["mariadb", "-h", at.host, "-P", str(at.port), "-u", at.user, at.name]
    else:
        command = ["sqlite3", "-bail", str(at.path)]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")

    def run(text: str) -> None:
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


def test_printed_statements_are_the_ones_that_run(workshop: Workshop) -> None:
    """``--sql`` gives text that a person may run with the engine's own shell, with the same result."""
    run = client(workshop)
    workshop.declare("shop", *every_kind())
    workshop.make("shop")
    with workshop.connect() as connection:
        run(sql(plan(workshop.parts, connection), workshop.engine))
    assert workshop.migrate() == []
    assert workshop.drifted() == []
    odd = "it's \"so\"\n-- %s :x \\ \\' `y`; é😀"
    shop_fields: dict[str, Any] = {
        "code": (str, field(max_length=20, unique=True)),
        "price": (Decimal, field(precision=9, scale=3)),
        "text": (str, field(default=odd)),
        "stage": (Stage, field(default=Stage.DRAFT)),
    }
    actions = {"finish": transition(Stage.DRAFT, to=Stage.DONE)}
    line = child("Line", {"title": str})
    unit = model("Unit", {"code": (str, field(max_length=8, unique=True))}, every_kind()[0].meta)  # type: ignore[attr-defined]
    id = workshop.put("shop_unit", tenant="", code="u")
    row: dict[str, Any] = {
        "code": "c", "amount": 1, "active": True, "price": Decimal("1.25"), "day": _DAY, "at": _AT,
        "token": UUID(int=1), "stage": Stage.DRAFT, "data": {}, "unit_id": id,
    }  # fmt: skip
    workshop.put("shop_thing", **row)
    fields = shop_fields | {"lines": (list[line], children(line))}  # type: ignore[valid-type]
    workshop.declare("shop", unit, model("Thing", fields, actions=actions))
    workshop.make("shop")
    with workshop.connect() as connection:
        text = sql(plan(workshop.parts, connection), workshop.engine)
    assert "-- must be 0, else code has more than 20 characters:" in text
    run(text)
    assert workshop.migrate() == []
    assert workshop.drifted() == []
    assert workshop.get("shop_thing", "code", "price", "text") == [("c", Decimal("1.250"), odd)]


@pytest.mark.parametrize("engine", ["postgres"], scope="session")
def test_printed_statements_where_a_backslash_escapes(workshop: Workshop) -> None:
    """Literals mean the same in a database whose settings say otherwise."""
    run = client(workshop)
    with workshop.at.connect() as administrator:
        administrator.execute(f"ALTER DATABASE {workshop.at.name} SET standard_conforming_strings = off")
    odd = "\\'; DROP TABLE shop_thing; --"
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    workshop.declare("shop", model("Thing", NAME | {"text": (str, field(default=odd))}))
    workshop.make("shop")
    with workshop.connect() as connection:
        run(sql(plan(workshop.parts, connection), workshop.engine))
    assert workshop.get("shop_thing", "text") == [odd]


def test_printed_statements_record_what_development_has(workshop: Workshop) -> None:
    """A database that followed the declarations is afterwards where the files lead, as ``apply`` leaves it."""
    run = client(workshop)
    shop(workshop, NAME)
    workshop.declare("shop", model("Thing", NAME | {"size": (int, field(default=2))}))
    with workshop.connect() as connection:
        migrate_from_declarations(workshop.parts, workshop.catalog, connection)
    workshop.make("shop")
    with workshop.connect() as connection:
        text = sql(plan(workshop.parts, connection), workshop.engine)
    assert "recorded only" in text
    run(text)
    assert workshop.rows("SELECT module FROM prefiq_development") == []
    assert workshop.migrate() == []
    assert workshop.drifted() == []
