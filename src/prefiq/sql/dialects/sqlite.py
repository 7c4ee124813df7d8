"""SQLite: exact decimals as scaled integers, instants as sortable text, one file in WAL mode."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.pool import NullPool

from prefiq.bridge import pause
from prefiq.contracts.transactions import Isolation
from prefiq.sql.dialects.codecs import BOOL, EXACT, IDENTITY, JSON, UUID_BYTES, enum_codec
from prefiq.sql.dialects.engine import DatabaseLike, Fault, Mode, RawGuard
from prefiq.sql.dialects.sqlite_connection import SqliteConnection, line_of
from prefiq.sql.dialects.sqlite_session import SqliteSession
from prefiq.sql.errors import (
    CorruptDatabase,
    DatabaseError,
    DatabaseLocked,
    DatabaseMissing,
    DiskFull,
    RawSqlRefused,
    ReadOnlyDatabase,
    SchemaMissing,
    StatementTimeout,
)
from prefiq.sql.fair_pool import FairPool
from prefiq.sql.types import Codec, FieldType

__all__ = ["SQLITE", "SQLITE_ASYNC", "SqliteEngine"]

_STORAGE: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "int": sa.Integer,
    "bool": sa.Integer,
    "decimal": sa.Integer,
    "float": sa.REAL,
    "uuid": sa.BLOB,
}
_ERRORS: dict[int, type[DatabaseError]] = {
    sqlite3.SQLITE_BUSY: DatabaseLocked,
    sqlite3.SQLITE_LOCKED: DatabaseLocked,
    sqlite3.SQLITE_READONLY: ReadOnlyDatabase,
    sqlite3.SQLITE_PERM: ReadOnlyDatabase,
    sqlite3.SQLITE_CANTOPEN: DatabaseMissing,
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_CORRUPT: CorruptDatabase,
    sqlite3.SQLITE_NOTADB: CorruptDatabase,
    sqlite3.SQLITE_INTERRUPT: StatementTimeout,
}
_UNKNOWN = re.compile(r"no such (?:table|column): |has no column named ")
# A function in FROM is denied while it is being set up, which has no code of its own.
_DENIED = re.compile(r"^(?:not authorized$|vtable constructor failed: )")
_CONSTRAINED = re.compile(r"^(?:UNIQUE|NOT NULL) constraint failed: (.+)$")


C = TypeVar("C", bound=sqlite3.Connection)


def _dump_datetime(value: datetime) -> str:
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
    return value.isoformat("T", "microseconds")[:26] + "Z"


_DATETIME = Codec(
    _dump_datetime,
    datetime.fromisoformat,
    "dump_datetime({v})",
    "load_datetime({v})",
    {
        "dump_datetime": _dump_datetime,
        "load_datetime": datetime.fromisoformat,
        "text_of": msgspec.to_builtins,
    },
    # Six times faster than isoformat, but without microseconds it leaves them out.
    "(t if len(t := text_of({v})) == 27 else t[:19] + '.000000Z')",
)
_DATE = Codec(
    date.isoformat,
    date.fromisoformat,
    "dump_date({v})",
    "load_date({v})",
    {"dump_date": date.isoformat, "load_date": date.fromisoformat, "text_of": msgspec.to_builtins},
    "text_of({v})",
)
_FLOAT = Codec(float, float, "{v}", "{v}", sure="({v} + 0.0)")
_CODECS = {
    "datetime": _DATETIME,
    "date": _DATE,
    "bool": BOOL,
    "uuid": UUID_BYTES,
    "json": JSON,
    "float": _FLOAT,
}


def _decimal(scale: int) -> Codec:
    scaleb = EXACT.scaleb

    def dump(value: Decimal) -> int:
        scaled = scaleb(value, scale)
        whole = int(scaled)
        if whole != scaled:
            raise ValueError(f"a decimal with more than {scale} digits behind the point")
        return whole

    name = f"dump_decimal_{scale}"
    return Codec(
        dump,
        lambda value: scaleb(value, -scale),
        name + "({v})",
        f"scaleb({{v}}, -{scale})",
        {name: dump, "scaleb": scaleb},
        f"int(scaleb({{v}}, {scale}))",
    )


class SqliteEngine:
    """SQLite through the standard library's driver, in driver autocommit: only our own BEGIN begins."""

    name = "sqlite"
    driver_error: type[Exception] = sqlite3.Error
    statement_compiler: type[Any] = SQLiteCompiler
    table_functions = frozenset({"json_each", "json_tree", "generate_series"})

    def __init__(self, mode: Mode = "sync") -> None:
        self.mode: Mode = mode

    def begin(self, *, read_only: bool, isolation: Isolation | None) -> tuple[str, ...]:
        """Writers exclude each other from the start; every level is serializable here."""
        del isolation
        return ("BEGIN",) if read_only else ("BEGIN IMMEDIATE",)

    def session(self, connection: SqliteConnection) -> SqliteSession:
        """The executor's view of a connection."""
        return SqliteSession(connection)

    def storage(self, type_: FieldType) -> sa.types.TypeEngine[Any]:
        """INTEGER, REAL, BLOB or TEXT."""
        return _STORAGE.get(type_.kind, sa.TEXT)()

    def codec(self, type_: FieldType) -> Codec:
        """The conversions of one kind."""
        if type_.kind == "decimal":
            return _decimal(type_.scale or 0)
        if type_.kind == "enum":
            return enum_codec(type_.enum)
        return _CODECS.get(type_.kind, IDENTITY)

    def create(self, database: DatabaseLike, key: str, *, scoped: bool) -> sa.Engine:
        """An engine of SQLAlchemy; the file is opened with the first connection."""
        if not scoped:
            engine = sa.create_engine(
                "sqlite+pysqlite://",
                creator=lambda: _connect(database, key, may_create=True),
                poolclass=NullPool,
                hide_parameters=True,
            )
            # The driver is in autocommit: what begins a transaction is said here.
            sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
            return engine
        engine = sa.create_engine(
            "sqlite+pysqlite://",
            creator=self.opener(database, key),
            poolclass=FairPool,
            pool_size=database.pool_size,
            pool_timeout=database.pool_timeout,
            pool_reset_on_return=None,
            hide_parameters=True,  # errors, and so logs, name no values
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        sa.event.listen(engine, "checkin", _end_transaction)
        return engine

    def opener(
        self, database: DatabaseLike, key: str, dialect: sa.Dialect | None = None
    ) -> Callable[[], SqliteConnection]:
        """Opens a file that is there."""
        del dialect
        return lambda: _connect_to_serve(database, key)

    def anchor(self, database: DatabaseLike, key: str) -> sqlite3.Connection | None:
        """A database in memory lives as long as one connection to it."""
        return _connect(database, key, may_create=True) if database.path is None else None

    def contains(self, column: Any, value: Any, *, fold: bool) -> Any:
        """``instr``, because LIKE of SQLite ignores the case of ASCII letters, and of no others."""
        if fold:
            column = sa.func.prefiq_lower(column, type_=sa.Text())
        return sa.func.instr(column, value, type_=sa.Integer()) > 0

    def startswith(self, column: Any, value: Any) -> Any:
        """The head of the text equals the value."""
        head = sa.func.substr(column, 1, sa.func.length(value), type_=sa.Text())
        return head == value

    def order(self, column: Any, *, descending: bool) -> Any:
        """NULL is SQLite's smallest value already."""
        return column.desc() if descending else column.asc()

    def explain(self, error: BaseException, database: str) -> Fault:
        """By SQLite's result codes; their texts are read only for the names of tables and columns."""
        code = getattr(error, "sqlite_errorcode", None)
        reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        if code is None:
            return Fault("other", error=DatabaseError(database, reason))
        if code in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}:
            return Fault("unique", *_named(error))
        if code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
            return Fault("required", *_named(error))
        if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            return Fault("foreign_key")
        primary = code & 0xFF
        if primary == sqlite3.SQLITE_AUTH or _DENIED.search(str(error)):
            return Fault("other", error=RawSqlRefused(
                "The SQL touches something that raw SQL may not in this scope",
                "SQL given as text",
                "use RepositoryQuery.select(), or statements of SQLAlchemy Core",
            ))  # fmt: skip
        if primary == sqlite3.SQLITE_ERROR and _UNKNOWN.search(str(error)):
            return Fault("other", error=SchemaMissing(database, reason))
        return Fault("other", error=_ERRORS.get(primary, DatabaseError)(database, reason))

    def guard(self, connection: sqlite3.Connection, allows: RawGuard) -> Callable[[], None]:
        """SQLite's authorizer, which sees through views, quotes and triggers."""

        def authorize(action: int, first: str | None, *_: object) -> int:
            if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}:
                return sqlite3.SQLITE_OK
            if action == sqlite3.SQLITE_READ:
                return sqlite3.SQLITE_OK if allows.reads(first or "") else sqlite3.SQLITE_DENY
            if action in {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}:
                return sqlite3.SQLITE_OK if allows.writes(first or "") else sqlite3.SQLITE_DENY
            return sqlite3.SQLITE_DENY  # schema changes, ATTACH, PRAGMA, BEGIN, SAVEPOINT and what is new

        connection.set_authorizer(authorize)
        return lambda: connection.set_authorizer(None)


