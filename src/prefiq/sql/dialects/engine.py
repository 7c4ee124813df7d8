"""``DatabaseEngine``: everything that differs between engines; each one's module implements it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from prefiq.contracts.transactions import Isolation
from prefiq.errors import PrefiqError
from prefiq.settings.secret import Secret
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import DriverMissing, EngineNotServed
from prefiq.sql.types import Codec, FieldType

__all__ = ["DatabaseEngine", "DatabaseLike", "Fault", "Mode", "RawGuard", "engine_for", "served_engines"]

Mode = Literal["sync", "async"]


class DatabaseLike(Protocol):
    """What the connections need to know of a database; the settings' value has it, and ``DatabaseConfig``."""

    @property
    def name(self) -> str:
        """What the application calls it."""
        ...

    @property
    def engine(self) -> str:
        """``"sqlite"``, ``"postgres"`` or ``"mariadb"``."""
        ...

    @property
    def mode(self) -> str:
        """``"sync"``, or ``"async"`` for a driver that waits through the bridge."""
        ...

    @property
    def database(self) -> str:
        """Servers: the database's name."""
        ...

    @property
    def host(self) -> str:
        """Servers: the host; a path for a Unix socket."""
        ...

    @property
    def port(self) -> int:
        """Servers: the port."""
        ...

    @property
    def user(self) -> str:
        """Servers: the user; empty for the driver's own default."""
        ...

    @property
    def password(self) -> Secret | None:
        """Servers: the user's password."""
        ...

    @property
    def connect_timeout(self) -> float:
        """Servers: seconds that opening a connection may take."""
        ...

    @property
    def statement_timeout(self) -> float:
        """Seconds that one statement may take; 0 for no end."""
        ...

    @property
    def tls(self) -> str:
        """Servers: ``"disable"``, ``"prefer"``, ``"require"``, ``"verify-ca"`` or ``"verify-full"``."""
        ...

    @property
    def tls_ca(self) -> Path | None:
        """Servers: file of the authorities that the server's certificate is checked with."""
        ...

    @property
    def tls_cert(self) -> Path | None:
        """Servers: the client's own certificate."""
        ...

    @property
    def tls_key(self) -> Path | None:
        """Servers: the key of the client's certificate."""
        ...

    @property
    def path(self) -> Path | None:
        """SQLite: the file, or None for one in memory."""
        ...

    @property
    def pool_size(self) -> int:
        """Connections that this process (in async mode: each event loop) holds at most."""
        ...

    @property
    def pool_timeout(self) -> float:
        """Seconds that a unit of work waits for a connection."""
        ...

    @property
    def pool_warmup(self) -> bool:
        """Whether ``ConnectionManager.warm_up`` opens the pool's connections."""
        ...

    @property
    def schema(self) -> str:
        """PostgreSQL: the one schema in which a connection for migrations sees tables; empty for the server's own."""
        ...

    @property
    def pooler(self) -> str:
        """PostgreSQL: ``"transaction"`` where a pooler shares the server's connections; else ``"none"``."""
        ...

    @property
    def busy_timeout(self) -> float:
        """Seconds to wait for another writer."""
        ...


class RawGuard(Protocol):
    """What raw SQL may touch in the present scope."""

    def reads(self, table: str) -> bool:
        """Whether it may read this table."""
        ...

    def writes(self, table: str) -> bool:
        """Whether it may write this table."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What a driver's error says, in words that no engine owns.

    Args:
        kind: ``"unique"``, ``"foreign_key"``, ``"required"``, or ``"other"`` with an error.
        table: The table meant, or empty where the engine does not say.
        columns: The columns meant.
        error: What to raise for ``"other"``.
        key: Name of the index or constraint, where the engine names that instead of columns.
    """

    kind: Literal["unique", "foreign_key", "required", "other"]
    table: str = ""
    columns: tuple[str, ...] = ()
    error: PrefiqError | None = None
    key: str = ""


