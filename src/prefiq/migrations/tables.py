"""Between declared tables, frozen schemas and SQLAlchemy's tables.

Column types come from ``prefiq.sql.types`` on both ways, so that a migrated table is the declared one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal, cast

import sqlalchemy as sa

from prefiq.lowcode import Catalog, Kind, ModelSpec
from prefiq.migrations.snapshot import FieldState, IndexState, ModelState, RefState, Schema, StateKind
from prefiq.sql.tables import EXTENSION, Tables, short_name
from prefiq.sql.types import FieldType

__all__ = ["RULES", "schema_of", "table_of", "tables_of", "type_of"]

_ON_DELETE: dict[str | None, Literal["restrict", "cascade", "set_null"]] = {
    None: "restrict",
    "CASCADE": "cascade",
    "SET NULL": "set_null",
}
RULES = {rule: words for words, rule in _ON_DELETE.items()}
"""What a foreign key says of deleting; None where it says nothing, which refuses."""


def schema_of(declared: Tables | Catalog) -> Schema:
    """The schema that declarations ask for.

    Args:
        declared: The models of all listed modules, or their tables.
    """
    tables = declared if isinstance(declared, Tables) else Tables(declared)
    models: list[ModelState] = []
    for table in tables:
        spec = tables.spec_of(table.name)
        if spec is not None:
            models.append(_model(table, spec.module, spec.name, tables))
            models.extend(_parts(table, spec, tables))
    return Schema(tuple(models))


def tables_of(schema: Schema) -> dict[str, sa.Table]:
    """SQLAlchemy's tables of a schema, by name; references between them are constraints."""
    metadata = sa.MetaData()
    for model in schema.tables:
        table_of(model, metadata)
    for model in schema.tables:
        for field in model.fields:
            # A module that is no longer listed is not part of the schema; its table is still there.
            if field.ref is not None and field.ref.table not in metadata.tables:
                _stand_in(field.ref, metadata)
    return dict(metadata.tables)


def table_of(model: ModelState, metadata: sa.MetaData) -> sa.Table:
    """The table of one model."""
    columns: list[sa.Column[Any]] = [
        sa.Column(field.name, type_of(field), nullable=field.nullable) for field in model.fields
    ]
    table = sa.Table(
        model.table, metadata, *columns, sa.PrimaryKeyConstraint(*model.key, name=f"pk_{model.table}")
    )
    for field in model.fields:
        if field.ref is not None:
            prefix = () if field.ref.shared else ("tenant_id",)
            table.append_constraint(
                sa.ForeignKeyConstraint(
                    (*prefix, field.name),
                    [f"{field.ref.table}.{column}" for column in (*prefix, "id")],
                    name=short_name(f"fk_{model.table}_{field.name}"),
                    ondelete=RULES[field.ref.on_delete],
                )
            )
    for index in model.indexes:
        sa.Index(index.name, *(table.c[name] for name in index.fields), unique=index.unique)
    return table


def type_of(field: FieldState) -> FieldType:
    """The column type of a field."""
    if field.kind == "enum":
        values: Any = _choices(field.values)
        return FieldType("enum", length=max(map(len, field.values)), enum=values)
    return FieldType(
        cast("Kind", field.kind), length=field.max_length, precision=field.precision, scale=field.scale
    )


def _choices(values: tuple[str, ...]) -> Any:
    members = [(f"value_{place}", value) for place, value in enumerate(values)]
    return StrEnum("Values", members)


def _stand_in(ref: RefState, metadata: sa.MetaData) -> None:
    key = ("id",) if ref.shared else ("tenant_id", "id")
    columns: list[sa.Column[Any]] = [
        sa.Column(name, FieldType("uuid" if name == "id" else "str")) for name in key
    ]
    sa.Table(ref.table, metadata, *columns)


def _parts(table: sa.Table, spec: ModelSpec, tables: Tables) -> Iterator[ModelState]:
    """What extensions add to a table, each part owned by its module."""
    for module in dict.fromkeys(c.info[EXTENSION] for c in table.columns if EXTENSION in c.info):
        part = _model(table, module, spec.qualified, tables, extension=module)
        # Whether the table is shared is the base's to say.
        yield dataclasses.replace(part, shared=False)


def _model(table: sa.Table, module: str, name: str, tables: Tables, *, extension: str = "") -> ModelState:
    references = {
        constraint.columns.keys()[-1]: _reference(constraint, tables)
        for constraint in table.foreign_key_constraints
    }
    return ModelState(
        module,
        name,
        table.name,
        tuple(
            _field(column, references.get(column.name))
            for column in table.columns
            if column.info.get(EXTENSION, "") == extension
        ),
        tuple(
            sorted(
                (
                    IndexState(
                        str(index.name), tuple(column.name for column in index.columns), bool(index.unique)
                    )
                    for index in table.indexes
                    if index.info.get(EXTENSION, "") == extension
                ),
                key=lambda index: index.name,
            )
        ),
        shared=list(table.primary_key.columns.keys()) == ["id"],
    )


def _field(column: sa.Column[Any], ref: RefState | None) -> FieldState:
    type_ = cast("FieldType", column.type)
    is_enum = type_.kind == "enum"
    return FieldState(
        column.name,
        cast("StateKind", type_.kind),
        nullable=bool(column.nullable),
        max_length=None if is_enum else type_.length,
        precision=type_.precision,
        scale=type_.scale,
        values=tuple(str(member) for member in type_.enum) if is_enum else (),
        ref=ref,
    )


def _reference(constraint: sa.ForeignKeyConstraint, tables: Tables) -> RefState:
    target = constraint.referred_table
    spec = tables.spec_of(target.name)
    return RefState(
        spec.qualified if spec is not None else target.name,
        target.name,
        shared=len(constraint.elements) == 1,
        on_delete=_ON_DELETE[constraint.ondelete],
    )
