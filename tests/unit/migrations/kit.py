"""Modules that exist for one test: a package on the import path, models made on the spot, and a database."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from tests.servers import Database

from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Catalog, ModelMeta, uuid7
from prefiq.migrations import Done, ModulePart, apply, drift, make, plan, schema_of
from prefiq.migrations.tables import tables_of
from prefiq.sql.connection_manager import ConnectionManager
from prefiq.sql.tables import Tables

_numbers = itertools.count()


def model(
    name: str,
    fields: Mapping[str, Any],
    meta: ModelMeta | None = None,
    base: type = Entity,
    actions: Mapping[str, Any] | None = None,
) -> type:
    """A model; a field is an annotation, or a pair of annotation and declaration."""

    def fill(namespace: dict[str, Any]) -> None:
        namespace["__module__"] = __name__
        namespace["__annotations__"] = {
            field: value[0] if isinstance(value, tuple) else value for field, value in fields.items()
        }
        namespace.update({field: value[1] for field, value in fields.items() if isinstance(value, tuple)})
        namespace.update(actions or {})
        if meta is not None:
            namespace["meta"] = meta

    return types.new_class(name, (base,), {}, fill)


def child(name: str, fields: Mapping[str, Any]) -> type:
    return model(name, fields, base=Child)


class Workshop:
    """Modules in packages of their own, in one folder that is on the import path, and a database.

    Args:
        root: An empty folder.
        at: The database; a file in that folder by default.
    """

    def __init__(self, root: Path, at: Database | None = None) -> None:
        self.root = root
        self.stem = f"prefiq_test_{next(_numbers)}"
        self.models: dict[str, list[type]] = {}
        self.extensions: dict[str, list[type]] = {}
        self.database = root / "database.sqlite"
        self.at = at or Database(engine="sqlite", path=self.database)

    @property
    def engine(self) -> str:
        """As in ``DB_ENGINE``."""
        return self.at.engine

    def package(self, module: str) -> str:
        return f"{self.stem}_{module}"

    def folder(self, module: str) -> Path:
        return self.root / self.package(module) / "migrations"

    def declare(self, module: str, *models: type) -> Catalog:
        """The module has these models from now on."""
        package = self.root / self.package(module)
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        self.models[module] = list(models)
        return self.catalog

    def extend(self, module: str, *extensions: type) -> Catalog:
        """The module adds this to others' models from now on."""
        self.extensions[module] = list(extensions)
        return self.catalog if module in self.models else self.declare(module)

    def unlist(self, module: str) -> None:
        """The module is no longer listed; its package stays."""
        del self.models[module]
        self.extensions.pop(module, None)

    @property
    def catalog(self) -> Catalog:
        return Catalog.build(self.models, self.extensions)

    @property
    def parts(self) -> list[ModulePart]:
        catalog = self.catalog
        return [
            ModulePart(module, f"{self.package(module)}.migrations", catalog.of_module(module))
            for module in self.models
        ]

    def make(self, module: str, **options: Any) -> list[Path]:
        return make(module, self.catalog, self.folder(module), modules=self.parts, **options)

    def write(self, module: str, file: str, text: str) -> Path:
        folder = self.folder(module)
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "__init__.py").touch()
        path = folder / file
        path.write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection as migrations use it."""
        manager = ConnectionManager([self.at.config(busy_timeout=0.2)], Tables(self.catalog))
        try:
            with manager.schema_connection() as connection:
                yield connection
        finally:
            manager.close()

    def migrate(self, **options: Any) -> list[Done]:
        with self.connect() as connection:
            return apply(plan(self.parts, connection), connection, **options)

    def drifted(self) -> list[str]:
        """Differences between the database and the declarations."""
        with self.connect() as connection:
            return [str(fault) for fault in drift(connection, schema_of(self.catalog))]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL of the driver, in a connection of its own that watches references."""
        connection = self.at.connect()
        try:
            cursor = connection.cursor()
            if self.engine == "sqlite":
                cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute(sql, values or (() if self.engine == "sqlite" else None))
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def insert(self, table: str, tenant: str = "acme", **values: Any) -> UUID:
        """A row in driver values of SQLite, with key and version."""
        id: UUID = values.pop("id", uuid7())
        row = {"tenant_id": tenant, "id": id.bytes, "version": 1} | values
        if tenant == "":
            del row["tenant_id"]
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        self.rows(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', *row.values())
        return id

    def put(self, table: str, tenant: str = "acme", **values: Any) -> UUID:
        """A row in Python's values, with key and version where the table has such."""
        id: UUID = values.pop("id", uuid7())
        with self.connect() as connection:
            into = self._table(connection, table)
            row = {"tenant_id": tenant, "id": id, "version": 1} | values
            connection.execute(sa.insert(into).values({k: v for k, v in row.items() if k in into.c}))
        return id

    def get(self, table: str, *columns: str) -> list[Any]:
        """The values of columns in Python's types, in the order of their keys; of one column not as tuples."""
        with self.connect() as connection:
            of = self._table(connection, table)
            found = connection.execute(sa.select(*(of.c[name] for name in columns)).order_by(of.c.id)).all()
        return [row[0] if len(columns) == 1 else tuple(row) for row in found]

    def delete(self, table: str) -> None:
        """All rows; references are watched."""
        with self.connect() as connection:
            connection.execute(sa.delete(self._table(connection, table)))

    def state(self) -> dict[str, dict[str, str]]:
        """What the database says of every table that it should have or has."""
        from prefiq.migrations.dialects import renderer_for

        with self.connect() as connection:
            renderer = renderer_for(self.engine)
            names = sa.inspect(connection).get_table_names()
            return {name: renderer.fingerprint(connection, name) for name in sorted(names)}

    def _table(self, connection: sa.Connection, name: str) -> sa.Table:
        return tables_of(plan(self.parts, connection, strict=False).present)[name]
