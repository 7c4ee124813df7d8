"""``ConnectionManager``: one SQLAlchemy engine for each named database, in driver autocommit."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from prefiq.errors import PrefiqError
from prefiq.settings.secret import Secret
from prefiq.sql import scoped_compiler
from prefiq.sql.dialects.engine import DatabaseEngine, DatabaseLike, engine_for
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import ConnectionsExhausted, UnknownDatabase
from prefiq.sql.faults import from_driver
from prefiq.sql.tables import Tables

__all__ = ["ConnectionManager", "DatabaseConfig", "Observer"]

Observer = Callable[[str, float], None]

SESSION = "prefiq.session"
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
        busy_timeout: SQLite: seconds to wait for another writer.
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
    busy_timeout: float = 5.0


class ConnectionManager:
    """Opens connections to the named databases; one for an application, thread-safe.

    Nothing is opened before the first connection is asked for.

    Args:
        databases: Each with a name of its own.
        tables: Which tables belong to tenants.

    Raises:
        prefiq.sql.errors.EngineNotServed: A database's engine is not served by this release.
    """

    def __init__(self, databases: Iterable[DatabaseLike], tables: Tables) -> None:
        self.tables = tables
        self._lock = threading.Lock()
        self._databases: dict[str, DatabaseLike] = {database.name: database for database in databases}
        self._kinds = {
            name: engine_for(database.engine, database.mode) for name, database in self._databases.items()
        }
        number = next(_numbers)
        self._keys = {name: f"prefiq-{number}-{name}" for name in self._databases}
        self._engines: dict[str, sa.Engine] = {}
        self.observers: tuple[Observer, ...] = ()
        """Called after each statement with its text and its seconds, for a log of slow ones."""
        self._anchors: dict[str, Any] = {}

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
        """The scoped engine; only ``Executor`` takes connections from it."""
        engine = self._engines.get(name)
        if engine is None:
            database = self.database(name)
            with self._lock:
                engine = self._engines.get(name)
                if engine is None:
                    kind = self._kinds[name]
                    engine = kind.create(database, self._keys[name], scoped=True)
                    scoped_compiler.install(engine, kind.statement_compiler, self.tables)
                    self._anchor(name)
                    self._engines[name] = engine
        return engine

    def dialect(self, name: str = "default") -> sa.Dialect:
        """The scoped dialect that plans are compiled with."""
        return self.engine(name).dialect

    def checkout(self, name: str = "default") -> tuple[sa.Connection, Session]:
        """A scoped connection from the pool, and its session; only ``Executor`` asks for them.

        A connection whose server hung up while nobody used it is thrown away for another one.

        Raises:
            prefiq.sql.errors.DatabaseError: None can be opened, or none is free in time.
        """
        engine = self.engine(name)
        with self._errors(name):
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

    @contextmanager
    def schema_connection(self, name: str = "default") -> Iterator[sa.Connection]:
        """A connection for migrations: no tenant is written into its statements, and it may change the schema.

        Makes the database where it does not exist.  Its first statement begins a transaction that excludes
        other writers; it is committed at the end, and rolled back by an exception.

        Raises:
            prefiq.sql.errors.DatabaseError: It cannot be opened.
        """
        database = self.database(name)
        with self._lock:
            self._anchor(name)
        engine = self._kinds[name].create(database, self._keys[name], scoped=False)
        with self._errors(name):
            connection = engine.connect()
        try:
            with self._errors(name):
                yield connection
                if connection.in_transaction():
                    connection.commit()
        finally:
            connection.close()
            engine.dispose()

    def close(self) -> None:
        """Close every connection that is not in use; the manager can be used again afterwards."""
        with self._lock:
            engines, self._engines = list(self._engines.values()), {}
            anchors, self._anchors = list(self._anchors.values()), {}
        for engine in engines:
            engine.dispose()
        for anchor in anchors:
            anchor.close()

    def explain(self, error: BaseException, name: str) -> PrefiqError:
        """The error of Prefiq for one of SQLAlchemy's pool or of the driver that has no table to it."""
        if isinstance(error, sa.exc.TimeoutError):
            return ConnectionsExhausted(name)
        original = getattr(error, "orig", None) or error
        return from_driver(original, self._kinds[name], name, self.tables)

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, self._kinds[name].driver_error) as error:
            raise self.explain(error, name) from error

    def _anchor(self, name: str) -> None:
        if name not in self._anchors:
            anchor = self._kinds[name].anchor(self._databases[name], self._keys[name])
            if anchor is not None:
                self._anchors[name] = anchor
