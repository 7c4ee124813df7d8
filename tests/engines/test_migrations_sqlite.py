"""Migrations on SQLite files: what ALTER cannot say, rows kept, crashes, two at once, drift."""

from __future__ import annotations

import dataclasses
import itertools
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.migrations.kit import Workshop, child, model

from prefiq.errors import Faults
from prefiq.lowcode import ModelMeta, Status, children, field, index, now, ref, transition, unique, uuid7
from prefiq.migrations import apply, check, drift, migrate_from_declarations, plan, schema_of, sql, status
from prefiq.migrations.errors import (
    BadOperation,
    MigrationFailed,
    MigrationLocked,
    RowsDoNotFit,
    TransactionEnded,
)
from prefiq.migrations.tables import tables_of


class Stage(Status):
    DRAFT = "draft"
    DONE = "done"


EVERY_KIND: dict[str, Any] = {
    "code": (str, field(max_length=32, unique=True)),
    "notes": (str | None, field(text=True, default=None)),
    "amount": (int, field(index=True)),
    "active": bool,
    "price": (Decimal, field(precision=12, scale=2)),
    "weight": (float | None, field(default=None)),
    "day": date,
    "at": (datetime, field(default=now)),
    "token": UUID,
    "stage": (Stage, field(default=Stage.DRAFT)),
    "data": (dict[str, Any], field(default_factory=dict)),
}


def drifted(workshop: Workshop) -> list[str]:
    """Differences between the database and the declarations."""
    with workshop.connect() as connection:
        return [str(fault) for fault in drift(connection, schema_of(workshop.catalog))]


def every_kind() -> tuple[type, ...]:
    stages: dict[str, Any] = {"done": transition(Stage.DRAFT, to=Stage.DONE)}
    line = child("Line", {"title": str, "amount": (Decimal, field(precision=6, scale=3))})
    thing = model(
        "Thing",
        {
            **EVERY_KIND,
            "parent_id": (UUID | None, ref("shop.Thing", default=None)),
            "unit_id": (UUID, ref("shop.Unit")),
            "lines": (list[line], children(line)),  # type: ignore[valid-type]
        },
        ModelMeta(soft_delete=True, indexes=(index("day", "amount"), unique("token", "stage"))),
        actions=stages,
    )
    unit = model("Unit", {"code": (str, field(max_length=8, unique=True))}, ModelMeta(scope="shared"))
    return unit, thing


def test_migrated_table_is_the_declared_one_for_every_kind(workshop: Workshop) -> None:
    """A database made by migrations tells the same of its tables as one made from the declarations at once."""
    from prefiq.migrations.dialects import renderer_for
    from prefiq.sql.tables import Tables

    workshop.declare("shop", *every_kind())
    workshop.make("shop")
    workshop.migrate()
    assert drifted(workshop) == []
    declared = Workshop(workshop.root / "declared")
    declared.root.mkdir()
    declared.models = workshop.models
    tables = Tables(workshop.catalog)
    with declared.connect() as connection:
        tables.create_all(connection)
        connection.commit()
    sqlite = renderer_for("sqlite")
    with declared.connect() as fresh, workshop.connect() as migrated:
        for table in tables:
            assert sqlite.fingerprint(migrated, table.name) == sqlite.fingerprint(fresh, table.name)
            assert len(sqlite.fingerprint(fresh, table.name)) > 3


def shop(workshop: Workshop, fields: dict[str, Any], meta: ModelMeta | None = None, **options: Any) -> None:
    """Declare ``shop.Thing`` with these fields, make the migration and apply it."""
    workshop.declare("shop", model("Thing", fields, meta))
    workshop.make("shop", **options)
    workshop.migrate()


def values(workshop: Workshop, column: str) -> list[Any]:
    return [row[0] for row in workshop.rows(f"SELECT {column} FROM shop_thing ORDER BY id")]


NAME: dict[str, Any] = {"name": (str, field(max_length=20))}


