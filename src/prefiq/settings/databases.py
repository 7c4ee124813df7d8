"""One database's settings, and how named ones are found: ``ANALYTICS_DB_ENGINE=…`` makes ``analytics``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from prefiq.settings import table
from prefiq.settings.errors import SettingError, UnsafeInProduction
from prefiq.settings.reader import Reader
from prefiq.settings.secret import Secret
from prefiq.settings.sources import EMPTY, MISSING
from prefiq.settings.table import Setting

__all__ = ["DatabaseSettings", "named_databases", "read_database"]

_NAMED = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)_DB_ENGINE")
_URL = re.compile(r"(?i)(postgres(ql)?|mysql|mariadb)(\+[a-z0-9]+)?://")
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
        pooler: PostgreSQL: ``"transaction"`` where a pooler shares the server's connections; else ``"none"``.
        schema: PostgreSQL: the one schema that migrations see, of a tenant; empty for the application's own.
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
    pooler: str = "none"
    schema: str = ""

    @property
    def is_memory(self) -> bool:
        """Whether this is SQLite without a file."""
        return self.engine == "sqlite" and self.path is None


def named_databases(names: Iterable[str]) -> tuple[str, ...]:
    """The names for which ``<NAME>_DB_ENGINE`` is given, in upper case, sorted; roles are none."""
    found = {match[1] for name in names if (match := _NAMED.fullmatch(name))}
    return tuple(sorted(found.difference(table.DATABASE_ROLES)))


def read_database(
    reader: Reader,
    name: str,
    folder: Path,
    *,
    is_production: bool,
    request_timeout: float,
    prefix: str = "",
    main: DatabaseSettings | None = None,
    role: bool = False,
) -> DatabaseSettings:
    """One database from ``<prefix>DB_*``.

    Args:
        reader: Gives the values and takes the faults.
        name: What the application calls it.
        folder: What relative paths start from.
        is_production: Whether a database in memory is refused.
        request_timeout: Seconds that a request may take; what waits inside one is at most that.
        prefix: ``"ANALYTICS_"``; empty for the default one.
        main: The default database; None for itself.
        role: Whether this is a role on the default database: a field that is not given comes from there.
    """
    scoped = reader.prefixed(prefix, fallback=role)
    engine = scoped.read(table.DB_ENGINE)
    if role and main is not None and engine != main.engine:
        problem = f"a role reaches the default database, which is {main.engine}"
        scoped.refuse(table.DB_ENGINE, SettingError, problem, "unset it")
        engine = main.engine
    is_server = engine != "sqlite"
    database = _name(scoped, is_server=is_server, own=bool(prefix) and not role)
    path = None if is_server else _sqlite_path(scoped, database, folder, is_production=is_production)
    times = _times(scoped, request_timeout, role=role)
    host, port = scoped.read_optional(table.DB_HOST), scoped.read_optional(table.DB_PORT)
    # A password is a user's: a role with a user of its own does not try the serving one's.
    owner = reader.prefixed(prefix, fallback=role and not scoped.is_given(table.DB_USER))
    return DatabaseSettings(
        name=name,
        engine=engine,
        mode=_mode(scoped, main),
        database=database,
        path=path,
        host=(host or "localhost") if is_server else "",
        port=(port or _PORTS[engine]) if is_server else 0,
        user=scoped.read_optional(table.DB_USER) or "",
        password=owner.read_optional(table.DB_PASS),
        pool_size=scoped.read(table.DB_POOL_SIZE),
        pool_warmup=scoped.read(table.DB_POOL_WARMUP),
        # A role that has an address of its own is asked by itself: migrations go around the pooler.
        pooler=_pooler(reader, scoped, prefix, role=role),
        **times,
        **_tls(scoped, folder, engine),
    )


def _pooler(reader: Reader, scoped: Reader, prefix: str, *, role: bool) -> str:
    has_address = scoped.is_given(table.DB_HOST) or scoped.is_given(table.DB_PORT)
    chosen = reader.prefixed(prefix, fallback=False) if role and has_address else scoped
    found: str = chosen.read(table.DB_POOLER)
    return found


def _mode(scoped: Reader, main: DatabaseSettings | None) -> str:
    mode = scoped.read_optional(table.DB_MODE)
    if main is None:
        return mode or scoped.read(table.DB_MODE)
    if mode not in {None, main.mode}:
        # A driver that blocks would stop the loop of the others, and one that awaits has no loop in a thread.
        problem = f"all databases of an application are called in one mode, and DB_MODE is {main.mode}"
        scoped.refuse(table.DB_MODE, SettingError, problem, "unset it")
    return main.mode


def _name(scoped: Reader, *, is_server: bool, own: bool) -> str:
    """What ``DB_NAME`` says; SQLite's default is good for the default database alone."""
    found = scoped.read_optional(table.DB_NAME)
    if found is None and (is_server or own) and not scoped.is_given(table.DB_NAME):
        accepted = "the name of a database" if is_server else "the path of this database's file"
        scoped.refuse(table.DB_NAME, SettingError, "is missing", accepted)
    if is_server and found is not None and _URL.match(found):
        problem = "the value is a URL, and the database's name alone is wanted"
        scoped.refuse(table.DB_NAME, SettingError, problem, "the name of a database; DB_HOST takes the host")
    return found if found is not None else "" if is_server else scoped.read(table.DB_NAME)