class DatabaseEngine(Protocol):
    """One engine in one mode: storage, wording and errors.

    Attributes:
        name: As in ``DB_ENGINE``.
        mode: As in ``DB_MODE``.
        driver_error: Root of the driver's errors.
        statement_compiler: SQLAlchemy's compiler for it.
        table_functions: Functions in FROM that read no table.
    """

    name: str
    mode: Mode
    driver_error: type[Exception]
    statement_compiler: type[Any]
    table_functions: frozenset[str]

    def begin(self, *, read_only: bool, isolation: Isolation | None) -> tuple[str, ...]:
        """The statements that begin a transaction; a reading one sees one snapshot."""
        ...

    def session(self, connection: Any) -> Session:
        """The executor's view of a driver's connection that ``create`` opened."""
        ...

    def storage(self, type_: FieldType) -> sa.types.TypeEngine[Any]:
        """The column type that DDL names."""
        ...

    def codec(self, type_: FieldType) -> Codec:
        """How values of the type go to the driver and come back."""
        ...

    def create(self, database: DatabaseLike, key: str, *, scoped: bool) -> sa.Engine:
        """An engine of SQLAlchemy on this database; nothing is opened.

        Args:
            database: Which.
            key: Names a database in memory, so that several connections share it.
            scoped: Whether it serves scopes: a pool, and never a new file; otherwise it serves migrations.
        """
        ...

    def opener(self, database: DatabaseLike, key: str, dialect: sa.Dialect) -> Callable[[], Any]:
        """What opens one connection for scopes, for a pool that shares another engine's dialect.

        Args:
            database: Which.
            key: As ``create`` has it.
            dialect: Of an engine that ``create`` made for scopes, in async mode of the same loop.
        """
        ...

    def anchor(self, database: DatabaseLike, key: str) -> Any:
        """A connection that keeps a database in memory alive, or None where none is needed."""
        ...

    def guard(self, connection: Any, allows: RawGuard) -> Callable[[], None] | None:
        """Let the engine itself refuse what raw SQL may not touch, views and triggers included.

        Returns:
            What lifts the guard, or None where the engine has none.
        """
        ...

    def contains(self, column: Any, value: Any, *, fold: bool) -> Any:
        """Whether the text holds the value; ``fold`` without regard to case."""
        ...

    def startswith(self, column: Any, value: Any) -> Any:
        """Whether the text begins with the value."""
        ...

    def order(self, column: Any, *, descending: bool) -> Any:
        """The column as a sort key, NULL smaller than every value."""
        ...

    def explain(self, error: BaseException, database: str) -> Fault:
        """What the driver's error means."""
        ...


def engine_for(name: str, mode: str = "sync") -> DatabaseEngine:
    """The engine with this name, by ``DB_ENGINE`` or as SQLAlchemy's dialect calls it; always the same object.

    Args:
        name: ``"sqlite"``, ``"postgres"`` (or ``"postgresql"``), ``"mariadb"``.
        mode: ``"sync"`` or ``"async"``.

    Raises:
        EngineNotServed: There is none.
        prefiq.sql.errors.DriverMissing: Its driver is not installed.
    """
    asynchronous = mode == "async"
    if name == "sqlite":
        from prefiq.sql.dialects import sqlite

        return sqlite.SQLITE_ASYNC if asynchronous else sqlite.SQLITE
    if name in {"postgres", "postgresql"}:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:  # it, or the libpq that it needs
            raise DriverMissing("postgres", mode, "psycopg[binary]") from error
        from prefiq.sql.dialects import postgres

        return postgres.POSTGRES_ASYNC if asynchronous else postgres.POSTGRES
    if name == "mariadb":
        from prefiq.sql.dialects import mariadb

        return mariadb.asynchronous() if asynchronous else mariadb.MARIADB
    raise EngineNotServed(name, served_engines())


def served_engines() -> tuple[str, ...]:
    """Names of the engines that are served, as in ``DB_ENGINE``."""
    return ("sqlite", "postgres", "mariadb")