class TestFields:
    def test_nullable_field_is_empty_in_rows_that_exist(self, workshop: Workshop) -> None:
        """A nullable field is added; rows that exist have NULL."""
        shop(workshop, NAME)
        workshop.insert("shop_thing", name="a")
        shop(workshop, NAME | {"size": (int | None, field(default=None))})
        assert values(workshop, "size") == [None]
        assert drifted(workshop) == []

    @pytest.mark.parametrize(
        ("annotation", "declared", "stored"),
        [
            (int, {"default": 7}, 7),
            (bool, {"default": True}, 1),
            (str, {"default": 'it\'s "so"\n%s :x'}, 'it\'s "so"\n%s :x'),
            (Decimal, {"default": Decimal("1.5"), "precision": 6, "scale": 2}, 150),
            (float, {"default": 0.25}, 0.25),
            (date, {"default": date(2026, 1, 2)}, "2026-01-02"),
            (Stage, {"default": Stage.DRAFT}, "draft"),
            (datetime, {"default": datetime(2026, 1, 2, 3, tzinfo=UTC)}, "2026-01-02T03:00:00.000000Z"),
            (datetime, {"default": now}, "2026-05-01T00:00:00.000000Z"),
            (date, {"default": now}, "2026-05-01"),
            (UUID, {"default": UUID(int=5)}, UUID(int=5).bytes),
            (dict[str, Any], {"default_factory": dict}, "{}"),
        ],
    )
    def test_required_field_is_filled_with_its_default(
        self, workshop: Workshop, annotation: Any, declared: dict[str, Any], stored: object
    ) -> None:
        """The default fills rows that exist as the field stores it, and no default remains in the database."""
        shop(workshop, NAME)
        workshop.insert("shop_thing", name="a")
        actions = {"finish": transition(Stage.DRAFT, to=Stage.DONE)} if annotation is Stage else None
        grown = NAME | {"extra": (annotation, field(**declared))}
        workshop.declare("shop", model("Thing", grown, actions=actions))
        workshop.make("shop")
        workshop.migrate(clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
        assert values(workshop, "extra") == [stored]
        assert values(workshop, "name") == ["a"]
        assert drifted(workshop) == []
        with pytest.raises(sqlite3.IntegrityError):
            workshop.insert("shop_thing", name="b")

    def test_dropped_field_takes_its_index_along(self, workshop: Workshop) -> None:
        """A column with an index, which SQLite cannot drop, goes; the other columns keep their values."""
        shop(workshop, NAME | {"code": (str, field(unique=True))})
        workshop.insert("shop_thing", name="a", code="x")
        shop(workshop, NAME)
        assert values(workshop, "name") == ["a"]
        assert drifted(workshop) == []

    def test_renamed_field_keeps_its_values_and_gets_its_index(self, workshop: Workshop) -> None:
        """A rename keeps the values; the index follows under the name that a new table would have."""
        shop(workshop, {"code": (str, field(unique=True))})
        workshop.insert("shop_thing", code="x")
        shop(workshop, {"key": (str, field(unique=True))}, renames={"Thing.code": "key"})
        assert values(workshop, "key") == ["x"]
        assert drifted(workshop) == []

    def test_empty_values_are_filled_when_a_field_becomes_required(self, workshop: Workshop) -> None:
        """NULL becomes the default, other values stay."""
        shop(workshop, {"name": (str | None, field(default=None))})
        workshop.insert("shop_thing", name=None)
        workshop.insert("shop_thing", name="b")
        shop(workshop, {"name": (str, field(default="?"))})
        assert values(workshop, "name") == ["?", "b"]
        assert drifted(workshop) == []

    def test_given_value_fills_where_there_is_no_default(self, workshop: Workshop) -> None:
        """A value given once, for rows that exist, serves in place of a default."""
        shop(workshop, NAME)
        workshop.insert("shop_thing", name="a")
        shop(workshop, NAME | {"size": int}, fills={"Thing.size": 3})
        assert values(workshop, "size") == [3]

    def test_more_digits_behind_the_point_keep_the_amount(self, workshop: Workshop) -> None:
        """Decimals are whole numbers of their last digit: another scale is another number for the same amount."""
        shop(workshop, {"price": (Decimal, field(precision=8, scale=2))})
        workshop.insert("shop_thing", price=1250)
        shop(workshop, {"price": (Decimal, field(precision=9, scale=3))})
        assert values(workshop, "price") == [12500]
        shop(workshop, {"price": (Decimal, field(precision=7, scale=1))})
        assert values(workshop, "price") == [125]

    def test_whole_numbers_become_decimals_of_the_same_amount(self, workshop: Workshop) -> None:
        """12 becomes 12.00."""
        shop(workshop, {"price": int})
        workshop.insert("shop_thing", price=12)
        shop(workshop, {"price": (Decimal, field(precision=8, scale=2))})
        assert values(workshop, "price") == [1200]
        assert drifted(workshop) == []

    def test_unlimited_text_becomes_a_bounded_string(self, workshop: Workshop) -> None:
        """SQLite stores both alike, so that nothing but the check happens."""
        shop(workshop, {"name": (str, field(text=True))})
        workshop.insert("shop_thing", name="a")
        shop(workshop, NAME)
        assert values(workshop, "name") == ["a"]
        assert drifted(workshop) == []


def test_several_changes_of_a_table_copy_its_rows_once(workshop: Workshop) -> None:
    """Added, altered and dropped columns of one table are one new table."""
    shop(workshop, NAME | {"price": (Decimal, field(precision=8, scale=2)), "old": int})
    workshop.insert("shop_thing", name="a", price=100, old=1)
    changed = {"price": (Decimal, field(precision=9, scale=3)), "new": (int, field(default=4))}
    workshop.declare("shop", model("Thing", NAME | changed | {"note": (str | None, field(default=None))}))
    workshop.make("shop")
    with workshop.connect() as connection:
        text = sql(plan(workshop.parts, connection), "sqlite")
    assert text.count("INSERT INTO prefiq_new_shop_thing") == 1
    workshop.migrate()
    assert workshop.rows("SELECT name, price, new, note FROM shop_thing") == [("a", 1000, 4, None)]
    assert drifted(workshop) == []


FITS: list[tuple[Any, Any, Any, str]] = [
    (
        (str, field(max_length=20)),
        (str, field(max_length=3)),
        "abcd",
        "1 row does not fit: value_id has more than 3 characters",
    ),
    (
        (str, field(text=True)),
        (str, field(max_length=3)),
        "é" * 4,
        "1 row does not fit: value_id has more than 3 characters",
    ),
    (
        (Decimal, field(precision=8, scale=2)),
        (Decimal, field(precision=8, scale=1)),
        125,
        "1 row does not fit: value_id has more than 1 digits behind the point",
    ),
    (
        (Decimal, field(precision=8, scale=2)),
        (Decimal, field(precision=4, scale=2)),
        -10_000,
        "1 row does not fit: value_id has more than 2 digits before the point",
    ),
    (
        int,
        (Decimal, field(precision=4, scale=2)),
        100,
        "1 row does not fit: value_id has more than 2 digits before the point",
    ),
    (
        (str, field(max_length=20)),
        (str, field(max_length=20, unique=True)),
        "twice",
        "2 rows do not fit: several have the same value_id",
    ),
    (
        (UUID, field()),
        (UUID, ref("shop.Other")),
        UUID(int=1).bytes,
        "1 row does not fit: value_id refers to rows that are not there",
    ),
]


@pytest.mark.parametrize(("before", "after", "stored", "message"), FITS)
def test_rows_that_do_not_fit_are_counted_and_nothing_changes(
    workshop: Workshop, before: Any, after: Any, stored: object, message: str
) -> None:
    """A narrower column is refused while rows do not fit; rows, table and history stay as they were."""
    other = model("Other", NAME)
    workshop.declare("shop", other, model("Thing", {"value_id": before}))
    workshop.make("shop")
    workshop.migrate()
    count = int(message.split(maxsplit=1)[0])
    for _ in range(count):
        workshop.insert("shop_thing", value_id=stored)
    schema = workshop.rows("SELECT sql FROM sqlite_master ORDER BY name")
    workshop.declare("shop", other, model("Thing", {"value_id": after}))
    workshop.make("shop")
    with pytest.raises(RowsDoNotFit) as caught:
        workshop.migrate()
    assert caught.value.what == message
    assert caught.value.where.startswith("module shop, 0002_")
    assert values(workshop, "value_id") == [stored] * count
    assert workshop.rows("SELECT sql FROM sqlite_master ORDER BY name") == schema
    assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(1,)]
    workshop.rows("DELETE FROM shop_thing")
    workshop.migrate()
    assert drifted(workshop) == []