class _Times(TypedDict):
    connect_timeout: float
    statement_timeout: float
    pool_timeout: float
    busy_timeout: float


def _times(scoped: Reader, request_timeout: float, *, role: bool) -> _Times:
    """A wait inside a request that outlives the request helps nobody: each is at most what is around it."""
    limit = f"REQUEST_TIMEOUT ({request_timeout:g} seconds)"

    def within(setting: Setting[float], most: float, what: str) -> float:
        given = scoped.read_optional(setting)
        if given is None:  # a default gives way
            return most if setting.default is None else min(scoped.read(setting), most)
        if given > most and not role:  # a role's work is no request
            problem = f"{given:g} seconds are more than {what.partition(' ')[0]} allows"
            scoped.refuse(setting, SettingError, problem, f"at most {what}")
        return given

    statement = within(table.DB_STATEMENT_TIMEOUT, request_timeout, limit)
    if 0 < statement < request_timeout:
        inner, wait = statement, f"DB_STATEMENT_TIMEOUT ({statement:g} seconds)"
    else:
        inner, wait = request_timeout, limit
    return {
        "connect_timeout": within(table.DB_CONNECT_TIMEOUT, request_timeout, limit),
        "statement_timeout": statement,
        "pool_timeout": within(table.DB_POOL_TIMEOUT, inner, wait),
        "busy_timeout": within(table.DB_BUSY_TIMEOUT, request_timeout, limit),
    }


class _Tls(TypedDict):
    tls: str
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None


def _tls(scoped: Reader, folder: Path, engine: str) -> _Tls:
    mode = scoped.read(table.DB_SSL_MODE)
    files: dict[Setting[str], Path | None] = {}
    for setting in (table.DB_SSL_CA, table.DB_SSL_CERT, table.DB_SSL_KEY):
        given = scoped.read_optional(setting)
        files[setting] = folder / given if given is not None and engine != "sqlite" else None
        if (path := files[setting]) is not None and (problem := _unusable(path)):
            scoped.refuse(setting, SettingError, problem, "the path of a file, relative to the application's")
    ca, certificate, key = files.values()
    if (certificate is None) != (key is None):
        missing, other = (
            (table.DB_SSL_KEY, table.DB_SSL_CERT) if key is None else (table.DB_SSL_CERT, table.DB_SSL_KEY)
        )
        scoped.refuse(missing, SettingError, "is missing", f"{other.name} is given, and one needs the other")
    if engine == "postgres" and mode == "verify-ca" and ca is None and not scoped.is_given(table.DB_SSL_CA):
        # libpq takes the system's authorities for verify-full alone: anybody can have a certificate from them.
        accepted = "the file of your authority, or DB_SSL_MODE=verify-full"
        scoped.refuse(table.DB_SSL_CA, SettingError, "is missing with DB_SSL_MODE=verify-ca", accepted)
    return {"tls": mode, "tls_ca": ca, "tls_cert": certificate, "tls_key": key}


def _unusable(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return "" if file.read(1) else EMPTY
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"the file cannot be read ({error.strerror or type(error).__name__})"


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
