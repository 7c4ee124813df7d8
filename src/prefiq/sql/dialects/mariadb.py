"""MariaDB: InnoDB, texts compared code point by code point, instants in UTC; PyMySQL, and asyncmy in async mode.

Source: MariaDB, "Server System Variables"; "SET TRANSACTION"; "START TRANSACTION".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymysql
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from prefiq.contracts.transactions import Isolation
from prefiq.sql.dialects import mariadb_faults
from prefiq.sql.dialects.engine import DatabaseEngine, DatabaseLike, Fault, Mode, RawGuard
from prefiq.sql.dialects.mariadb_compiler import MariadbCompiler
from prefiq.sql.dialects.mariadb_session import MariadbConnection, MariadbSession, connect
from prefiq.sql.dialects.mariadb_types import COLLATION, codec_of, storage_of
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import DriverMissing
from prefiq.sql.fair_pool import FairPool
from prefiq.sql.types import Codec, FieldType

__all__ = ["MARIADB", "MariadbEngine", "asynchronous"]


FOLDING = "utf8mb4_unicode_520_nopad_ci"
"""Only for LOWER: the binary collation has the small letters of an older Unicode."""


class MariadbEngine:
    """MariaDB in driver autocommit: only our own START TRANSACTION begins."""

    name = "mariadb"
    mode: Mode = "sync"
    driver_error: type[Exception] = pymysql.MySQLError
    statement_compiler: type[Any] = MariadbCompiler
    table_functions: frozenset[str] = frozenset()

    def begin(self, *, read_only: bool, isolation: Isolation | None) -> tuple[str, ...]:
        """READ COMMITTED is the session's level; any other is said for this transaction, in the same round trip."""
        level, start = isolation or "read committed", "START TRANSACTION"
        if read_only and level == "serializable":  # it locks what it reads: a snapshot would be another one
            start = "START TRANSACTION READ ONLY"
        elif read_only:
            level, start = "repeatable read", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
        if level == "read committed":
            return (start,)
        return (f"BEGIN NOT ATOMIC SET TRANSACTION ISOLATION LEVEL {level.upper()}; {start}; END",)

    def session(self, connection: MariadbConnection) -> Session:
        """The executor's view of a connection."""
        return MariadbSession(connection)

    def storage(self, type_: FieldType) -> sa.types.TypeEngine[Any]:
        """See ``mariadb_types``."""
        return storage_of(type_)

    def codec(self, type_: FieldType) -> Codec:
        """See ``mariadb_types``."""
        return codec_of(type_)

    def create(self, database: DatabaseLike, key: str, *, scoped: bool) -> sa.Engine:
        """An engine of SQLAlchemy; migrations use PyMySQL in both modes."""
        del key

        def open_() -> MariadbConnection:
            return connect(database, scoped=scoped)

        if scoped:
            return self._pooled("mariadb+pymysql://", open_, database)
        engine = sa.create_engine(
            "mariadb+pymysql://",
            paramstyle="format",
            creator=open_,
            poolclass=NullPool,
            hide_parameters=True,
        )
        # The driver is in autocommit: what begins a transaction is said here.
        sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("START TRANSACTION"))
        return engine

    def opener(self, database: DatabaseLike, key: str, dialect: sa.Dialect) -> Callable[[], Any]:
        """Opens a connection of PyMySQL."""
        del key, dialect
        return lambda: connect(database, scoped=True)

    @staticmethod
    def _pooled(url: str, creator: Callable[[], Any], database: DatabaseLike) -> sa.Engine:
        return sa.create_engine(
            url,
            paramstyle="format",
            creator=creator,
            poolclass=FairPool,
            pool_size=database.pool_size,
            pool_timeout=database.pool_timeout,
            pool_reset_on_return=None,
            hide_parameters=True,  # errors, and so logs, name no values
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )

    def anchor(self, database: DatabaseLike, key: str) -> None:
        """A server keeps its databases by itself."""
        del database, key

    def guard(self, connection: Any, allows: RawGuard) -> None:
        """None: the server has no such wall in a session; ``TenantScope.check_raw`` reads the text."""
        del connection, allows

    def contains(self, column: Any, value: Any, *, fold: bool) -> Any:
        """``instr``, which knows no wildcards and follows the collation.

        Small letters are those of Unicode 5.2, and a Greek sigma at a word's end is one like any other.
        """
        if fold:
            # Its small letter is two code points, which LOWER never makes of one.
            column = sa.func.replace(
                column, "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i\u0307", type_=sa.Text()
            )
            column = sa.collate(sa.func.lower(sa.collate(column, FOLDING), type_=sa.Text()), COLLATION)
        return sa.func.instr(column, value, type_=sa.Integer()) > 0

    def startswith(self, column: Any, value: Any) -> Any:
        """LIKE with the value's own wildcards taken away: an index serves it."""
        for sign in ("|", "%", "_"):
            value = sa.func.replace(value, sign, "|" + sign, type_=sa.Text())
        return column.like(sa.func.concat(value, "%", type_=sa.Text()), escape="|")

    def order(self, column: Any, *, descending: bool) -> Any:
        """NULL is MariaDB's smallest value already."""
        return column.desc() if descending else column.asc()

    def explain(self, error: BaseException, database: str) -> Fault:
        """By MariaDB's numbers."""
        return mariadb_faults.explain(error, database)


MARIADB = MariadbEngine()


def asynchronous() -> DatabaseEngine:
    """The engine in async mode.

    Raises:
        DriverMissing: asyncmy is not installed.
    """
    try:
        from prefiq.sql.dialects import mariadb_async
    except ImportError as error:
        raise DriverMissing("mariadb", "async", "prefiq[async]") from error
    return mariadb_async.MARIADB_ASYNC
