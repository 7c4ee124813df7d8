"""PostgreSQL: from a database's settings to an engine of SQLAlchemy, with no question to the server.

Everything that a session needs is said while it connects: time zone, timeouts, isolation.
"""

from __future__ import annotations

import asyncio
import math
import re
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from sqlalchemy.dialects.postgresql.psycopg import AsyncAdapt_psycopg_connection
from sqlalchemy.pool import NullPool

from prefiq.bridge import await_
from prefiq.sql.dialects import postgres_types
from prefiq.sql.dialects.engine import DatabaseLike, Mode
from prefiq.sql.dialects.postgres_waiting import finished
from prefiq.sql.errors import PoolerInTheWay
from prefiq.sql.fair_pool import FairPool

__all__ = ["PostgresAsyncConnection", "PostgresConnection", "create", "opener", "parameters"]

GRACE = 5.0
"""Seconds that the server has beyond the statement's own time, to say that it is over."""
INTERVAL = 0.1
"""Seconds between two looks at signals, psycopg's own."""
MOST_PREPARED = 256
"""Statements that a connection keeps prepared; the server holds a plan of some 10 KiB for each."""
T = TypeVar("T")
_SOCKET = re.compile(r"(/.*)/\.s\.PGSQL\.(\d+)")


class PostgresConnection(psycopg.Connection[Any]):
    """Psycopg's, whose named cursors outlive the statement also where no transaction is open."""

    statement_timeout: float = math.inf
    lock_timeout: int = 0
    is_pooled = False
    """Whether a pooler gives the server's connection to others between transactions."""
    patience: float | None = None
    """Seconds after which a server that answers nothing is given up."""

    def wait(self, gen: PQGen[T], interval: float = INTERVAL, timeout: float | None = None) -> T:
        """Let the server answer; one that hangs cannot end its own statement."""
        return super().wait(gen, interval, self.patience if timeout is None else timeout)

    def cursor(self, name: str = "", **options: Any) -> Any:
        """A cursor; with a name it stands on the server and its rows are those of now."""
        return super().cursor(**_cursor_options(self, name, options))


class _AsyncCursor(psycopg.AsyncCursor[Any]):
    """Psycopg's, whose task is cancelled also where it enters a pipeline."""

    async def executemany(self, *arguments: Any, **options: Any) -> None:
        """Run a statement for each row of values."""
        try:
            await super().executemany(*arguments, **options)
        except AssertionError as error:
            # Cancelled there, psycopg stays in the pipeline, and stumbles over that instead.
            self._conn.pgconn.finish()
            if isinstance(error.__context__, asyncio.CancelledError):
                raise error.__context__ from None
            raise


class _AsyncServerCursor(psycopg.AsyncServerCursor[Any]):
    """Psycopg's, of which nothing stays on the server when its task is cancelled."""

    @property
    def closed(self) -> bool:
        """Whether it is; it ends with its connection."""
        return super().closed or self._conn.closed

    async def close(self) -> None:
        """Close it, which a cancelled task waits for."""
        await finished(super().close(), self._conn.pgconn.finish)


class PostgresAsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for async mode."""

    statement_timeout: float = math.inf
    lock_timeout: int = 0
    is_pooled = False
    patience: float | None = None

    async def wait(
        self,
        gen: PQGen[T],
        interval: float = INTERVAL,
        timeout: float | None = None,  # noqa: ASYNC109  psycopg's own
    ) -> T:
        """Let the server answer; one that hangs cannot end its own statement."""
        return await super().wait(gen, interval, self.patience if timeout is None else timeout)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = _AsyncCursor
        self.server_cursor_factory = _AsyncServerCursor

    def __del__(self, *_: Any) -> None:
        """Nothing to warn of: a task that is cancelled while SQLAlchemy sets a connection up drops it."""

    def cursor(self, name: str = "", **options: Any) -> Any:
        """A cursor; with a name it stands on the server and its rows are those of now."""
        return super().cursor(**_cursor_options(self, name, options))


def _cursor_options(connection: Any, name: str, options: dict[str, Any]) -> dict[str, Any]:
    if not name:
        return options
    idle = connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
    return {"name": name, "withhold": idle, **options}


class _Adapted(AsyncAdapt_psycopg_connection):
    """SQLAlchemy's view of it, which closes without waiting: also where nothing can wait any more."""

    __slots__ = ()

    def close(self) -> None:
        """Say good-bye without waiting for an answer, as psycopg itself does."""
        self._connection.pgconn.finish()


def create(database: DatabaseLike, mode: Mode, *, scoped: bool) -> sa.Engine:
    """An engine of SQLAlchemy; nothing is opened.

    Args:
        database: Which.
        mode: Of the driver; migrations always use the sync one.
        scoped: Whether it serves scopes, from a pool and in driver autocommit.
    """
    if not scoped:
        if database.pooler == "transaction":
            raise PoolerInTheWay(database.name)
        given = parameters(database, scoped=False)
        adapters = postgres_types.adapters()
        migrating = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: _connect(given, adapters, autocommit=True),
            poolclass=NullPool,
            paramstyle="format",
            use_native_hstore=False,
            hide_parameters=True,
        )
        # The driver is in autocommit: what begins a transaction is said here.
        sa.event.listen(migrating, "begin", lambda c: c.exec_driver_sql("BEGIN"))
        return migrating

    open_: Any = None

    def creator() -> Any:  # what it calls needs the dialect, which the engine makes
        return open_()

    engine = sa.create_engine(
        "postgresql+psycopg://" if mode == "sync" else "postgresql+psycopg_async://",
        creator=creator,
        poolclass=FairPool,
        pool_size=database.pool_size,
        pool_timeout=database.pool_timeout,
        pool_reset_on_return=None,
        hide_parameters=True,  # errors, and so logs, name no values
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        paramstyle="format",
        use_native_hstore=False,  # which asks the server
    )
    open_ = opener(database, mode, engine.dialect)
    return engine


