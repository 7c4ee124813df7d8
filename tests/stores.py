"""The places where entities can be kept, for tests that run on all of them: in memory, and six databases.

A place serves many tests with one schema; what one test wrote is deleted before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import sqlalchemy as sa
from tests import servers

from prefiq.contracts import Bound, Placement, Scope, Tenancy
from prefiq.foundation.repository_memory import MemoryStore, RepositoryMemory
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog
from prefiq.sql import ConnectionManager, DatabaseConfig, Executor, Tables

__all__ = ["APART", "DATABASES", "PLACES", "Place", "Places", "Store", "Tenant"]

DATABASES = tuple(f"{engine}-{mode}" for engine in servers.ENGINES for mode in servers.MODES)
"""``<engine>-<mode>``."""
PLACES = ("memory", *DATABASES)
APART = (
    *(f"{engine}-database-{mode}" for engine in servers.ENGINES for mode in servers.MODES),
    *(f"postgres-schema-{mode}" for mode in servers.MODES),
)
"""Where every tenant has a database or schema of its own: ``<engine>-<placement>-<mode>``."""

_numbers = count(1)

Store = Callable[[type], Any]
"""Model → its repository and the transactions of the same scope."""


class Tenant:
    """``ITenantContext`` of a scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @property
    def tenant(self) -> str:
        return self.scope.tenant

    @property
    def read_only(self) -> bool:
        tenancy = self.scope.tenancy
        return isinstance(tenancy, Bound) and tenancy.read_only

    @property
    def placement(self) -> Placement:
        return Placement()


def _resolve(scope: Scope, contract: Any) -> Any:
    raise AssertionError("the stores are built by hand")


class Place:
    """Where the entities of a catalog are kept.

    Args:
        tables: Of the catalog.
        connections: To the one database, or None for memory.
        raw: A connection of the plain driver to the same database, or None.
        is_single: Whether its tenants are placed as the one tenant of an installation.
    """

    def __init__(
        self,
        tables: Tables,
        connections: ConnectionManager | None = None,
        raw: Any = None,
        *,
        is_single: bool = False,
    ) -> None:
        self.is_single = is_single
        self.tables = tables
        self.connections = connections
        self.raw = raw
        self._memory = MemoryStore(tables.catalog)
        self._scopes: list[Scope] = []
        # What others refer to goes last.
        schema: Any = sa.schema
        in_order = [
            table for table, _ in schema.sort_tables_and_constraints(list(tables)) if table is not None
        ]
        quote = (
            connections.dialect() if connections else sa.engine.default.DefaultDialect()
        ).identifier_preparer
        self._emptying = [f"DELETE FROM {quote.format_table(table)}" for table in reversed(in_order)]

    @property
    def engine(self) -> str:
        """As in ``DB_ENGINE``; ``"memory"`` where there is none."""
        return self.connections.kind().name if self.connections is not None else "memory"

    def open(self, tenancy: Tenancy) -> Store:
        """A scope that ends with the test, and what stores its entities."""
        scope = Scope(tenancy, resolve=_resolve)
        self._scopes.append(scope)
        return self._store(scope)

    @contextmanager
    def opened(self, tenancy: Tenancy) -> Iterator[Store]:
        """The same, which ends with the block."""
        with Scope(tenancy, resolve=_resolve) as scope:
            yield self._store(scope)

    def _store(self, scope: Scope) -> Store:
        tenancy = scope.tenancy
        if self.is_single and isinstance(tenancy, Bound):
            tenancy = scope.tenancy = Bound(tenancy.tenant, Placement("single"))
        if self.connections is None:
            tenant, transactions = Tenant(scope), self._memory.transactions
            return lambda model: (RepositoryMemory.of(model)(tenant, self._memory), transactions)
        executor = Executor(self.connections, scope, self.tables)
        return lambda model: (RepositoryQuery.of(model)(executor, self.tables), executor)

    def empty(self) -> None:
        """End every scope, and delete every row."""
        while self._scopes:
            self._scopes.pop().close()
        self._memory = MemoryStore(self.tables.catalog)
        if self.raw is None:
            return
        cursor = self.raw.cursor()
        cursor.execute("BEGIN")
        for statement in self._emptying:
            cursor.execute(statement)
        cursor.execute("COMMIT")


