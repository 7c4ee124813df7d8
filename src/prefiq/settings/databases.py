"""One database's settings, and how named ones are found: ``ANALYTICS_DB_ENGINE=…`` makes ``analytics``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prefiq.settings import table
from prefiq.settings.errors import SettingError, UnsafeInProduction
from prefiq.settings.reader import Reader
from prefiq.settings.secret import Secret

__all__ = ["DatabaseSettings", "named_databases", "read_database"]

_NAMED = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)_DB_ENGINE")
_PORTS = {"postgres": 5432, "mariadb": 3306}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How one database is reached.

    Args:
        name: ``"default"``, or the lower-case name before ``_DB_``.
        engine: ``"sqlite"``, ``"postgres"`` or ``"mariadb"``.
        mode: ``"sync"`` or ``"async"``.
        database: The database's name; for SQLite the path as it was written.
        path: SQLite: the file, absolute; None for a database in memory and for servers.
        host: The server's host; empty for SQLite.
        port: The server's port; 0 for SQLite.
        user: The user; empty where none is given.
        password: The password, or None.
        tls: How far the connection is encrypted and checked.
        tls_ca: File of authorities, or None.
        tls_cert: File of the client's certificate, or None.
        tls_key: File of its key, or None.
        connect_timeout: Seconds that opening a connection may take.
        statement_timeout: Seconds that one statement may take; 0 for no end.
        pool_size: Connections that one process holds at most.
        pool_timeout: Seconds that a unit of work waits for a connection.
        pool_warmup: Whether connections are opened at start.
        busy_timeout: SQLite: seconds to wait for another writer.
    """

    name: str
    engine: str
    mode: str
    database: str
    path: Path | None
    host: str
    port: int
    user: str
    password: Secret | None
    tls: str
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    connect_timeout: float
    statement_timeout: float
    pool_size: int
    pool_timeout: float
    pool_warmup: bool
    busy_timeout: float

    @property
    def is_memory(self) -> bool:
        """Whether this is SQLite without a file."""
        return self.engine == "sqlite" and self.path is None


def named_databases(names: Iterable[str]) -> tuple[str, ...]:
    """The names for which ``<NAME>_DB_ENGINE`` is given, in upper case, sorted; roles are none."""
    found = {match[1] for name in names if (match := _NAMED.fullmatch(name))}
    return tuple(sorted(found.difference(table.DATABASE_ROLES)))


def read_database(
    reader: Reader, name: str, folder: Path, *, is_production: bool, prefix: str = "", role: bool = False
) -> DatabaseSettings:
    """One database from ``<prefix>DB_*``.

    Args:
        reader: Gives the values and takes the faults.
        name: What the application calls it.
        folder: What a relative path of SQLite starts from.
        is_production: Whether a database in memory is refused.
        prefix: ``"ANALYTICS_"``; empty for the default one.
        role: Whether a field that is not given comes from the default database.
    """
    scoped = reader.prefixed(prefix, fallback=role)
    engine = scoped.read(table.DB_ENGINE)
    mode = scoped.read(table.DB_MODE)
    database = scoped.read(table.DB_NAME)
    path = None
    if engine == "sqlite":
        path = _sqlite_path(scoped, database, folder, is_production=is_production)
        if prefix and not role and not scoped.is_given(table.DB_NAME):
            # The default's file would be two databases in one.
            scoped.refuse(table.DB_NAME, SettingError, "is missing", "the path of this database's file")
    return DatabaseSettings(
        name=name,
        engine=engine,
        mode=mode,
        database=database,
        path=path,
        host=scoped.read_optional(table.DB_HOST) or ("" if engine == "sqlite" else "localhost"),
        port=scoped.read_optional(table.DB_PORT) or _PORTS.get(engine, 0),
        user=scoped.read_optional(table.DB_USER) or "",
        password=scoped.read_optional(table.DB_PASS),
        tls=scoped.read(table.DB_SSL_MODE),
        tls_ca=_file(scoped.read_optional(table.DB_SSL_CA), folder),
        tls_cert=_file(scoped.read_optional(table.DB_SSL_CERT), folder),
        tls_key=_file(scoped.read_optional(table.DB_SSL_KEY), folder),
        connect_timeout=scoped.read(table.DB_CONNECT_TIMEOUT),
        statement_timeout=scoped.read(table.DB_STATEMENT_TIMEOUT),
        pool_size=scoped.read(table.DB_POOL_SIZE),
        pool_timeout=scoped.read(table.DB_POOL_TIMEOUT),
        pool_warmup=scoped.read(table.DB_POOL_WARMUP),
        busy_timeout=scoped.read(table.DB_BUSY_TIMEOUT),
    )


def _file(name: str | None, folder: Path) -> Path | None:
    return folder / name if name else None


def _sqlite_path(scoped: Reader, database: str, folder: Path, *, is_production: bool) -> Path | None:
    if database == ":memory:":
        if is_production:
            problem = "a database in memory is lost when the process ends"
            scoped.refuse(table.DB_NAME, UnsafeInProduction, problem, "the path of a file")
        return None
    if re.match(r"(?i)(file|sqlite[a-z0-9+]*):", database):
        scoped.refuse(table.DB_NAME, SettingError, "the value is a URI", "the path of a file")
        return None
    path = folder / database
    if path.is_dir():
        scoped.refuse(table.DB_NAME, SettingError, "the value is a directory", "the path of a file")
    return path
