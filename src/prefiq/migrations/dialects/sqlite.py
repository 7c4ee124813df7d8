"""SQLite: DDL is transactional, but much of it cannot be said; such a table is built anew and its rows copied.

The way is the one SQLite's documentation gives ("Making other kinds of table schema changes"): references
unwatched, new table, rows, old table dropped, new one renamed, indexes, references checked.
"""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import sqlalchemy as sa

from prefiq.migrations.dialects.ddl import create_table, indexes_of, said
from prefiq.migrations.dialects.renderer import NO_STRAYS, Strays
from prefiq.migrations.dialects.sqlite_catalog import fingerprint, strays_in
from prefiq.migrations.dialects.sqlite_fields import DIALECT, change_fields, column_of, quoted, table_in
from prefiq.migrations.errors import MigrationLocked
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
from prefiq.migrations.snapshot import ModelState, Schema
from prefiq.migrations.steps import Ask, Call, Sql, Step

__all__ = ["SQLITE", "SqliteRenderer"]

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
POLL = 0.2


class SqliteRenderer:
    """SQLite's words."""

    name = "sqlite"
    opening: tuple[str, ...] = ("PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE")
    dialect: sa.Dialect = DIALECT

    def render(
        self,
        changes: Sequence[Change],
        module: str,
        now: datetime,
        strays: Mapping[str, Strays] = NO_STRAYS,
    ) -> list[Step]:
        """The steps of operations; changes of several columns of one table build it anew once."""
        steps: list[Step] = []
        waiting: list[Change] = []
        for change in changes:
            if waiting and not _joins(change, waiting):
                steps += change_fields(waiting, module, now, strays)
                waiting = []
            if column_of(change.operation) is not None:
                waiting.append(change)
            else:
                steps += _steps(change, module)
        return [*steps, *change_fields(waiting, module, now, strays)] if waiting else steps

    def strays(
        self, connection: sa.Connection, changes: Sequence[Change], module: str
    ) -> Mapping[str, Strays]:
        """Columns ``x_…`` that the schema does not know, with their references and indexes."""
        cursor = connection.connection.cursor()
        try:
            before: dict[str, ModelState] = {}
            for change in changes:
                column = column_of(change.operation)
                model = None if column is None else change.before.table(module, column[0])
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

    @contextmanager
    def transaction(
        self, connection: sa.Connection, *, wait: float, sleep: Callable[[float], None]
    ) -> Iterator[None]:
        """BEGIN IMMEDIATE, polled; references unwatched until the end."""
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection), "SQLite is reached by the standard library's driver"
        watched = raw.execute("PRAGMA foreign_keys").fetchone()[0]
        patience = raw.execute("PRAGMA busy_timeout").fetchone()[0]
        # Inside a transaction this pragma does nothing.
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute(f"PRAGMA busy_timeout = {int(POLL * 1000)}")
        try:
            transaction = _begin(connection, raw, wait, sleep)
            raw.execute(f"PRAGMA busy_timeout = {patience}")
            try:
                yield
                transaction.commit()
            except BaseException:
                if transaction.is_active:  # a step may have ended it
                    transaction.rollback()
                raise
            finally:
                # An engine in autocommit leaves ending to whoever began.
                if raw.in_transaction:
                    raw.rollback()
        finally:
            raw.execute(f"PRAGMA busy_timeout = {patience}")
            raw.execute(f"PRAGMA foreign_keys = {watched}")

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

    def expected(self, schema: Schema) -> dict[str, dict[str, str]]:
        """What a database in memory says of the tables of a schema."""
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
    return column is not None and column not in taken and taken[0] is not None and column[0] == taken[0][0]


def _steps(change: Change, module: str) -> list[Step]:
    operation, title = change.operation, change.operation.title

    def model(schema: Schema, name: str) -> ModelState:
        return table_in(schema, module, name, title)

    match operation:
        case CreateModel(name):
            return [Sql(text, title) for text in create_table(DIALECT, model(change.after, name))]
        case DropModel(name):
            return [Sql(f"DROP TABLE {quoted(model(change.before, name).table)}", title, moves=True)]
        case RenameField(name, old, new):
            table = quoted(model(change.before, name).table)
            return [Sql(f"ALTER TABLE {table} RENAME COLUMN {quoted(old)} TO {quoted(new)}", title)]
        case RenameModel(old, _) if "." in old:
            return []  # the module that owns the table has renamed it
        case RenameModel(old, new):
            names = model(change.before, old).table, model(change.after, new).table
            return [Sql(text, title) for text in said(DIALECT, lambda impl: impl.rename_table(*names))]
        case AddIndex(name, index):
            return _add_index(model(change.after, name), index.name, title)
        case DropIndex(_, index_name):
            return [Sql(f"DROP INDEX {quoted(index_name)}", title)]
        case RunSteps(function):
            return [Call(function, title, change.after)]
    raise NotImplementedError(type(operation).__name__)


def _begin(
    connection: sa.Connection, raw: sqlite3.Connection, wait: float, sleep: Callable[[float], None]
) -> sa.RootTransaction:
    end = time.monotonic() + wait
    while True:
        try:
            transaction = connection.begin()
            if not raw.in_transaction:
                try:
                    raw.execute("BEGIN IMMEDIATE")
                except BaseException:
                    transaction.rollback()
                    raise
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            cause = getattr(error, "orig", error)
            if getattr(cause, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
                raise
            if time.monotonic() >= end:
                raise MigrationLocked("SQLite", wait) from error
            sleep(POLL / 4)
        else:
            return transaction


def _add_index(model: ModelState, name: str, title: str) -> list[Step]:
    _, indexes = indexes_of(model)
    index = next(index for index in indexes if index.name == name)
    steps: list[Step] = []
    if index.unique:
        columns = [quoted(column.name) for column in index.columns]
        present = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        doubled = f"GROUP BY {', '.join(columns)} HAVING count(*) > 1"
        question = (
            "SELECT coalesce(sum(doubled), 0) FROM (SELECT count(*) AS doubled "
            f"FROM {quoted(model.table)} WHERE {present} {doubled})"
        )
        fields = [column.name for column in index.columns if column.name != "tenant_id"]
        steps.append(Ask(question, f"several have the same {' and '.join(fields)}", title))
    return [*steps, *(Sql(text, title) for text in said(DIALECT, lambda impl: impl.create_index(index)))]


SQLITE = SqliteRenderer()
