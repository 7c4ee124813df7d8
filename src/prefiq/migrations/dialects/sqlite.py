"""SQLite: DDL is transactional, but much of it cannot be said; such a table is built anew and its rows copied.

The way is the one SQLite's documentation gives ("Making other kinds of table schema changes"): references
unwatched, new table, rows, old table dropped, new one renamed, indexes, references checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar, cast

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.ddl import create_table, indexes_of, said
from prefiq.migrations.dialects.fit import doubled
from prefiq.migrations.dialects.plain import PlainRenderer
from prefiq.migrations.dialects.renderer import NO_STRAYS, Referrer, Strays
from prefiq.migrations.dialects.sqlite_catalog import fingerprint, strays_in
from prefiq.migrations.dialects.sqlite_fields import DIALECT, WORDS, change_fields, column_of, quoted
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import (
    AddIndex,
    CreateModel,
    DropIndex,
    DropModel,
    RenameField,
    RenameModel,
    RunSteps,
)
from prefiq.migrations.patience import Patience
from prefiq.migrations.snapshot import ModelState, Schema
from prefiq.migrations.steps import Call, Sql, Step

__all__ = ["SQLITE", "SqliteRenderer"]

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
POLL = 0.2
T = TypeVar("T")


class SqliteRenderer(PlainRenderer):
    """SQLite's words."""

    name = "sqlite"
    title = "SQLite"
    opening: tuple[str, ...] = ("PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE")
    closing: tuple[str, ...] = ("COMMIT",)
    table_options = ""
    dialect: sa.Dialect = DIALECT
    atomic = True
    watchful = False

    def render(
        self, changes: Sequence[Change], now: datetime, strays: Mapping[str, Strays] = NO_STRAYS
    ) -> list[Step]:
        """The steps of operations; changes of several columns of one table build it anew once."""
        steps: list[Step] = []
        waiting: list[Change] = []
        for change in changes:
            if waiting and not _joins(change, waiting):
                steps += change_fields(waiting, now, strays)
                waiting = []
            if column_of(change.operation) is not None:
                waiting.append(change)
            else:
                steps += _steps(change)
        return [*steps, *change_fields(waiting, now, strays)] if waiting else steps

    def strays(self, connection: sa.Connection, changes: Sequence[Change]) -> Mapping[str, Strays]:
        """Columns ``x_…`` that the schema does not know, with their references and indexes."""
        cursor = connection.connection.cursor()
        try:
            before: dict[str, ModelState] = {}
            for change in changes:
                column = column_of(change.operation)
                model = None if column is None else change.before.table(change.module, column[0])
                if model is not None:
                    before.setdefault(model.table, model)  # what later changes drop is no stray
            found: dict[str, Strays] = {}
            for table, model in before.items():
                known = {field.name for field in model.fields}
                strays = strays_in(cast("sqlite3.Cursor", cursor), table, known, quoted)
                if strays is not None:
                    found[table] = strays
            return found
        finally:
            cursor.close()

    def exclusively(
        self, connection: sa.Connection, work: Callable[[], T], *, wait: float, sleep: Callable[[float], None]
    ) -> T:
        """BEGIN IMMEDIATE, polled; references unwatched until the end."""
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection), "SQLite is reached by the standard library's driver"
        watched = driver.execute("PRAGMA foreign_keys").fetchone()[0]
        patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        # Inside a transaction this pragma does nothing.
        driver.execute("PRAGMA foreign_keys = OFF")
        driver.execute(f"PRAGMA busy_timeout = {int(POLL * 1000)}")
        try:
            transaction = _begin(connection, driver, Patience(wait, sleep, self.title, longest=POLL))
            driver.execute(f"PRAGMA busy_timeout = {patience}")
            try:
                result = work()
                transaction.commit()
            except BaseException:
                if transaction.is_active:  # a step may have ended it
                    transaction.rollback()
                raise
            finally:
                # An engine in autocommit leaves ending to whoever began.
                if driver.in_transaction:
                    driver.rollback()
        finally:
            driver.execute(f"PRAGMA busy_timeout = {patience}")
            driver.execute(f"PRAGMA foreign_keys = {watched}")
        return result

    def is_large(self, connection: sa.Connection, table: str) -> bool:
        """There is one way only."""
        del connection, table
        return False

    def define(self, connection: sa.Connection, step: Sql, *, may_block: bool) -> None:
        """Writers wait anyway."""
        del may_block
        raw.run(connection, step.text)

    def is_busy(self, error: BaseException) -> bool:
        """Whether another process writes."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY

    def reason(self, error: BaseException) -> str:
        """``SQLITE_CONSTRAINT_UNIQUE`` and the like."""
        return str(getattr(error, "sqlite_errorname", type(error).__name__))

    def has_table(self, connection: sa.Connection, table: str) -> bool:
        """Whether there is such a table."""
        return bool(self.definition(connection, table))

    def definition(self, connection: sa.Connection, table: str) -> str:
        """Its CREATE TABLE."""
        cursor = connection.connection.cursor()
        try:
            query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
            found = cursor.execute(query, (table,)).fetchone()
            return str(found[0]) if found else ""
        finally:
            cursor.close()

    def referrers(self, connection: sa.Connection, tables: Collection[str]) -> list[Referrer]:
        """None: SQLite lets a table go that others refer to, and ``broken_references`` tells of their rows."""
        del connection, tables
        return []

    def in_transaction(self, connection: sa.Connection) -> bool:
        """As the driver sees it."""
        return bool(getattr(connection.connection.driver_connection, "in_transaction", False))

    def broken_references(self, connection: sa.Connection) -> dict[str, int]:
        """Table → how many of its rows refer to rows that are not there."""
        cursor = connection.connection.cursor()
        try:
            found: dict[str, int] = {}
            for table, *_ in cursor.execute("PRAGMA foreign_key_check").fetchall():
                found[table] = found.get(table, 0) + 1
            return found
        finally:
            cursor.close()

    def fingerprint(self, connection: sa.Connection, table: str) -> dict[str, str]:
        """What the database says of a table."""
        cursor = connection.connection.cursor()
        try:
            return fingerprint(cast("sqlite3.Cursor", cursor), table)
        finally:
            cursor.close()

    def expected(self, connection: sa.Connection, schema: Schema) -> dict[str, dict[str, str]]:
        """What a database in memory says of the tables of a schema."""
        del connection
        scratch = sqlite3.connect(":memory:")
        try:
            for model in schema.tables:
                for text in create_table(DIALECT, model):
                    scratch.execute(text)
            cursor = scratch.cursor()
            return {model.table: fingerprint(cursor, model.table) for model in schema.tables}
        finally:
            scratch.close()


def _joins(change: Change, waiting: Sequence[Change]) -> bool:
    """Whether a change is of another column of the same table."""
    column = column_of(change.operation)
    taken = [column_of(before.operation) for before in waiting]
    return (
        column is not None
        and column not in taken
        and taken[0] is not None
        and (change.module, column[0]) == (waiting[0].module, taken[0][0])
    )


def _steps(change: Change) -> list[Step]:
    title = change.title
    match change.operation:
        case CreateModel(name):
            return [Sql(text, title) for text in create_table(DIALECT, change.table(name, after=True))]
        case DropModel(name):
            return [Sql(f"DROP TABLE {quoted(change.table(name, after=False).table)}", title, moves=True)]
        case RenameField(name, old, new):
            table = quoted(change.table(name, after=False).table)
            return [Sql(f"ALTER TABLE {table} RENAME COLUMN {quoted(old)} TO {quoted(new)}", title)]
        case RenameModel(old, _) if "." in old:
            return []  # the module that owns the table has renamed it
        case RenameModel(old, new):
            names = change.table(old, after=False).table, change.table(new, after=True).table
            return [Sql(text, title) for text in said(DIALECT, lambda impl: impl.rename_table(*names))]
        case AddIndex(name, index):
            return _add_index(change.table(name, after=True), index.name, title)
        case DropIndex(_, index_name):
            return [Sql(f"DROP INDEX {quoted(index_name)}", title)]
        case RunSteps(function):
            return [Call(function, title, change.module, change.after)]
    raise NotImplementedError(type(change.operation).__name__)


def _begin(connection: sa.Connection, driver: sqlite3.Connection, patience: Patience) -> sa.RootTransaction:
    while True:
        try:
            transaction = connection.begin()
            if not driver.in_transaction:
                try:
                    driver.execute("BEGIN IMMEDIATE")
                except BaseException:
                    transaction.rollback()
                    raise
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            if not SQLITE.is_busy(getattr(error, "orig", None) or error):
                raise
            patience.pause(error)
        else:
            return transaction


def _add_index(model: ModelState, name: str, title: str) -> list[Step]:
    _, indexes = indexes_of(model)
    index = next(index for index in indexes if index.name == name)
    steps: list[Step] = []
    if index.unique:
        steps.append(doubled(WORDS, model.table, [column.name for column in index.columns], title))
    return [*steps, *(Sql(text, title) for text in said(DIALECT, lambda impl: impl.create_index(index)))]


SQLITE = SqliteRenderer()