def test_largest_values_that_fit_are_kept(workshop: Workshop) -> None:
    """The limit itself fits."""
    shop(workshop, {"price": (Decimal, field(precision=8, scale=2)), "name": (str, field(max_length=9))})
    workshop.insert("shop_thing", price=-9999, name="abc")
    shop(workshop, {"price": (Decimal, field(precision=5, scale=3)), "name": (str, field(max_length=3))})
    assert workshop.rows("SELECT price, name FROM shop_thing") == [(-99990, "abc")]


def test_choice_that_is_taken_away_must_not_be_in_use(workshop: Workshop) -> None:
    """A state can go when no row is in it."""

    class Long(Status):
        DRAFT = "draft"
        DONE = "done"
        GONE = "gone"

    more = {"finish": transition(Long.DRAFT, to=Long.DONE), "go": transition(Long.DONE, to=Long.GONE)}
    workshop.declare("shop", model("Thing", {"stage": (Long, field(default=Long.DRAFT))}, actions=more))
    workshop.make("shop")
    workshop.migrate()
    id = workshop.insert("shop_thing", stage="gone")
    less = {"finish": transition(Stage.DRAFT, to=Stage.DONE)}
    workshop.declare("shop", model("Thing", {"stage": (Stage, field(default=Stage.DRAFT))}, actions=less))
    workshop.make("shop")
    with pytest.raises(RowsDoNotFit, match="1 row does not fit: stage is none of its choices"):
        workshop.migrate()
    workshop.rows("UPDATE shop_thing SET stage = 'done' WHERE id = ?", id.bytes)
    workshop.migrate()
    assert drifted(workshop) == []


