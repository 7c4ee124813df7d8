"""``Tables``: one SQLAlchemy table for every declared model and child; what migrations render as DDL.

Nothing is left to the server: no defaults, no triggers, no sequences.  Keys, unique indexes and foreign keys
of tenants' tables start with ``tenant_id``, in every tenancy mode, so that a reference cannot cross tenants.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Literal

import sqlalchemy as sa

from prefiq.lowcode import Catalog, DeclarationError, FieldSpec, ModelSpec
from prefiq.sql.types import FieldType, type_of

__all__ = ["EXTENSION", "TENANT", "TableScope", "Tables"]

TENANT = "tenant_id"
EXTENSION = "extension"
"""Key in the ``info`` of columns and indexes: the module whose extension brings them."""
TENANT_LENGTH = 63

TableScope = Literal["tenant", "shared"]


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

    def referrers(self, model: ModelSpec) -> tuple[tuple[ModelSpec, FieldSpec], ...]:
        """Every model (or child) and its field that refers to this one."""
        return tuple(self._referrers.get(model.qualified, ()))

    def create_all(self, connection: sa.Connection) -> None:
        """Make every table, for tests and scratch databases; an application migrates."""
        for table in self.metadata.tables.values():
            connection.execute(sa.schema.CreateTable(table))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(sa.schema.CreateIndex(index))

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
            name = f"{kind}_{spec.table}_{index.name}"
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
                name=f"fk_{spec.table}_{field.column}",
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
                name=f"fk_{spec.table}_{spec.parent_column}",
                ondelete="CASCADE",
            )
        )
        sa.Index(f"ix_{spec.table}_{spec.parent_column}", *(table.c[c] for c in (*columns, "position")))


def _info(field: FieldSpec) -> dict[str, str]:
    """What tells a part of the table that another module's extension brings."""
    return {} if field.owner is None else {EXTENSION: field.name.partition(".")[0]}


def _folded(name: str) -> str:
    # SQLite and MariaDB do not tell tables apart by case; to take them as the same is the safe side everywhere.
    return name.casefold()