def _named(error: BaseException) -> tuple[str, tuple[str, ...]]:
    """Table and columns of ``UNIQUE constraint failed: table.a, table.b``."""
    match = _CONSTRAINED.match(str(error))
    if match is None:
        return "", ()
    pairs = [name.strip().partition(".") for name in match[1].split(",")]
    return pairs[0][0], tuple(column for _, _, column in pairs if column)


def _connect(database: DatabaseLike, key: str, *, may_create: bool) -> sqlite3.Connection:
    """A connection that SQLite itself lets wait for others, for migrations."""
    uri = _uri(database, key)
    if may_create and database.path is not None:
        _make_file(database.path)
    made: sqlite3.Connection = sqlite3.connect(uri, timeout=database.busy_timeout, **OPTIONS)
    return _set_up(made, database)


def _connect_to_serve(database: DatabaseLike, key: str) -> SqliteConnection:
    """A connection for scopes.

    It never makes a file: an empty database that appears by a typing mistake helps nobody.
    """
    made: SqliteConnection = sqlite3.connect(
        _uri(database, key), timeout=0, factory=SqliteConnection, **OPTIONS
    )
    made.line = line_of(key if database.path is None else os.path.realpath(database.path))
    made.patience = database.busy_timeout
    _set_up(made, database)
    if database.statement_timeout:
        made.longest = database.statement_timeout
        made.watch_time()
    return made