class TestReferences:
    def test_rebuilding_a_parent_keeps_its_children(self, workshop: Workshop) -> None:
        """A table that others refer to is built anew: nothing cascades, and the references hold afterwards."""
        item = child("Item", {"title": str})
        items = {"items": (list[item], children(item))}  # type: ignore[valid-type]
        shop(workshop, NAME | items)
        id = workshop.insert("shop_thing", name="a")
        workshop.rows(
            "INSERT INTO shop_item (tenant_id, id, thing_id, position, title) VALUES (?, ?, ?, 0, 'x')",
            "acme",
            b"1" * 16,
            id.bytes,
        )
        item = child("Item", {"title": str})
        items = {"items": (list[item], children(item))}  # type: ignore[valid-type]
        shop(workshop, items, ModelMeta(soft_delete=True))
        assert workshop.rows("SELECT title FROM shop_item") == [("x",)]
        assert drifted(workshop) == []
        workshop.rows("DELETE FROM shop_thing")
        assert workshop.rows("SELECT count(*) FROM shop_item") == [(0,)]

    def test_renamed_parent_takes_its_children_along(self, workshop: Workshop) -> None:
        """A model is renamed: table, children's column, references of others and indexes follow; rows stay."""
        item = child("Item", {"title": str})
        items = {"items": (list[item], children(item))}  # type: ignore[valid-type]
        note = model("Note", {"thing_id": (UUID, ref("shop.Thing"))})
        workshop.declare("shop", model("Thing", {"code": (str, field(unique=True))} | items), note)
        workshop.make("shop")
        workshop.migrate()
        id = workshop.insert("shop_thing", code="a")
        workshop.insert("shop_note", thing_id=id.bytes)
        workshop.rows(
            "INSERT INTO shop_item (tenant_id, id, thing_id, position, title) VALUES (?, ?, ?, 0, 'x')",
            "acme",
            b"1" * 16,
            id.bytes,
        )
        item = child("Item", {"title": str})
        items = {"items": (list[item], children(item))}  # type: ignore[valid-type]
        note = model("Note", {"thing_id": (UUID, ref("shop.Affair"))})
        workshop.declare("shop", model("Affair", {"code": (str, field(unique=True))} | items), note)
        workshop.make("shop", renames={"Thing": "Affair"})
        workshop.migrate()
        assert drifted(workshop) == []
        assert workshop.rows("SELECT code FROM shop_affair JOIN shop_item ON affair_id = shop_affair.id") == [
            ("a",)
        ]
        with pytest.raises(sqlite3.IntegrityError):
            workshop.rows("DELETE FROM shop_affair")

    def test_models_that_refer_to_each_other_are_made_and_dropped(self, workshop: Workshop) -> None:
        """A circle of references in one module is no obstacle, on the way in and on the way out."""
        pair = [
            model("Left", {"right_id": (UUID | None, ref("shop.Right", default=None))}),
            model("Right", {"left_id": (UUID | None, ref("shop.Left", default=None))}),
        ]
        workshop.declare("shop", model("Other", NAME), *pair)
        workshop.make("shop")
        workshop.migrate()
        assert drifted(workshop) == []
        workshop.declare("shop", model("Other", NAME))
        workshop.make("shop")
        workshop.migrate()
        assert drifted(workshop) == []
        assert workshop.rows("SELECT count(*) FROM sqlite_master WHERE name LIKE '%left%'") == [(0,)]

    def test_rows_left_behind_by_a_step_stop_the_migration(self, workshop: Workshop) -> None:
        """References are not watched while migrating, so they are checked before it is kept."""
        workshop.declare("shop", model("Thing", NAME), model("Note", {"thing_id": (UUID, ref("shop.Thing"))}))
        workshop.make("shop")
        workshop.migrate()
        id = workshop.insert("shop_thing", name="a")
        workshop.insert("shop_note", thing_id=id.bytes)
        workshop.write(
            "shop",
            "0002_clear.py",
            "import sqlalchemy as sa\n"
            "from prefiq.migrations import Migration, RunSteps\n"
            "def clear(steps):\n"
            "    steps.execute(sa.delete(steps.table('Thing')))\n"
            "migration = Migration(2, 'clear', 'expand', operations=(RunSteps(clear),))\n",
        )
        with pytest.raises(RowsDoNotFit) as caught:
            workshop.migrate()
        assert caught.value.what == "1 row does not fit: shop_note refers to rows that are not there"
        assert values(workshop, "name") == ["a"]

    def test_value_that_refers_to_nothing_stops_the_migration(self, workshop: Workshop) -> None:
        """A new reference that is filled with an id which is not there is told, and nothing is kept."""
        other = model("Other", NAME)
        workshop.declare("shop", other, model("Thing", NAME))
        workshop.make("shop")
        workshop.migrate()
        workshop.insert("shop_thing", name="a")
        workshop.declare("shop", other, model("Thing", NAME | {"other_id": (UUID, ref("shop.Other"))}))
        workshop.make("shop", fills={"Thing.other_id": UUID(int=7)})
        with pytest.raises(RowsDoNotFit) as caught:
            workshop.migrate()
        assert caught.value.what == "1 row does not fit: shop_thing refers to rows that are not there"
        workshop.insert("shop_other", id=UUID(int=7), name="b")
        workshop.migrate()
        assert drifted(workshop) == []

    def test_references_are_watched_again_afterwards(self, workshop: Workshop) -> None:
        """The connection is left as it was found."""
        workshop.declare("shop", model("Thing", NAME))
        workshop.make("shop")
        with workshop.connect() as connection:
            raw: Any = connection.connection.driver_connection
            before = raw.execute("PRAGMA busy_timeout").fetchone()
            apply(plan(workshop.parts, connection), connection)
            assert raw.execute("PRAGMA foreign_keys").fetchone() == (1,)
            assert raw.execute("PRAGMA busy_timeout").fetchone() == before
            assert not raw.in_transaction


