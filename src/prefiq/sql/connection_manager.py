"""``ConnectionManager``: one SQLAlchemy engine for each named database, in driver autocommit.

In async mode there is one for each database and event loop: what a driver waits with belongs to its loop.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from prefiq.bridge import NoBridge, in_bridge
from prefiq.contracts import Placement
from prefiq.errors import PrefiqError
from prefiq.settings.secret import Secret
from prefiq.sql import scoped_compiler
from prefiq.sql.dialects.engine import DatabaseEngine, DatabaseLike, engine_for
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import ConnectionsExhausted, PlaceUnusable, ServerDatabaseMissing, UnknownDatabase
from prefiq.sql.faults import from_driver, located
from prefiq.sql.observing import Watch
from prefiq.sql.scoped_compiler import Placed
from prefiq.sql.tables import Tables
from prefiq.sql.tenant_places import tenant_database
from prefiq.sql.tenant_pools import TenantPools
from prefiq.sql.walls import WallMemory

__all__ = ["ConnectionManager", "DatabaseConfig"]

SESSION = "prefiq.session"
MOST_CONNECTIONS = 40
"""As ``DB_MAX_CONNECTIONS``: to tenants' databases, of one process."""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """One database in plain values; ``prefiq.settings.DatabaseSettings`` serves as well.

    Args:
        name: What the application calls it.
        engine: ``"sqlite"``, ``"postgres"`` or ``"mariadb"``.
        mode: ``"sync"`` or ``"async"``.
        path: SQLite: the file, or None for a database in memory.
        database: Servers: the database's name.
        host: Servers: the host; a path for a Unix socket.
        port: Servers: the port; 0 for the engine's own.
        user: Servers: the user; empty for the driver's own default.
        password: Servers: the user's password.
        tls: Servers: ``"disable"``, ``"prefer"``, ``"require"``, ``"verify-ca"`` or ``"verify-full"``.
        tls_ca: Servers: file of authorities.
        tls_cert: Servers: the client's certificate.
        tls_key: Servers: its key.
        connect_timeout: Servers: seconds that opening a connection may take.
        statement_timeout: Seconds that one statement may take; 0 for no end.
        pool_size: Connections that this process (in async mode: each event loop) holds at most.
        pool_timeout: Seconds that a unit of work waits for a connection.
        pool_warmup: Whether ``ConnectionManager.warm_up`` opens the pool's connections.
        busy_timeout: Seconds to wait for another writer.
        pooler: PostgreSQL: ``"transaction"`` where a pooler shares the server's connections.
        schema: PostgreSQL: the one schema in which a connection for migrations sees tables.
    """

    name: str = "default"
    engine: str = "sqlite"
    mode: str = "sync"
    path: Path | None = None
    database: str = ""
    host: str = "localhost"
    port: int = 0
    user: str = ""
    password: Secret | None = None
    tls: str = "prefer"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    connect_timeout: float = 5.0
    statement_timeout: float = 0.0
    pool_size: int = 5
    pool_timeout: float = 5.0
    pool_warmup: bool = False
    busy_timeout: float = 5.0
    pooler: str = "none"
    schema: str = ""


class ConnectionManager:
    """Opens connections to the named databases; one for an application, thread-safe.

    Nothing is opened before the first connection is asked for.

    Args:
        databases: Each with a name of its own.
        tables: Which tables belong to tenants.
        migrating: The default database as the user reaches it who migrates; None where that is the serving one.
        max_connections: To databases of tenants, of one process (in async mode: of one event loop) at most.
        tenant_key: What the passwords of tenants' own accounts are derived from; None where they have none.
        reading: The default database as the user reaches it who reads across tenants; None where that is the
            serving one.

    Raises:
        prefiq.sql.errors.EngineNotServed: There is no such engine.
        prefiq.sql.errors.DriverMissing: An engine's driver is not installed.
    """

    def __init__(
        self,
        databases: Iterable[DatabaseLike],
        tables: Tables,
        migrating: DatabaseLike | None = None,
        *,
        max_connections: int = MOST_CONNECTIONS,
        tenant_key: Secret | None = None,
        reading: DatabaseLike | None = None,
    ) -> None:
        self.tables = tables
        self.max_connections = max_connections
        """To databases of tenants, of one process."""
        self._tenant_key = tenant_key
        self._migrating = migrating
        self._lock = threading.Lock()
        self._databases: dict[str, DatabaseLike] = {database.name: database for database in databases}
        self._kinds = {
            name: engine_for(database.engine, database.mode) for name, database in self._databases.items()
        }
        self.asynchronous = frozenset(name for name, kind in self._kinds.items() if kind.mode == "async")
        """Names of the databases in async mode."""
        number = next(_numbers)
        self._keys = {name: f"prefiq-{number}-{name}" for name in self._databases}
        self._engines: dict[str, sa.Engine] = {}
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, sa.Engine]]
        self._loops = weakref.WeakKeyDictionary()
        self._dialects: dict[str, sa.Dialect] = {}
        self._tenants: dict[str, TenantPools] = {}
        self._tenant_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, TenantPools]]
        self._tenant_loops = weakref.WeakKeyDictionary()
        self.watch: Watch | None = None
        """Runs the statements of executors that are made from now on, and tells observers."""
        self._anchors: dict[str, Any] = {}
        self._reading = reading
        self._is_across = False
        self._across: ConnectionManager | None = None
        self.walls = WallMemory()
        """Where the databases themselves keep tenants apart."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all databases."""
        return tuple(self._databases)

    def database(self, name: str = "default") -> DatabaseLike:
        """What is configured under the name.

        Raises:
            UnknownDatabase: Nothing is.
        """
        try:
            return self._databases[name]
        except KeyError:
            raise UnknownDatabase(name, self.names) from None

    def kind(self, name: str = "default") -> DatabaseEngine:
        """How this database's engine stores, words and fails."""
        self.database(name)
        return self._kinds[name]

    def engine(self, name: str = "default") -> sa.Engine:
        """The scoped engine, in async mode that of the running loop; only ``Executor`` takes connections from it.

        Raises:
            prefiq.bridge.NoBridge: In async mode, where no loop runs.
        """
        engines = self._engines
        if self.kind(name).mode == "async":
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise NoBridge(f"ConnectionManager.engine({name!r})") from None
            engines = self._loops.get(loop) or self._loops.setdefault(loop, {})
        engine = engines.get(name)
        if engine is None:
            with self._lock:
                engine = engines.get(name)
                if engine is None:
                    engine = engines[name] = self._create(name)
                    self._anchor(name)
        return engine

    def dialect(self, name: str = "default") -> sa.Dialect:
        """The scoped dialect that plans are compiled with; the same everywhere."""
        if self.kind(name).mode == "sync":
            return self.engine(name).dialect
        dialect = self._dialects.get(name)
        if dialect is None:  # of no loop: plans are compiled at any time
            dialect = self._dialects.setdefault(name, self._create(name).dialect)
        return dialect

    def _create(self, name: str) -> sa.Engine:
        kind = self._kinds[name]
        engine = kind.create(self._databases[name], self._keys[name], scoped=True)
        scoped_compiler.install(engine, kind.statement_compiler, self.tables, across=self._is_across)
        return engine

    @property
    def across(self) -> ConnectionManager:
        """The same databases for scopes that read across tenants: as another user, and only to read."""
        across = self._across
        if across is None:
            with self._lock:
                across = self._across
                if across is None:
                    across = ConnectionManager(self._databases.values(), self.tables)
                    across._is_across = True
                    across._keys, across.watch = (
                        self._keys,
                        self.watch,
                    )  # a database in memory is the same one
                    if self._reading is not None:
                        across._databases["default"] = self._reading
                    self._across = across
        return across

    def checkout(
        self, name: str = "default", placement: Placement | None = None
    ) -> tuple[sa.Connection, Session]:
        """A scoped connection from the pool, and its session; only ``Executor`` asks for them.

        A connection whose server hung up while nobody used it is thrown away for another one.

        Args:
            name: Of the database.
            placement: Of a tenant; where it has a database of its own, that one is meant, and where it has a
                schema, the tables in it.

        Raises:
            PlaceUnusable: The placement names no database that can be reached.
            prefiq.sql.errors.DatabaseError: None can be opened, or none is free in time.
            prefiq.bridge.NoBridge: In async mode, where nothing can wait.
        """
        engine = self.engine(name)
        if self._kinds[name].mode == "async" and not in_bridge():
            raise NoBridge(f"ConnectionManager.checkout({name!r})")
        if placement is not None and placement.mode == "schema":
            self.of_tenant(placement, name)
        if placement is not None and placement.mode == "database":
            return self._checkout_of_tenant(engine, name, placement)
        if self._tenants or self._tenant_loops:
            tenants = self._pools(name).get(name)
            if tenants is not None:
                tenants.sweep()
        connection, session = self._checkout(engine, name)
        if placement is not None and placement.mode == "schema":
            # Of this one unit of work: nothing is said to the server, and nothing stays.
            connection.execution_options(schema_translate_map=Placed(placement.hint))
        return connection, session

    def _pools(self, name: str) -> dict[str, TenantPools]:
        """Those of tenants, in async mode of the running loop."""
        if self._kinds[name].mode == "sync":
            return self._tenants
        return self._tenant_loops.setdefault(asyncio.get_running_loop(), {})

    def _checkout_of_tenant(
        self, model: sa.Engine, name: str, placement: Placement
    ) -> tuple[sa.Connection, Session]:
        held = self._pools(name)
        pools = held.get(name)
        if pools is None:
            with self._lock:
                pools = held.get(name)
                if pools is None:
                    timeout = self._databases[name].pool_timeout
                    pools = held[name] = TenantPools(model, self.max_connections, timeout)
        kind, key = self._kinds[name], self._keys[name]

        def opener() -> Any:
            return kind.opener(self.of_tenant(placement, name), key, model.dialect)

        where = (placement.database, placement.hint, placement.epoch)
        with pools.engine(where, opener) as engine:
            return self._checkout(engine, name)

    def of_tenant(self, placement: Placement, name: str = "default") -> DatabaseLike:
        """The database of a tenant that has its own, as scopes reach it.

        Args:
            placement: The tenant's.
            name: Of the database in whose place it stands: one dialect serves both.

        Raises:
            PlaceUnusable: There can be none.
        """
        database = self._at(placement, name)
        return tenant_database(database, placement, self._tenant_key)

    def _at(self, placement: Placement, name: str = "default") -> DatabaseLike:
        if placement.database not in self._databases:
            raise PlaceUnusable(f"no setting names the database {placement.database!r}")
        database = self._databases[placement.database]
        if database.engine != self._databases[name].engine:
            raise PlaceUnusable("it is on a server of another kind than the application's own database")
        return database

    def _checkout(self, engine: sa.Engine, name: str) -> tuple[sa.Connection, Session]:
        with self._errors(name, self._kinds[name]):
            while True:
                connection = engine.connect()
                session: Session | None = connection.info.get(SESSION)
                if session is None:  # a new connection: the loop ends here at the latest
                    session = self._kinds[name].session(connection.connection.driver_connection)
                    connection.info[SESSION] = session
                elif not session.is_connected():
                    connection.invalidate()
                    connection.close()
                    continue
                return connection, session

    def in_use(self) -> dict[str, int]:
        """How many connections units of work hold now, by database; those that hold none are left out."""
        with self._lock:
            engines = [self._engines, *self._loops.values()]
            tenants = [self._tenants, *self._tenant_loops.values()]
        found: dict[str, int] = {}
        for name, pools in (pair for of_loop in tenants for pair in tuple(of_loop.items())):
            if pools.in_use:
                found[name] = found.get(name, 0) + pools.in_use
        for name, engine in (pair for held in engines for pair in tuple(held.items())):
            pool: Any = engine.pool
            if count := pool.checkedout():
                found[name] = found.get(name, 0) + count
        return found

    def warm_up(self) -> None:
        """Open the connections of every pool that shall have them at start (``DB_POOL_WARMUP``).

        In async mode it is called through the bridge, on the loop that the connections are for.

        Raises:
            prefiq.sql.errors.DatabaseError: One cannot be opened.
        """
        for name, database in self._databases.items():
            if not database.pool_warmup:
                continue
            opened: list[sa.Connection] = []
            try:
                opened.extend(self.checkout(name)[0] for _ in range(database.pool_size))
            finally:
                for connection in opened:
                    connection.close()

    @contextmanager
    def schema_connection(
        self, name: str = "default", placement: Placement | None = None
    ) -> Iterator[sa.Connection]:
        """A connection for migrations: no tenant is written into its statements, and it may change the schema.

        The default database is reached as ``MIGRATE_DB_USER``, where that is set.
        Its first statement begins a transaction, which is committed at the end, and rolled back by an exception.
        The driver is the sync one in both modes: this needs no loop, and holds up the one that runs.
        SQLite makes the file where it does not exist, and excludes other writers.

        Args:
            name: Of the database.
            placement: Of a tenant; where it has a database or schema of its own, that one is meant.

        Raises:
            PlaceUnusable: The placement names no database that can be reached.
            prefiq.sql.errors.DatabaseError: It cannot be opened.
        """
        is_own = placement is not None and placement.mode in {"schema", "database"}
        if placement is not None and is_own:
            name = placement.database
            self._at(placement)
        database = self.database(name)
        with self._lock:
            self._anchor(name)
        if self._migrating is not None and name == "default":
            database = self._migrating
        if placement is not None and is_own:
            database = tenant_database(database, placement)
        kind = engine_for(database.engine, "sync")
        engine = kind.create(database, self._keys[name], scoped=False)
        with self._errors(database.name, kind):
            connection = engine.connect()
        try:
            with self._errors(database.name, kind):
                if database.schema and not _has_schema(connection):
                    raise ServerDatabaseMissing(database.name)
                yield connection
                if connection.in_transaction():
                    connection.commit()
        finally:
            connection.close()
            engine.dispose()

    def close(self) -> None:
        """Close every connection that is not in use; the manager can be used again afterwards.

        Nothing is awaited, in async mode neither: it may be called with and without a loop.
        """
        with self._lock:
            engines = [*self._engines.values()]
            for of_loop in self._loops.values():
                engines.extend(of_loop.values())
                of_loop.clear()
            tenants = [*self._tenants.values()]
            for pools_of_loop in self._tenant_loops.values():
                tenants.extend(pools_of_loop.values())
                pools_of_loop.clear()
            self._tenants = {}
            self._engines = {}
            anchors, self._anchors = list(self._anchors.values()), {}
            across, self._across = self._across, None
        if across is not None:
            across.close()
        for pools in tenants:
            pools.close()
        for engine in engines:
            engine.dispose()
        for anchor in anchors:
            anchor.close()

    def explain(self, error: BaseException, name: str) -> PrefiqError:
        """The error of Prefiq for one of SQLAlchemy's pool or of the driver that has no table to it."""
        return self._explained(error, name, self._kinds[name])

    def _explained(self, error: BaseException, name: str, kind: DatabaseEngine) -> PrefiqError:
        if isinstance(error, sa.exc.TimeoutError):
            return ConnectionsExhausted(name)
        original = getattr(error, "orig", None) or error
        explained = from_driver(original, kind, name, self.tables)
        database = self._databases.get(name) or self._migrating
        return located(explained, database) if database is not None else explained

    @contextmanager
    def _errors(self, name: str, kind: DatabaseEngine) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, kind.driver_error) as error:
            raise self._explained(error, name, kind) from error

    def _anchor(self, name: str) -> None:
        if name not in self._anchors:
            anchor = self._kinds[name].anchor(self._databases[name], self._keys[name])
            if anchor is not None:
                self._anchors[name] = anchor


def _has_schema(connection: sa.Connection) -> bool:
    """Whether there is the one schema that it sees; the server takes any name for its path."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SELECT current_schema() IS NOT NULL")
        return bool(cursor.fetchone()[0])  # type: ignore[index]
    finally:
        cursor.close()
