"""A shop on PostgreSQL behind its wall: the tables belong to one role, another one serves, a third reads across."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests import servers
from tests.engines.postgres.shop import MODELS, Owner, Shop, Thing
from tests.servers import Database

from prefiq.contracts import Bound
from prefiq.foundation.entity import Entity
from prefiq.lowcode import Catalog, ModelMeta, field
from prefiq.migrations import Walls, schema_of
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.walls import raise_walls
from prefiq.sql import ConnectionManager, Tables

__all__ = ["ACME", "OTHER", "Currency", "Owner", "Thing", "WalledShop", "walled_shop"]

ACME, OTHER = Bound("acme"), Bound("acme-")
"""Two tenants whose keys look alike."""
_numbers = itertools.count()


class Currency(Entity):
    """What all tenants share."""

    code: str = field(max_length=3, unique=True)

    meta = ModelMeta(scope="shared")


class WalledShop(Shop):
    """One database with walls; it is used as the role that serves.

    Args:
        database: As the one who may do everything.
        stem: What the names of its roles begin with.
        options: For ``DatabaseConfig``.
    """

    def __init__(self, database: Database, stem: str, **options: Any) -> None:
        self.everything = database
        self.owner, self.serving, self.across = (f"{stem}_{name}" for name in ("owner", "serving", "across"))
        self.database = replace(database, user=self.serving, password="")
        self.tables = Tables(Catalog.build({"shop": (*MODELS, Currency)}))
        self.owning = ConnectionManager([database.config(user=self.owner)], self.tables)
        self.manager = self.connect_as(self.serving, **options)

    def connect_as(self, role: str, **options: Any) -> ConnectionManager:
        return ConnectionManager(
            [replace(self.database, user=role).config(**options)],
            self.tables,
        )

    def do(self, sql: str, *values: Any, user: str = "") -> list[tuple[Any, ...]]:
        """Run SQL of the driver, as the one who may do everything unless a role is named."""
        with replace(self.everything, user=user or self.everything.user).connect() as connection:
            cursor = connection.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def create(self) -> WalledShop:
        for role in (self.owner, self.serving, self.across):
            self.do(f"CREATE ROLE {role} LOGIN")
        self.do(f"REVOKE TEMPORARY ON DATABASE {self.everything.name} FROM PUBLIC")
        self.do(f"GRANT USAGE, CREATE ON SCHEMA public TO {self.owner}")
        self.do(f"GRANT USAGE ON SCHEMA public TO {self.serving}, {self.across}")
        with self.owning.schema_connection() as connection:
            self.tables.create_all(connection)
        self.wall()
        self.do(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {self.serving}")
        self.do(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {self.across}")
        return self

    def wall(self) -> None:
        """Raise what walls are missing."""
        with self.owning.schema_connection() as connection, connection.begin():
            schema = schema_of(self.tables.catalog)
            raise_walls(renderer_for("postgres"), connection, schema, Walls(self.across))

    def drop(self) -> None:
        self.manager.close()
        for role in (self.serving, self.across, self.owner):
            self.do(f"DROP OWNED BY {role} CASCADE")
            self.do(f"DROP ROLE {role}")


@contextmanager
def walled_shop(mode: str = "sync", **options: Any) -> Iterator[WalledShop]:
    """A shop with nothing in it, gone afterwards with its roles."""
    with servers.database("postgres", mode, reuse=False) as at:
        shop = WalledShop(at, f"prefiq_test_{os.getpid()}_{next(_numbers)}", **options)
        try:
            yield shop.create()
        finally:
            shop.drop()