class TestSteps:
    def test_step_sees_the_tables_of_its_time(self, workshop: Workshop) -> None:
        """A step works with the columns as they were at its point, long after the models have moved on."""
        shop(workshop, NAME)
        workshop.insert("shop_thing", name="a")
        workshop.insert("shop_thing", name="b", tenant="other")
        workshop.write(
            "shop",
            "0002_shout.py",
            textwrap.dedent("""
                import sqlalchemy as sa
                from prefiq.migrations import Migration, RunSteps

                def shout(steps):
                    table = steps.table("Thing")
                    query = sa.select(table.c.tenant_id, table.c.id, table.c.name)
                    for rows in steps.batches(query, 1):
                        for row in rows:
                            steps.execute(
                                sa.update(table)
                                .where(table.c.tenant_id == row.tenant_id, table.c.id == row.id)
                                .values(name=row.name.upper())
                            )

                migration = Migration(2, "shout", "expand", operations=(RunSteps(shout),))
            """),
        )
        shop(workshop, {"title": (str, field(max_length=20))}, renames={"Thing.name": "title"})
        assert values(workshop, "title") == ["A", "B"]

    def test_step_that_raises_leaves_nothing(self, workshop: Workshop) -> None:
        """An exception in a step becomes an error that names it; what ran before in its migration is undone."""
        shop(workshop, NAME)
        workshop.write(
            "shop",
            "0002_fail.py",
            "from prefiq.migrations import AddField, FieldState, Migration, RunSteps\n"
            "def fail(steps):\n"
            "    raise KeyError('secret')\n"
            "migration = Migration(2, 'fail', 'expand', operations=(\n"
            "    AddField('Thing', FieldState('size', 'int', nullable=True)), RunSteps(fail)))\n",
        )
        with pytest.raises(MigrationFailed) as caught:
            workshop.migrate()
        assert str(caught.value) == (
            "Could not run fail (KeyError); nothing of this migration was kept "
            "(module shop, 0002_fail) [PFQ615]\n"
            "  Try: look at the cause, correct the data or the migration, and run prefiq run migrate again"
        )
        assert "size" not in workshop.rows("SELECT sql FROM sqlite_master WHERE name = 'shop_thing'")[0][0]
        assert workshop.rows("SELECT number FROM prefiq_migration") == [(1,)]

    def test_refused_statement_names_the_operation_and_no_value(self, workshop: Workshop) -> None:
        """A table in the way stops the migration with its operation and SQLite's word for the cause."""
        workshop.declare("shop", model("Thing", NAME))
        workshop.make("shop")
        workshop.rows("CREATE TABLE shop_thing (x)")
        with pytest.raises(MigrationFailed) as caught:
            workshop.migrate()
        assert caught.value.what == (
            "Could not create model Thing (SQLITE_ERROR); nothing of this migration was kept"
        )
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)

    def test_step_may_not_end_the_transaction(self, workshop: Workshop) -> None:
        """A commit inside a step is told; the migration is not recorded as if all were well."""
        shop(workshop, NAME)
        workshop.write(
            "shop",
            "0002_commit.py",
            "from prefiq.migrations import Migration, RunSteps\n"
            "def commit(steps):\n"
            "    steps.connection.commit()\n"
            "migration = Migration(2, 'commit', 'expand', operations=(RunSteps(commit),))\n",
        )
        with pytest.raises(TransactionEnded) as caught:
            workshop.migrate()
        assert caught.value.what == "A step ended the migration's transaction (run commit)"
        assert workshop.rows("SELECT number FROM prefiq_migration") == [(1,)]

    def test_value_of_another_kind_is_refused(self, workshop: Workshop) -> None:
        """A fill that was written by hand and does not fit its field is told with its file."""
        shop(workshop, NAME)
        workshop.write(
            "shop",
            "0002_fill.py",
            "from prefiq.migrations import AddField, FieldState, Migration\n"
            "migration = Migration(2, 'fill', 'contract', operations=(\n"
            "    AddField('Thing', FieldState('at', 'datetime'), 'tomorrow'),))\n",
        )
        with pytest.raises(BadOperation) as caught:
            workshop.migrate()
        assert str(caught.value).partition("\n")[0] == (
            "Cannot add field Thing.at: its fill is no value of kind datetime (module shop, 0002_fill) [PFQ609]"
        )

    def test_unknown_model_in_a_step_is_told(self, workshop: Workshop) -> None:
        """A step that asks for a table that is not there at its point gets a typed error."""
        shop(workshop, NAME)
        workshop.write(
            "shop",
            "0002_ask.py",
            "from prefiq.migrations import Migration, RunSteps\n"
            "def ask(steps):\n"
            "    steps.table('Nothing')\n"
            "migration = Migration(2, 'ask', 'expand', operations=(RunSteps(ask),))\n",
        )
        with pytest.raises(BadOperation, match="Cannot use the table of Nothing"):
            workshop.migrate()


