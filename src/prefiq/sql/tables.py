"""``Tables``: one SQLAlchemy table for every declared model and child; what migrations render as DDL.

Nothing is left to the server: no defaults, no triggers, no sequences.  Keys, unique indexes and foreign keys
of tenants' tables start with ``tenant_id``, in every tenancy mode, so that a reference cannot cross tenants.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from prefiq.lowcode import Catalog, DeclarationError, FieldSpec, ModelSpec
from prefiq.sql.types import FieldType, type_of

__all__ = ["EXTENSION", "LONGEST_NAME", "TENANT", "MakeIndex", "TableScope", "Tables", "short_name"]

LONGEST_NAME = 63
"""Bytes of a name: PostgreSQL cuts off the rest without a word, MariaDB refuses more than 64."""
TENANT = "tenant_id"
EXTENSION = "extension"
"""Key in the ``info`` of columns and indexes: the module whose extension brings them."""
TENANT_LENGTH = 63

TableScope = Literal["tenant", "shared"]


def short_name(name: str) -> str:
    """A name of an index or a constraint that every engine takes: a longer one ends in a checksum of itself."""
    if len(name) <= LONGEST_NAME:
        return name
    checksum = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}_{checksum}"


class MakeIndex(sa.schema.CreateIndex):
    """CREATE INDEX; in PostgreSQL with NULL in front, where queries have it on every engine."""

    inherit_cache = False


@compiles(MakeIndex, "postgresql")
def _make_index(element: MakeIndex, compiler: Any, **_: Any) -> str:
    index, quote = element.element, compiler.preparer
    columns = (
        quote.format_column(column) + (" NULLS FIRST" if column.nullable else "") for column in index.columns
    )
    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    name, table = quote.format_index(index), quote.format_table(index.table)
    return f"CREATE {kind} {name} ON {table} ({', '.join(columns)})"


class Tables:
    """The tables of a catalog, by model, class and name; one for an application.

    Args:
        catalog: The declared models.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.metadata = sa.MetaData()
        self._by_class: dict[type, sa.Table] = {}
        self._scopes: dict[str, TableScope] = {}
        self._added: dict[str, sa.Table] = {}
        self._specs: dict[str, ModelSpec] = {}
        self._referrers: dict[str, list[tuple[ModelSpec, FieldSpec]]] = {}
        self.plans: dict[Any, Any] = {}
        """Compiled plans by what they serve; filled when first used."""
        self.lock = threading.Lock()
        for spec in catalog:
            self._add_model(spec, spec.scope, parent=None)
            for child in spec.children:
                self._add_model(child.model, spec.scope, parent=spec)

    def __getitem__(self, model: ModelSpec | type | str) -> sa.Table:
        """The table of a specification, a class or a qualified name (of a child, by its class).

        Raises:
            prefiq.lowcode.DeclarationError: The model belongs to no listed module.
        """
        cls = model.cls if isinstance(model, ModelSpec) else model
        if isinstance(cls, str):
            cls = self.catalog[cls].cls
        table = self._by_class.get(cls)
        if table is None:
            raise DeclarationError(
                f"{cls.__name__} belongs to no listed module",
                fix="add it to its provider's models and list its module in APPS",
            )
        return table

    def __iter__(self) -> Iterator[sa.Table]:
        return iter(self.metadata.tables.values())

    def add(self, table: sa.Table, scope: TableScope) -> sa.Table:
        """Make a table that no model declares known to the statement door, for example one of history.

        Args:
            table: Of any metadata; a tenant's table has a column ``tenant_id`` that its keys start with.
            scope: Whose rows it holds.
        """
        if scope == "tenant" and TENANT not in table.c:
            raise DeclarationError(
                f"the table {table.name} has no {TENANT}", fix=f"add {TENANT}, first in its key"
            )
        self._scopes[_folded(table.name)] = scope
        self._added[table.name] = table
        return table

    def scope_of(self, name: str) -> TableScope | None:
        """Whose rows a table holds, by its name in any case; None where it is not known."""
        return self._scopes.get(_folded(name))

    def spec_of(self, name: str) -> ModelSpec | None:
        """The model or child that a table belongs to."""
        return self._specs.get(_folded(name))

    def names(self, scope: TableScope) -> frozenset[str]:
        """Names of all tables of a scope, folded to one case."""
        return frozenset(name for name, held in self._scopes.items() if held == scope)

    def columns(self, scope: TableScope) -> tuple[frozenset[str], frozenset[str]]:
        """Names of all tables of a scope and of their columns, as they were made."""
        known = {**{table.name: table for table in self}, **self._added}
        tables = [table for name, table in known.items() if self.scope_of(name) == scope]
        columns = frozenset(column.name for table in tables for column in table.c)
        return frozenset(table.name for table in tables), columns

    def referrers(self, model: ModelSpec) -> tuple[tuple[ModelSpec, FieldSpec], ...]:
        """Every model (or child) and its field that refers to this one."""
        return tuple(self._referrers.get(model.qualified, ()))

    def create_all(self, connection: sa.Connection) -> None:
        """Make every table, for tests and scratch databases; an application migrates."""
        later: list[sa.ForeignKeyConstraint] = []
        for table, references in self._in_order(referring=connection.dialect.supports_alter):
            if table is None:  # what closes a circle of references
                later = references or []
                continue
            connection.execute(sa.schema.CreateTable(table, include_foreign_key_constraints=references))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(MakeIndex(index))
        for reference in later:
            connection.execute(sa.schema.AddConstraint(reference))

    def _in_order(
        self, *, referring: bool
    ) -> Iterator[tuple[sa.Table | None, list[sa.ForeignKeyConstraint] | None]]:
        """Tables with the references that they can be made with; SQLite lets them refer to what is yet to come."""
        if not referring:
            yield from ((table, None) for table in self)
            return
        schema: Any = sa.schema  # untyped there
        for table, references in schema.sort_tables_and_constraints(list(self)):
            yield table, list(references)

    def _add_model(self, spec: ModelSpec, scope: TableScope, parent: ModelSpec | None) -> None:
        prefix = (TENANT,) if scope == "tenant" else ()
        columns: list[sa.Column[Any]] = []
        if prefix:
            columns.append(sa.Column(TENANT, FieldType("str", length=TENANT_LENGTH), nullable=False))
        columns.append(sa.Column("id", FieldType("uuid"), nullable=False))
        if parent is None:
            columns.append(sa.Column("version", FieldType("int"), nullable=False))
        else:
            columns.append(sa.Column(spec.parent_column, FieldType("uuid"), nullable=False))
            columns.append(sa.Column("position", FieldType("int"), nullable=False))
        columns.extend(
            sa.Column(f.column, type_of(f.stored), nullable=f.column_nullable, info=_info(f))
            for f in spec.all_fields
        )
        if spec.soft_delete and parent is None:
            columns.append(sa.Column("deleted_at", FieldType("datetime"), nullable=True))
        table = sa.Table(
            spec.table,
            self.metadata,
            *columns,
            sa.PrimaryKeyConstraint(*prefix, "id", name=f"pk_{spec.table}"),
        )
        for index in spec.all_indexes:
            kind = "uq" if index.unique else "ix"
            name = short_name(f"{kind}_{spec.table}_{index.name}")
            fields = [spec.field(name) for name in index.fields]
            indexed = (table.c[column] for column in (*prefix, *(f.column for f in fields)))
            sa.Index(name, *indexed, unique=index.unique, info=_info(fields[0]))
        for field in spec.all_fields:
            self._add_reference(spec, field, table, prefix)
        if parent is not None:
            self._add_parent(spec, parent, table, prefix)
        self._by_class[spec.cls] = table
        self._scopes[_folded(spec.table)] = scope
        self._specs[_folded(spec.table)] = spec

    def _add_reference(
        self, spec: ModelSpec, field: FieldSpec, table: sa.Table, prefix: tuple[str, ...]
    ) -> None:
        target = self.catalog.get(field.ref.model) if field.ref is not None and field.ref.model else None
        if target is None or field.ref is None:
            return
        self._referrers.setdefault(target.qualified, []).append((spec, field))
        on_delete = "CASCADE" if field.ref.on_delete == "cascade" else None
        if target.scope == "shared":
            prefix = ()
        table.append_constraint(
            sa.ForeignKeyConstraint(
                (*prefix, field.column),
                [f"{target.table}.{column}" for column in (*prefix, "id")],
                name=short_name(f"fk_{spec.table}_{field.column}"),
                ondelete=on_delete,
            )
        )

    def _add_parent(
        self, spec: ModelSpec, parent: ModelSpec, table: sa.Table, prefix: tuple[str, ...]
    ) -> None:
        columns = (*prefix, spec.parent_column)
        table.append_constraint(
            sa.ForeignKeyConstraint(
                columns,
                [f"{parent.table}.{column}" for column in (*prefix, "id")],
                name=short_name(f"fk_{spec.table}_{spec.parent_column}"),
                ondelete="CASCADE",
            )
        )
        name = short_name(f"ix_{spec.table}_{spec.parent_column}")
        sa.Index(name, *(table.c[column] for column in (*columns, "position")))


def _info(field: FieldSpec) -> dict[str, str]:
    """What tells a part of the table that another module's extension brings."""
    return {} if field.owner is None else {EXTENSION: field.name.partition(".")[0]}


def _folded(name: str) -> str:
    # SQLite and MariaDB do not tell tables apart by case; to take them as the same is the safe side everywhere.
    return name.casefold()
