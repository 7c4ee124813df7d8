"""Frozen schemas make the same tables as declarations do."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from tests.unit.migrations.kit import child, model

from prefiq.lowcode import Catalog, ModelMeta, Status, children, field, index, ref, transition, unique
from prefiq.migrations import FieldState, IndexState, ModelState, RefState, Schema, schema_of
from prefiq.migrations.snapshot import from_text, to_text
from prefiq.migrations.tables import tables_of
from prefiq.sql.tables import Tables


class Stage(Status):
    DRAFT = "draft"
    DONE = "done"


def catalog() -> Catalog:
    line = child("Line", {"title": str})
    unit = model("Unit", {"code": (str, field(max_length=8, unique=True))}, ModelMeta(scope="shared"))
    thing = model(
        "Thing",
        {
            "code": (str, field(max_length=32, unique=True)),
            "notes": (str | None, field(text=True, default=None)),
            "amount": (int, field(index=True)),
            "active": bool,
            "price": (Decimal, field(precision=12, scale=2)),
            "weight": (float | None, field(default=None)),
            "day": date,
            "at": datetime,
            "token": UUID,
            "stage": (Stage, field(default=Stage.DRAFT)),
            "data": (dict[str, Any], field(default_factory=dict)),
            "unit_id": (UUID | None, ref(unit, default=None)),
            "parent_id": (UUID | None, ref("shop.Thing", default=None, on_delete="cascade")),
            "lines": (list[line], children(line)),  # type: ignore[valid-type]
        },
        ModelMeta(soft_delete=True, indexes=(index("day", "amount"), unique("token", "stage"))),
        actions={"finish": transition(Stage.DRAFT, to=Stage.DONE)},
    )
    return Catalog.build({"masters": [unit], "shop": [thing]})


def words(table: sa.Table) -> set[str]:
    """What DDL says of a table, part by part."""
    dialect = SQLiteDialect_pysqlite()
    create = str(sa.schema.CreateTable(table).compile(dialect=dialect))
    parts = {line.strip().rstrip(",").strip() for line in create.splitlines()}
    return parts | {str(sa.schema.CreateIndex(found).compile(dialect=dialect)) for found in table.indexes}


def test_tables_of_a_schema_are_the_declared_ones() -> None:
    """Every kind, reference, index and child: the way through the frozen state changes no word of the DDL."""
    declared = Tables(catalog())
    frozen = tables_of(schema_of(declared))
    assert frozen.keys() == {table.name for table in declared}
    for table in declared:
        assert words(frozen[table.name]) == words(table)


def test_tables_survive_the_snapshot() -> None:
    """The same holds for a schema that was written and read."""
    schema = schema_of(catalog())
    for module in ("masters", "shop"):
        part = schema.of_module(module)
        assert from_text(to_text(part), module).same_as(part)


def test_schema_says_what_reaches_the_database() -> None:
    """Columns of Prefiq's own, limits, choices, references and names of indexes; no labels or validators."""
    schema = schema_of(catalog())
    thing = schema.get("shop.Thing")
    assert thing is not None
    assert [column.name for column in thing.fields[:3]] == ["tenant_id", "id", "version"]
    assert thing.field("stage") == FieldState("stage", "enum", values=("draft", "done"))
    assert thing.field("unit_id") == FieldState(
        "unit_id",
        "uuid",
        nullable=True,
        ref=RefState("masters.Unit", "masters_unit", shared=True),
    )
    assert thing.field("deleted_at") == FieldState("deleted_at", "datetime", nullable=True)
    assert thing.index("uq_shop_thing_code") == IndexState(
        "uq_shop_thing_code", ("tenant_id", "code"), unique=True
    )
    unit = schema.get("masters.Unit")
    assert unit is not None
    assert unit.key == ("id",)


def test_table_of_an_unlisted_module_is_referred_to() -> None:
    """A reference to a table that is not part of the schema still makes a constraint."""
    lonely = ModelState(
        "shop",
        "Thing",
        "shop_thing",
        (
            FieldState("tenant_id", "str", max_length=63),
            FieldState("id", "uuid"),
            FieldState("unit_id", "uuid", ref=RefState("masters.Unit", "masters_unit")),
        ),
    )
    assert any(
        "REFERENCES masters_unit (tenant_id, id)" in part
        for part in words(tables_of(Schema((lonely,)))["shop_thing"])
    )
