"""MariaDB: each change of a table is kept by itself, so that a journal takes the place of the transaction.

A statement that alters a table waits for everybody who uses it, and everybody who comes after waits behind it.
So each gives up after a second, and is tried again a little later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, TypeVar

import pymysql
import sqlalchemy as sa
from pymysql.constants import SERVER_STATUS

from prefiq.migrations import raw
from prefiq.migrations.dialects import mariadb_catalog as catalog
from prefiq.migrations.dialects.mariadb_changes import steps_of
from prefiq.migrations.dialects.mariadb_tables import DIALECT, TABLE_OPTIONS, physical, quoted
from prefiq.migrations.dialects.plain import ServerRenderer
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.patience import Patience
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.steps import Sql
from prefiq.sql.dialects.mariadb_types import CHARSET, COLLATION

__all__ = ["MARIADB", "MariadbRenderer"]

_LOCK_WAIT = 1
"""Seconds that a statement waits for a lock, and that readers may wait behind it; MariaDB counts whole ones."""
_WAITED, _DEADLOCK = 1205, 1213
_NOT_SO = frozenset({1845, 1846})
"""The engine cannot make the change in the way that was asked for."""
_ONLINE = ", ALGORITHM=INPLACE, LOCK=NONE"
_SESSION = ("lock_wait_timeout", "innodb_lock_wait_timeout", "foreign_key_checks", "max_statement_time")
T = TypeVar("T")


class MariadbRenderer(ServerRenderer):
    """MariaDB's words."""

    name = "mariadb"
    title = "MariaDB"
    opening: tuple[str, ...] = (
        f"SET NAMES {CHARSET} COLLATE {COLLATION}, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    )
    closing: tuple[str, ...] = ()
    table_options = TABLE_OPTIONS
    dialect: sa.Dialect = DIALECT
    atomic = False

    def exclusively(
        self, connection: sa.Connection, work: Callable[[], T], *, wait: float, sleep: Callable[[float], None]
    ) -> T:
        """A lock of the server with the database's name, polled; it ends with the connection."""
        patience = Patience(wait, sleep, self.title)
        lock = literal(_lock_name(connection))
        while raw.run(connection, f"SELECT GET_LOCK({lock}, 0)")[0][0] != 1:
            patience.pause()
        try:
            with _session(connection):
                return work()
        finally:
            with contextlib.suppress(pymysql.Error):  # a connection that is lost has lost its lock
                raw.run(connection, f"SELECT RELEASE_LOCK({lock})")

    @contextmanager
    def together(self, connection: sa.Connection) -> Iterator[None]:
        """A transaction."""
        transaction = connection.begin()
        try:
            yield
            transaction.commit()
        except BaseException:
            with contextlib.suppress(pymysql.Error, sa.exc.DBAPIError):
                if transaction.is_active:  # a step may have ended it
                    transaction.rollback()
                if self.in_transaction(connection):
                    raw.run(connection, "ROLLBACK")
            raise

    def around(self, step: Sql) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """References are not looked at where questions do; tables are locked where questions ask for that."""
        before: list[str] = []
        after: list[str] = []
        if step.unchecked:
            before.append("SET foreign_key_checks = 0")
            after.append("SET foreign_key_checks = 1")
        if step.locked:
            tables = dict.fromkeys((*step.tables, *(table for ask in step.locked for table in ask.tables)))
            before.append("LOCK TABLES " + ", ".join(f"{quoted(table)} WRITE" for table in tables))
            after.insert(0, "UNLOCK TABLES")
        return tuple(before), tuple(after)

    def in_transaction(self, connection: sa.Connection) -> bool:
        """As the server said with its last answer; a statement that changes a table ends a transaction."""
        driver: Any = connection.connection.driver_connection
        return bool(driver.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    def define(self, connection: sa.Connection, step: Sql, *, may_block: bool) -> None:
        """Let others read and write meanwhile, where MariaDB can; copy a small table where it cannot."""
        if not step.text.startswith("ALTER TABLE"):
            raw.run(connection, step.text)
            return
        try:
            raw.run(connection, step.text + _ONLINE)
        except pymysql.Error as error:
            if _number(error) not in _NOT_SO:
                raise
            if not may_block:
                self.require_small(connection, step)
            raw.run(connection, step.text)

    def is_busy(self, error: BaseException) -> bool:
        """Whether it waited for a lock too long, or ended a deadlock."""
        return isinstance(error, pymysql.Error) and _number(error) in {_WAITED, _DEADLOCK}

    def reason(self, error: BaseException) -> str:
        """The number, which the documentation explains."""
        return f"MariaDB error {_number(error)}"

    def definition(self, connection: sa.Connection, table: str) -> str:
        """Its CREATE TABLE, without what inserts change."""
        return catalog.definition(connection, table)

    def expected(self, connection: sa.Connection, schema: Schema) -> dict[str, dict[str, str]]:
        """What it says of temporary tables, which nobody else sees."""
        return {model.table: catalog.expected(connection, physical(model)) for model in schema.tables}


@contextmanager
def _session(connection: sa.Connection) -> Iterator[None]:
    """What a migration needs of its connection, which is left as it was found."""
    (values,) = raw.run(connection, "SELECT " + ", ".join(f"@@SESSION.{name}" for name in _SESSION))
    wanted = (_LOCK_WAIT, _LOCK_WAIT, 1, 0)
    raw.run(connection, "SET " + ", ".join(f"{n} = {v}" for n, v in zip(_SESSION, wanted, strict=True)))
    try:
        yield
    finally:
        with contextlib.suppress(pymysql.Error):
            raw.run(
                connection, "SET " + ", ".join(f"{n} = {v}" for n, v in zip(_SESSION, values, strict=True))
            )


def _lock_name(connection: sa.Connection) -> str:
    database = str(raw.run(connection, "SELECT DATABASE()")[0][0])
    # The server's locks are those of all databases, and older releases take 64 signs.
    return f"prefiq migrations {sha256(database.encode()).hexdigest()[:32]}"


def _number(error: BaseException) -> int:
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


MARIADB = MariadbRenderer(catalog, steps_of)