OPTIONS: Any = {
    "uri": True,
    "isolation_level": None,
    "check_same_thread": False,
    "cached_statements": 256,
}


def _uri(database: DatabaseLike, key: str) -> str:
    if database.path is None:
        return f"file:/{quote(key)}?vfs=memdb"
    return f"file:{quote(str(database.path))}?mode=rw"


def _set_up(connection: C, database: DatabaseLike) -> C:
    try:
        # One at a time: the first one that fails says what is wrong with the file.
        _use_wal(connection, database.busy_timeout)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("prefiq_lower", 1, _lower, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _end_transaction(connection: SqliteConnection | None, _record: object) -> None:
    """Roll back what a scope left open that nobody closed, when its connection comes back by itself."""
    if connection is not None and connection.in_transaction:
        connection.rollback()
        connection.settle()


def _use_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Write-ahead logging, which a file keeps once it has it.

    The switch needs the file alone, and SQLite does not wait for that by itself: of several processes that
    open a new file at once, all but one would be told that it is locked.

    Source: SQLite, "Write-Ahead Logging", section "Sometimes queries return SQLITE_BUSY in WAL mode".
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not busy or time.monotonic() >= deadline:
                raise
            pause(0.005)
        else:
            return


def _make_file(path: Path) -> None:
    """An empty file, which is an empty database, for its owner alone; SQLite gives its logs the same mode."""
    with contextlib.suppress(OSError):  # it is there already, or connecting says why there can be none
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _lower(text: Any) -> Any:
    """Python's lower case, which knows more than ASCII; also what the memory store uses."""
    return text.lower() if isinstance(text, str) else text


SQLITE = SqliteEngine()
SQLITE_ASYNC = SqliteEngine("async")