def opener(database: DatabaseLike, mode: Mode, dialect: sa.Dialect) -> Callable[[], Any]:
    """What opens a connection for scopes.

    Args:
        database: Which.
        mode: Of the driver.
        dialect: SQLAlchemy's, of that driver.
    """
    given = parameters(database, scoped=True)
    adapters = postgres_types.adapters()
    usual = database.statement_timeout or math.inf
    patience = None if usual == math.inf else usual + GRACE
    adapter: Any = dialect.loaded_dbapi

    def connect() -> Any:
        if mode == "sync":
            connection = _connect(given, adapters)
            connection.statement_timeout, connection.patience = usual, patience
            _pooled(connection, database)
            return connection
        opening: Any = _connect_async(
            given, adapters
        )  # SQLAlchemy's protocol of it is wider than what it uses
        adapted = await_(_Adapted.create(adapter, opening))
        driver: Any = adapted.driver_connection
        driver.statement_timeout, driver.patience = usual, patience
        _pooled(driver, database)
        return adapted

    return connect


def _pooled(connection: Any, database: DatabaseLike) -> None:
    """Prepared statements would stand on a server's connection that is another client's by then."""
    connection.is_pooled = database.pooler == "transaction"
    if connection.is_pooled:
        connection.prepare_threshold = None
        connection.lock_timeout = milliseconds(database.busy_timeout)


def _connect(given: dict[str, Any], adapters: AdaptersMap, *, autocommit: bool = False) -> PostgresConnection:
    connection = PostgresConnection.connect(**given, context=adapters, autocommit=autocommit)
    connection.prepared_max = MOST_PREPARED
    return connection


async def _connect_async(given: dict[str, Any], adapters: AdaptersMap) -> PostgresAsyncConnection:
    try:
        connection = await PostgresAsyncConnection.connect(**given, context=adapters, autocommit=True)
    except BaseException as error:
        # A connection that was begun ends with the last reference to it, and psycopg leaves that to us when
        # the task is cancelled: the traceback would hold it, and its place on the server, for long.
        traceback.clear_frames(error.__traceback__)
        raise
    connection.prepared_max = MOST_PREPARED
    return connection


def parameters(database: DatabaseLike, *, scoped: bool) -> dict[str, Any]:
    """What libpq is told; any character may stand in any of it.

    Args:
        database: Which.
        scoped: Whether statements end after DB_STATEMENT_TIMEOUT and waiting for a lock after
            DB_BUSY_TIMEOUT; migrations set limits of their own.
    """
    host, port = database.host, database.port
    if socket := _SOCKET.fullmatch(host):  # libpq wants its folder
        host, port = socket[1], int(socket[2])
    statement = database.statement_timeout if scoped else 0.0
    lock = database.busy_timeout if scoped else 0.0
    options = {
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "standard_conforming_strings": "on",  # migrations write literals, in which a backslash is one
        "extra_float_digits": 1,  # 0 would round what is stored exactly
        "statement_timeout": milliseconds(statement),
        "lock_timeout": milliseconds(lock),
        "default_transaction_isolation": "read\\ committed",
    }
    if not scoped:  # who owns the tables sees the rows of all tenants while he migrates
        options |= {"prefiq.tenant": "", "prefiq.migrating": "on"}
    if database.schema:  # alone: a table that is missing there must not be found elsewhere
        options["search_path"] = database.schema
    values: dict[str, Any] = {
        "host": host,
        "port": port or None,
        "user": database.user or None,
        "password": database.password.reveal() if database.password else None,
        "dbname": database.database,
        # libpq counts in whole seconds, of which two are the least.
        "connect_timeout": max(2, math.ceil(database.connect_timeout)),
        "application_name": f"prefiq {database.name}",
        "client_encoding": "UTF8",
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        # A server that vanished without a word is noticed within a minute.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        **_tls(database),
    }
    if database.pooler == "transaction":  # which refuses them, or would give them to others
        del values["options"]
    return {name: value for name, value in values.items() if value is not None}


def milliseconds(seconds: float) -> int:
    """As PostgreSQL takes it: whole, and 0 for no end, which a short time must not become."""
    return min(math.ceil(seconds * 1000), 2**31 - 1)


def _tls(database: DatabaseLike) -> dict[str, Any]:
    if database.host.startswith("/"):
        return {}  # libpq does not encrypt a Unix socket
    authorities = database.tls_ca or (_authorities() if database.tls.startswith("verify") else None)
    files: dict[str, Path | str | None] = {
        "sslrootcert": authorities,
        "sslcert": database.tls_cert,
        "sslkey": database.tls_key,
    }
    return {"sslmode": database.tls} | {name: str(value) for name, value in files.items() if value}


def _authorities() -> str:
    """The file of the system's authorities; psycopg's own OpenSSL may look for it elsewhere."""
    return ssl.get_default_verify_paths().cafile or "system"
