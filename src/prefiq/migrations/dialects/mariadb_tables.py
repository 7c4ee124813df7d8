"""A table as MariaDB keeps it, and the ALTER TABLE that leads from one such table to another.

InnoDB needs an index for each reference and makes one where there is none; here it is said, so that a table that
was migrated has the same indexes as one that was made at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect

from prefiq.migrations.snapshot import FieldState, ModelState
from prefiq.migrations.tables import RULES, type_of
from prefiq.sql.dialects.mariadb_types import CHARSET, COLLATION
from prefiq.sql.tables import short_name

__all__ = [
    "DIALECT",
    "TABLE_OPTIONS",
    "Index",
    "Physical",
    "alter",
    "create",
    "definition",
    "physical",
    "quoted",
    "reference_name",
]

TABLE_OPTIONS = f"ENGINE=InnoDB DEFAULT CHARSET={CHARSET} COLLATE={COLLATION}"


def _dialect() -> sa.Dialect:
    made: Any = MariaDBDialect
    # Named parameters, so that no percent sign is doubled.
    dialect: sa.Dialect = made(paramstyle="named")
    return dialect


DIALECT = _dialect()


def quoted(name: str) -> str:
    """A name, quoted where MariaDB's words or signs make it necessary."""
    return str(DIALECT.identifier_preparer.quote(name))


@dataclass(frozen=True, slots=True)
class Index:
    """An index.

    Args:
        columns: In order.
        unique: Whether rows may not agree in all of them.
    """

    columns: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key.

    Args:
        columns: Of this table, in order.
        table: The other table.
        to: Of the other table.
        rule: What deleting there does here; empty where it is refused.
    """

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class Physical:
    """A table as MariaDB keeps it.

    Args:
        table: Its name.
        columns: Name → definition.
        key: The primary key.
        indexes: Name → index, those of references included.
        references: Name → foreign key.
    """

    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: Mapping[str, Index]
    references: Mapping[str, Reference]


def physical(model: ModelState) -> Physical:
    """The table of a model."""
    indexes = {
        short_name(index.name): Index(tuple(index.fields), index.unique)
        for index in sorted(model.indexes, key=lambda index: index.name)
    }
    references: dict[str, Reference] = {}
    for field in model.fields:
        ref = field.ref
        if ref is None:
            continue
        prefix = () if ref.shared else ("tenant_id",)
        name, own = reference_name(model.table, field.name), (*prefix, field.name)
        references[name] = Reference(own, ref.table, (*prefix, "id"), RULES[ref.on_delete] or "")
        served = (model.key, *(index.columns for index in indexes.values()))
        if not any(has[: len(own)] == own for has in served):
            indexes[name] = Index(own)
    columns = {field.name: definition(field) for field in model.fields}
    return Physical(model.table, columns, model.key, indexes, references)


def definition(field: FieldState, *, nullable: bool | None = None) -> str:
    """A column's type, and whether it may be NULL.

    Args:
        field: The column.
        nullable: Where it is on its way, in place of what the field says.
    """
    compiler: Any = DIALECT.type_compiler_instance
    type_ = compiler.process(type_of(field).load_dialect_impl(DIALECT))
    return f"{type_} {'NULL' if (field.nullable if nullable is None else nullable) else 'NOT NULL'}"


def reference_name(table: str, column: str) -> str:
    """Name of the foreign key of a column, and of the index that serves it where no other does."""
    return short_name(f"fk_{table}_{column}")


def create(table: Physical, *, temporary: bool = False) -> str:
    """CREATE TABLE; a temporary one has no references."""
    parts = [f"{quoted(name)} {text}" for name, text in table.columns.items()]
    parts.append(f"PRIMARY KEY {_columns(table.key)}")
    parts += [_index(name, index) for name, index in table.indexes.items()]
    if not temporary:
        parts += [_reference(name, reference) for name, reference in table.references.items()]
    kind = "TEMPORARY TABLE" if temporary else "TABLE"
    return f"CREATE {kind} {quoted(table.table)} (\n\t" + ",\n\t".join(parts) + f"\n) {TABLE_OPTIONS}"


def alter(before: Physical, after: Physical, renamed: Mapping[str, str] | None = None) -> list[str]:
    """The statements that make one table of another; more than one only where MariaDB needs it.

    Args:
        before: As it is; its name is that of ``after``.
        after: As it shall be.
        renamed: Old name → new name of columns.
    """
    first: list[str] = []
    clauses: list[str] = []
    names = renamed or {}
    for name, reference in before.references.items():
        if after.references.get(name) == _followed(reference, names):
            continue
        # A key that is dropped and made under one name in one statement is refused as a double.
        (first if name in after.references else clauses).append(f"DROP FOREIGN KEY {quoted(name)}")
    clauses += _changed_columns(before, after, names)
    clauses += _changed_indexes(before, after, names)
    for name, reference in after.references.items():
        kept = before.references.get(name)
        if kept is None or _followed(kept, names) != reference:
            clauses.append(f"ADD {_reference(name, reference)}")
    return [f"ALTER TABLE {quoted(after.table)} {', '.join(part)}" for part in (first, clauses) if part]


def _changed_columns(before: Physical, after: Physical, names: Mapping[str, str]) -> Iterator[str]:
    kept = {names.get(name, name) for name in before.columns}
    for name, text in before.columns.items():
        column = names.get(name, name)
        if column not in after.columns:
            yield f"DROP COLUMN {quoted(name)}"
            continue
        if column != name:
            yield f"RENAME COLUMN {quoted(name)} TO {quoted(column)}"
        if after.columns[column] != text:
            yield f"MODIFY COLUMN {quoted(column)} {after.columns[column]}"
    for name, text in after.columns.items():
        if name not in kept:
            yield f"ADD COLUMN {quoted(name)} {text}"


def _changed_indexes(before: Physical, after: Physical, names: Mapping[str, str]) -> Iterator[str]:
    present = {
        name: Index(tuple(names.get(column, column) for column in index.columns), index.unique)
        for name, index in before.indexes.items()
    }
    gone = {name: index for name, index in present.items() if after.indexes.get(name) != index}
    come = {name: index for name, index in after.indexes.items() if present.get(name) != index}
    for name, index in list(come.items()):
        same = next((old for old, had in gone.items() if had == index and old not in after.indexes), None)
        if (
            same is not None and name not in present
        ):  # for example the one of a reference, when one is declared
            del gone[same], come[name]
            yield f"RENAME INDEX {quoted(same)} TO {quoted(name)}"
    for name in gone:
        yield f"DROP INDEX {quoted(name)}"
    for name, index in come.items():
        yield f"ADD {_index(name, index)}"


def _followed(reference: Reference, names: Mapping[str, str]) -> Reference:
    columns = tuple(names.get(column, column) for column in reference.columns)
    return Reference(columns, reference.table, reference.to, reference.rule)


def _index(name: str, index: Index) -> str:
    return f"{'UNIQUE INDEX' if index.unique else 'INDEX'} {quoted(name)} {_columns(index.columns)}"


def _reference(name: str, reference: Reference) -> str:
    rule = f" ON DELETE {reference.rule}" if reference.rule else ""
    return (
        f"CONSTRAINT {quoted(name)} FOREIGN KEY {_columns(reference.columns)} "
        f"REFERENCES {quoted(reference.table)} {_columns(reference.to)}{rule}"
    )


def _columns(names: tuple[str, ...]) -> str:
    return f"({', '.join(map(quoted, names))})"