class TestOnce:
    def test_second_run_has_nothing_to_do(self, workshop: Workshop) -> None:
        """Applying is idempotent; ``check`` is content afterwards and not before."""
        workshop.declare("shop", model("Thing", NAME))
        workshop.make("shop")
        with workshop.connect() as connection:
            with pytest.raises(Faults) as caught:
                check(workshop.parts, connection)
            assert [str(fault) for fault in caught.value.exceptions] == [
                "1 migration is not applied: 0001_initial (module shop) [PFQ618]\n  Try: run prefiq run migrate"
            ]
            first = apply(plan(workshop.parts, connection), connection)
            assert [done.loaded.title for done in first] == ["shop 0001_initial"]
            assert apply(plan(workshop.parts, connection), connection) == []
            check(workshop.parts, connection)

    def test_history_says_what_when_and_how_long(self, workshop: Workshop) -> None:
        """Each migration has a row with its checksum, time and duration."""
        workshop.declare("shop", model("Thing", NAME))
        workshop.make("shop")
        workshop.migrate(clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
        rows = workshop.rows(
            "SELECT module, number, name, length(checksum), applied_at FROM prefiq_migration"
        )
        assert rows == [("shop", 1, "0001_initial", 64, "2026-05-01T00:00:00+00:00")]
        assert 0 < workshop.rows("SELECT duration FROM prefiq_migration")[0][0] < 60

    def test_two_deployers_apply_each_migration_once(self, workshop: Workshop) -> None:
        """Two that planned the same work at once: each migration is applied by one of them, and both succeed."""
        shop_fields = dict(NAME)
        workshop.declare("shop", model("Thing", shop_fields))
        workshop.make("shop")
        for number in range(6):
            shop_fields[f"extra_{number}"] = (int, field(default=number))
            workshop.declare("shop", model("Thing", dict(shop_fields)))
            workshop.make("shop")
        done: list[str] = []
        problems: list[BaseException] = []
        ready = threading.Barrier(2, timeout=30)

        def deploy() -> None:
            try:
                with workshop.connect() as connection:
                    planned = plan(workshop.parts, connection)
                    ready.wait()
                    done.extend(one.loaded.label for one in apply(planned, connection))
            except BaseException as error:  # noqa: BLE001
                problems.append(error)

        threads = [threading.Thread(target=deploy) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(done) == len(set(done)) == 7
        assert drifted(workshop) == []

    def test_waiting_for_another_deployer_is_bounded(self, workshop: Workshop) -> None:
        """A lock that is not given back in time is an error, and nothing was changed."""
        workshop.declare("shop", model("Thing", NAME))
        workshop.make("shop")
        holder = sqlite3.connect(workshop.database, isolation_level=None)
        with workshop.connect() as connection:
            planned = plan(workshop.parts, connection)
            holder.execute("BEGIN IMMEDIATE")
            waited: list[float] = []
            try:
                with pytest.raises(MigrationLocked, match=r"locked by another process for 0\.3 seconds"):
                    apply(planned, connection, wait=0.3, sleep=waited.append)
            finally:
                holder.close()
            assert waited
            assert apply(planned, connection) != []

    def test_looking_does_not_need_the_lock(self, workshop: Workshop) -> None:
        """``plan`` and ``status`` answer while somebody else writes."""
        shop(workshop, NAME)
        holder = sqlite3.connect(workshop.database, isolation_level=None)
        with workshop.connect() as connection:
            holder.execute("BEGIN IMMEDIATE")
            try:
                assert plan(workshop.parts, connection).pending == ()
                assert status(workshop.parts, connection)[0].applied == ("0001_initial",)
            finally:
                holder.close()


KILLED = """
import os, signal, sys
from pathlib import Path

root, stem, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.path.insert(0, str(root))
from prefiq.lowcode import Catalog
from prefiq.migrations import ModulePart, apply, history, plan
from prefiq.sql.connection_manager import ConnectionManager, DatabaseConfig
from prefiq.sql.tables import Tables

count = 0
run = history.run

def counted(connection, text):
    global count
    if "prefiq_migration" not in text or text.startswith("INSERT"):
        count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(connection, text)

history.run = counted
parts = [ModulePart("shop", stem + "_shop.migrations")]
manager = ConnectionManager([DatabaseConfig(path=root / "database.sqlite")], Tables(Catalog([])))
with manager.schema_connection() as connection:
    print(len(apply(plan(parts, connection), connection)))
"""


@pytest.mark.slow
def test_killed_process_leaves_all_or_nothing(workshop: Workshop) -> None:
    """Killed before each of its statements in turn, a migration is there whole with its row, or not at all."""
    shop(workshop, {"code": (str, field(unique=True)), "name": str})
    for number in range(20):
        workshop.insert("shop_thing", code=f"c{number}", name="x")
    workshop.declare(
        "shop",
        model("Thing", {"code": (str, field(max_length=9, unique=True)), "size": (int, field(default=1))}),
    )
    workshop.make("shop")
    script = workshop.root / "killed.py"
    script.write_text(KILLED, encoding="utf-8")
    original = workshop.database.read_bytes()
    schema = workshop.rows("SELECT sql FROM sqlite_master WHERE tbl_name = 'shop_thing' ORDER BY name")
    kills = 0
    for at in range(1, 100):
        for suffix in ("-wal", "-shm"):
            Path(f"{workshop.database}{suffix}").unlink(missing_ok=True)
        workshop.database.write_bytes(original)
        ended = subprocess.run(
            [sys.executable, str(script), str(workshop.root), workshop.stem, str(at)],
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        kills += 1
        assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(1,)]
        now_there = workshop.rows("SELECT sql FROM sqlite_master WHERE tbl_name = 'shop_thing' ORDER BY name")
        assert now_there == schema
        assert workshop.rows("SELECT count(*) FROM shop_thing WHERE name = 'x'") == [(20,)]
    assert kills > 8
    assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(2,)]
    assert workshop.rows("SELECT count(*) FROM shop_thing WHERE size = 1") == [(20,)]
    assert drifted(workshop) == []


@pytest.mark.slow
def test_two_processes_at_once_apply_everything_once(workshop: Workshop) -> None:
    """Two deployers in processes of their own both end well, and each statement ran in one of them."""
    fields = dict(NAME)
    for number in range(6):
        fields[f"extra_{number}"] = (int, field(default=number))
        workshop.declare("shop", model("Thing", dict(fields)))
        workshop.make("shop")
    script = workshop.root / "deploy.py"
    script.write_text(KILLED, encoding="utf-8")
    command = [sys.executable, str(script), str(workshop.root), workshop.stem, "-1"]
    deployers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ended = [deployer.communicate(timeout=120) for deployer in deployers]
    assert [deployer.returncode for deployer in deployers] == [0, 0], ended
    assert workshop.rows("SELECT number FROM prefiq_migration ORDER BY number") == [(n,) for n in range(1, 7)]
    assert sum(int(applied) for applied, _ in ended) == 6
    assert drifted(workshop) == []


class TestDrift:
    @pytest.mark.parametrize(
        ("by_hand", "difference"),
        [
            ("ALTER TABLE shop_thing ADD COLUMN more TEXT", "column more was added"),
            ("DROP INDEX ix_shop_thing_name", "index ix_shop_thing_name is missing"),
            (
                "CREATE TRIGGER watch AFTER INSERT ON shop_thing BEGIN SELECT 1; END",
                "trigger watch was added",
            ),
            ("ALTER TABLE shop_thing RENAME COLUMN name TO title", "column name is missing"),
            ("DROP TABLE shop_thing", "it is missing"),
        ],
    )
    def test_change_by_hand_is_found(self, workshop: Workshop, by_hand: str, difference: str) -> None:
        """What somebody changed past the migrations is told table by table."""
        shop(workshop, {"name": (str, field(index=True))})
        assert drifted(workshop) == []
        workshop.rows(by_hand)
        found = drifted(workshop)
        assert len(found) == 1
        assert difference in found[0]

    @pytest.mark.parametrize(
        ("replacement", "difference"),
        [
            (("name TEXT NOT NULL", "name TEXT"), "column name is TEXT in place of TEXT NOT NULL"),
            (("name TEXT NOT NULL", "name TEXT NOT NULL CHECK (name <> '')"), "clause CHECK ( was added"),
            (("name TEXT NOT NULL", "name TEXT COLLATE NOCASE NOT NULL"), "clause COLLATE NOCASE was added"),
            (
                ("name TEXT NOT NULL", "name TEXT DEFAULT 'x' NOT NULL"),
                "TEXT NOT NULL DEFAULT 'x' in place of",
            ),
        ],
    )
    def test_other_table_under_the_name_is_found(
        self, workshop: Workshop, replacement: tuple[str, str], difference: str
    ) -> None:
        """Nullability, defaults, checks and collations count."""
        shop(workshop, NAME)
        (text,) = workshop.rows("SELECT sql FROM sqlite_master WHERE name = 'shop_thing'")[0]
        workshop.rows("DROP TABLE shop_thing")
        workshop.rows(text.replace(*replacement))
        assert difference in drifted(workshop)[0]


def test_printed_statements_are_the_ones_that_run(workshop: Workshop) -> None:
    """``--sql`` gives text that a person may run with SQLite's own shell, with the same result."""
    shop(workshop, NAME | {"code": (str, field(unique=True))})
    workshop.insert("shop_thing", name="a", code="c")
    workshop.declare(
        "shop", model("Thing", {"name": (str, field(max_length=9)), "size": (int, field(default=2))})
    )
    workshop.make("shop")
    with workshop.connect() as connection:
        text = sql(plan(workshop.parts, connection), "sqlite")
    assert "-- shop 0002_drop_uq_shop_thing_code_and_more (contract)" in text
    assert "-- must be 0, else name has more than 9 characters:" in text
    script = sqlite3.connect(workshop.database, isolation_level=None)
    script.executescript(text)
    script.close()
    assert workshop.rows("SELECT name, size FROM shop_thing") == [("a", 2)]
    assert workshop.migrate() == []
    assert drifted(workshop) == []


def test_printed_statements_make_a_new_database(workshop: Workshop) -> None:
    """They begin with the tables of the history, and references are not watched on the way."""
    shop(workshop, NAME | {"code": (str, field(unique=True))})
    workshop.declare("shop", model("Thing", {"name": (str, field(max_length=30))}))
    workshop.make("shop")
    workshop.database.unlink()
    script = sqlite3.connect(workshop.database, isolation_level=None)
    script.execute("PRAGMA foreign_keys = ON")
    script.executescript(sql(plan(workshop.parts), "sqlite"))
    script.close()
    assert workshop.rows("SELECT name FROM prefiq_migration ORDER BY number") == [
        ("0001_initial",),
        ("0002_drop_uq_shop_thing_code_and_more",),
    ]
    assert workshop.migrate() == []
    assert drifted(workshop) == []


def test_printed_statements_record_what_development_has(workshop: Workshop) -> None:
    """A database that followed the declarations is afterwards where the files lead, as ``apply`` leaves it."""
    shop(workshop, NAME)
    workshop.declare("shop", model("Thing", NAME | {"size": (int, field(default=2))}))
    with workshop.connect() as connection:
        migrate_from_declarations(workshop.parts, workshop.catalog, connection)
    workshop.make("shop")
    with workshop.connect() as connection:
        text = sql(plan(workshop.parts, connection), "sqlite")
    assert "recorded only" in text
    script = sqlite3.connect(workshop.database, isolation_level=None)
    script.executescript(text)
    script.close()
    assert workshop.rows("SELECT module FROM prefiq_development") == []
    assert workshop.migrate() == []
    assert drifted(workshop) == []


KINDS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "str": (str, {"max_length": 20}, "text"),
    "text": (str, {"text": True}, "long"),
    "int": (int, {}, 5),
    "bool": (bool, {}, True),
    "decimal": (Decimal, {"precision": 10, "scale": 2}, Decimal("1.25")),
    "float": (float, {}, 0.5),
    "date": (date, {}, date(2026, 1, 1)),
    "datetime": (datetime, {}, datetime(2026, 1, 1, tzinfo=UTC)),
    "uuid": (UUID, {}, UUID(int=9)),
    "json": (dict[str, Any], {}, {"a": [1]}),
}
"""Annotation, options and a value of each kind."""