class ApartPlace(Place):
    """A place where every tenant has a database or schema of its own, made when its first scope is opened.

    Args:
        tables: Of the catalog.
        connections: To the database of what is shared.
        raw: A connection of the plain driver to that one.
        make: Makes a tenant's place; gives its placement, and a connection of the plain driver.
    """

    def __init__(
        self,
        tables: Tables,
        connections: ConnectionManager,
        raw: Any,
        make: Callable[[], tuple[Placement, Any]],
    ) -> None:
        super().__init__(tables, connections, raw)
        self._own = connections
        self._make = make
        self._placements: dict[str, Placement] = {}
        self._raws: list[Any] = []

    def _store(self, scope: Scope) -> Store:
        tenancy = scope.tenancy
        if isinstance(tenancy, Bound):
            placement = self._placements.get(tenancy.tenant) or self._place(tenancy.tenant)
            scope.tenancy = Bound(tenancy.tenant, placement)
        return super()._store(scope)

    def _place(self, tenant: str) -> Placement:
        placement, raw = self._make()
        self._placements[tenant] = placement
        with self._own.schema_connection("default", placement) as connection:
            self.tables.create_all(connection)
        self._raws.append(raw())
        return placement

    def empty(self) -> None:
        """The same, of every tenant."""
        super().empty()
        for raw in self._raws:
            cursor = raw.cursor()
            cursor.execute("BEGIN")
            for statement in self._emptying:
                cursor.execute(statement)
            cursor.execute("COMMIT")


class Places:
    """The places of one catalog, each made when it is first asked for and kept for the whole run.

    Args:
        catalog: The models.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._made: dict[str, Place] = {}
        self._stack = ExitStack()

    @contextmanager
    def __call__(self, name: str) -> Iterator[Place]:
        """An empty place, for one test.

        Args:
            name: One of ``PLACES`` or ``APART``, or ``sqlite-memory`` or ``sqlite-single``.
        """
        place = self._made.get(name)
        if place is None:
            place = self._made[name] = self._make(name)
        try:
            yield place
        finally:
            place.empty()

    def close(self) -> None:
        """Leave no database and no connection behind."""
        self._made.clear()
        self._stack.close()

    def _make(self, name: str) -> Place:
        if name == "memory":
            return Place(Tables(self.catalog))
        engine, *apart, mode = name.split("-")
        tables = Tables(self.catalog)
        if mode == "memory":
            connections = ConnectionManager([DatabaseConfig()], tables)
            with connections.schema_connection() as connection:
                tables.create_all(connection)
            self._stack.callback(connections.close)
            raw = connections.engine().raw_connection()
            self._stack.callback(raw.close)
            return Place(tables, connections, raw)
        is_single = mode == "single"
        database = self._stack.enter_context(servers.database(engine, "sync" if is_single else mode))
        connections = ConnectionManager([database.config()], tables)
        with connections.schema_connection() as connection:
            tables.create_all(connection)
        self._stack.callback(connections.close)
        raw = database.connect()
        self._stack.callback(raw.close)
        if apart == ["schema"]:
            return ApartPlace(tables, connections, raw, lambda: self._tenants_schema(database))
        if apart:
            return ApartPlace(tables, connections, raw, lambda: self._tenants_database(database))
        return Place(tables, connections, raw, is_single=is_single)

    def _tenants_schema(self, inside: servers.Database) -> tuple[Placement, Any]:
        hint = f"t_{next(_numbers)}"
        with inside.connect() as connection:
            connection.execute(f"CREATE SCHEMA {hint}")

        def connect() -> Any:
            raw = inside.connect()
            self._stack.callback(raw.close)
            raw.execute(f"SET search_path = {hint}")
            return raw

        return Placement("schema", hint), connect

    def _tenants_database(self, beside: servers.Database) -> tuple[Placement, Any]:
        if beside.path is not None:
            hint = f"tenant_{next(_numbers)}"
            database = replace(beside, path=beside.path.parent / f"{hint}.db")
        else:
            database = self._stack.enter_context(servers.database(beside.engine))
            hint = database.name

        def connect() -> Any:
            raw = database.connect()
            self._stack.callback(raw.close)
            return raw

        return Placement("database", hint), connect
