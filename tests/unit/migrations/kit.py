"""Modules that exist for one test: a package on the import path, models made on the spot, a SQLite file."""

from __future__ import annotations

import itertools
import sqlite3
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Catalog, ModelMeta, uuid7
from prefiq.migrations import Done, ModulePart, apply, make, plan
from prefiq.sql.connection_manager import ConnectionManager, DatabaseConfig
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
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stem = f"prefiq_test_{next(_numbers)}"
        self.models: dict[str, list[type]] = {}
        self.extensions: dict[str, list[type]] = {}
        self.database = root / "database.sqlite"

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
        manager = ConnectionManager(
            [DatabaseConfig(path=self.database, busy_timeout=0.2)], Tables(self.catalog)
        )
        try:
            with manager.schema_connection() as connection:
                yield connection
        finally:
            manager.close()

    def migrate(self, **options: Any) -> list[Done]:
        with self.connect() as connection:
            return apply(plan(self.parts, connection), connection, **options)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL on the database's file, in a connection of its own."""
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                connection.execute("PRAGMA foreign_keys = ON")
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def insert(self, table: str, tenant: str = "acme", **values: Any) -> UUID:
        """A row in driver values, with key and version."""
        id = values.pop("id", uuid7())
        row = {"tenant_id": tenant, "id": id.bytes, "version": 1} | values
        if tenant == "":
            del row["tenant_id"]
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        self.rows(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', *row.values())
        return id