@dataclasses.dataclass
class Wish:
    """A field as a person might change it."""

    kind: str
    nullable: bool = False
    indexed: bool = False
    long: bool = False

    @property
    def declared(self) -> tuple[Any, Any]:
        annotation, options, value = KINDS[self.kind]
        options = dict(options)
        if self.long and self.kind == "str":
            options["max_length"] = 40
        if self.long and self.kind == "decimal":
            options |= {"precision": 13, "scale": 4}
        if self.indexed and self.kind not in {"text", "json"}:
            options["index"] = True
        default = {"default_factory": lambda: value} if isinstance(value, dict) else {"default": value}
        return (annotation | None if self.nullable else annotation), field(**options, **default)


class Story:
    """Models that change at random, step by step."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.models: dict[str, dict[str, Wish]] = {"Alpha": {"one": Wish("str")}}
        self.soft: set[str] = set()
        self.references: set[str] = set()
        self.renames: dict[str, str] = {}
        self.numbers = itertools.count()

    def change(self) -> None:
        self.renames = {}
        for _ in range(self.draw(st.integers(1, 3))):
            getattr(self, self.draw(st.sampled_from(
                ["add", "drop", "rename", "alter", "soften", "refer", "add_model", "drop_model", "rename_model"]
            )))()  # fmt: skip

    def pick(self) -> str:
        return self.draw(st.sampled_from(sorted(self.models)))

    def wish(self) -> Wish:
        return Wish(self.draw(st.sampled_from(sorted(KINDS))), *(self.draw(st.booleans()) for _ in range(3)))

    def add(self) -> None:
        self.models[self.pick()][f"field_{next(self.numbers)}"] = self.wish()

    def drop(self) -> None:
        fields = self.models[self.pick()]
        if len(fields) > 1:
            fields.pop(self.draw(st.sampled_from(sorted(fields))))

    def rename(self) -> None:
        name = self.pick()
        fields = self.models[name]
        old, new = self.draw(st.sampled_from(sorted(fields))), f"field_{next(self.numbers)}"
        fields[new] = fields.pop(old)
        self.renames[f"{name}.{old}"] = new

    def alter(self) -> None:
        fields = self.models[self.pick()]
        name = self.draw(st.sampled_from(sorted(fields)))
        fields[name] = dataclasses.replace(
            fields[name], **{self.draw(st.sampled_from(["nullable", "indexed"])): self.draw(st.booleans())}
        )
        if self.draw(st.booleans()):
            fields[name].long = True

    def soften(self) -> None:
        self.soft ^= {self.pick()}

    def refer(self) -> None:
        self.references ^= {self.pick()}

    def add_model(self) -> None:
        self.models[f"Model{next(self.numbers)}"] = {"start": self.wish()}

    def drop_model(self) -> None:
        if len(self.models) > 1:
            name = self.pick()
            del self.models[name]
            self.soft.discard(name)
            self.references.discard(name)

    def rename_model(self) -> None:
        old, new = self.pick(), f"Model{next(self.numbers)}"
        self.models[new] = self.models.pop(old)
        for names in (self.soft, self.references):
            if old in names:
                names.remove(old)
                names.add(new)
        self.renames[old] = new

    def declare(self) -> list[type]:
        first = min(self.models)
        return [
            model(
                name,
                {key: wish.declared for key, wish in fields.items()}
                | (
                    {"friend_id": (UUID | None, ref(f"shop.{first}", default=None))}
                    if name in self.references
                    else {}
                ),
                ModelMeta(soft_delete=name in self.soft),
            )
            for name, fields in self.models.items()
        ]


class Either:
    """Takes the story's word for what was renamed; a rename that was undone or dropped is none."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def __call__(self, renamed: Any) -> bool:
        new = self.story.renames.get(renamed.old) if "." not in renamed.model else None
        pairs = {(old.partition(".")[2], name) for old, name in self.story.renames.items() if "." in old}
        return new == renamed.new or (renamed.old, renamed.new) in pairs


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_stepwise_and_fresh_databases_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    """Whatever the models go through, the migrated tables are those of a new database, and rows are kept."""
    root = tmp_path_factory.mktemp("story")
    sys.path.insert(0, str(root))
    try:
        workshop = Workshop(root)
        story = Story(data.draw)
        counts: dict[str, int] = {}
        for _ in range(data.draw(st.integers(2, 5))):
            workshop.declare("shop", *story.declare())
            workshop.make("shop", renames=Either(story))
            workshop.migrate()
            assert drifted(workshop) == []
            assert workshop.make("shop") == []
            tables = {model.name: model.table for model in schema_of(workshop.catalog)}
            for name, table in tables.items():
                kept = counts.get(
                    name, counts.get(next((o for o, n in story.renames.items() if n == name), ""), 0)
                )
                assert workshop.rows(f"SELECT count(*) FROM {table}") == [(kept,)]
            counts = {}
            with workshop.connect() as connection:
                for name, table in tables_of(schema_of(workshop.catalog)).items():
                    row = {
                        key: KINDS[wish.kind][2] for key, wish in story.models[name_of(tables, name)].items()
                    }
                    row |= {"tenant_id": "acme", "id": uuid7(), "version": 1}
                    connection.execute(table.insert().values(**row))
                    counts[name_of(tables, name)] = (
                        connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                    )
                connection.commit()
            story.change()
    finally:
        sys.path.remove(str(root))


def name_of(tables: dict[str, str], table: str) -> str:
    return next(name for name, found in tables.items() if found == table)
