"""SQLite: DDL is transactional, but much of it cannot be said; such a table is built anew and its rows copied.

The way is the one SQLite's documentation gives ("Making other kinds of table schema changes"): references
unwatched, new table, rows, old table dropped, new one renamed, indexes, references checked.
"""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from prefiq.lowcode.field import MISSING
from prefiq.migrations.dialects.ddl import create_table, indexes_of, said
from prefiq.migrations.dialects.renderer import value_literal
from prefiq.migrations.dialects.sqlite_catalog import fingerprint
from prefiq.migrations.dialects.sqlite_fit import asks, conversion
from prefiq.migrations.errors import MigrationLocked
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    RenameField,
    RenameModel,
    RunSteps,
)
from prefiq.migrations.snapshot import FieldState, ModelState, Schema
from prefiq.migrations.steps import Ask, Call, Sql, Step

__all__ = ["SQLITE", "SqliteRenderer"]

_DIALECT = SQLiteDialect_pysqlite()
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
POLL = 0.2


class SqliteRenderer:
    """SQLite's words."""

    name = "sqlite"
    begin = "BEGIN IMMEDIATE"
    dialect: sa.Dialect = _DIALECT

    def render(self, change: Change, module: str, now: datetime) -> list[Step]:
        """The steps of one operation."""
        operation, title = change.operation, change.operation.title

        def model(schema: Schema, name: str) -> ModelState:
            found = schema.get(f"{module}.{name}")
            assert found is not None, "the operation was played before"
            return found

        match operation:
            case CreateModel(name):
                return [Sql(text, title) for text in create_table(_DIALECT, model(change.after, name))]
            case DropModel(name):
                return [Sql(f"DROP TABLE {quoted(model(change.before, name).table)}", title, moves=True)]
            case AddField(name, field, fill):
                return _add(model(change.before, name), model(change.after, name), field, fill, now, title)
            case AlterField(name, field, fill):
                return _alter(model(change.before, name), model(change.after, name), field, fill, now, title)
            case DropField(name, _):
                return _rebuild(model(change.after, name), {}, title)
            case RenameField(name, old, new):
                table = quoted(model(change.before, name).table)
                return [Sql(f"ALTER TABLE {table} RENAME COLUMN {quoted(old)} TO {quoted(new)}", title)]
            case RenameModel(old, new):
                names = model(change.before, old).table, model(change.after, new).table
                return _said(lambda impl: impl.rename_table(*names), title)
            case AddIndex(name, index):
                return _add_index(model(change.after, name), index.name, title)
            case DropIndex(_, index_name):
                return [Sql(f"DROP INDEX {quoted(index_name)}", title)]
            case RunSteps(function):
                return [Call(function, title)]
        raise NotImplementedError(type(operation).__name__)

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
                transaction.rollback()
                raise
            finally:
                # An engine in autocommit leaves ending to whoever began.
                if raw.in_transaction:
                    raw.rollback()
        finally:
            raw.execute(f"PRAGMA busy_timeout = {patience}")
            raw.execute(f"PRAGMA foreign_keys = {watched}")

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
            for model in schema:
                for text in create_table(_DIALECT, model):
                    scratch.execute(text)
            cursor = scratch.cursor()
            return {model.table: fingerprint(cursor, model.table) for model in schema}
        finally:
            scratch.close()


def quoted(name: str) -> str:
    """A name, quoted where SQLite's words or signs make it necessary."""
    return str(_DIALECT.identifier_preparer.quote(name))


def _said(say: Callable[[Any], None], title: str, *, moves: bool = False) -> list[Step]:
    return [Sql(text, title, moves) for text in said(_DIALECT, say)]


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


def _add(
    before: ModelState, after: ModelState, field: FieldState, fill: Any, now: datetime, title: str
) -> list[Step]:
    value = None if fill is MISSING else value_literal(field, fill, _DIALECT, now)
    if field.nullable and field.ref is None:
        table, _ = indexes_of(after)
        steps = _said(lambda impl: impl.add_column(after.table, table.c[field.name]), title)
        if value is not None:
            steps.append(Sql(f"UPDATE {quoted(after.table)} SET {quoted(field.name)} = {value}", title))
        return steps
    if value is not None or field.nullable:
        return _rebuild(after, {field.name: value or "NULL"}, title)
    question = f"SELECT count(*) FROM {quoted(before.table)}"
    problem = f"they would have no value for {field.name}"
    return [Ask(question, problem, title), *_rebuild(after, {field.name: "NULL"}, title)]


def _alter(
    before: ModelState, after: ModelState, field: FieldState, fill: Any, now: datetime, title: str
) -> list[Step]:
    old = before.field(field.name)
    assert old is not None, "the operation was played before"
    value = None if fill is MISSING else value_literal(field, fill, _DIALECT, now)
    expression = conversion(quoted(field.name), old, field)
    steps: list[Step] = [*asks(before, old, field, filled=value is not None, title=title)]
    if value is not None:
        expression = f"COALESCE({expression}, {value})"
    same_words = create_table(_DIALECT, before) == create_table(_DIALECT, after)
    if same_words and expression == quoted(field.name):
        return steps  # SQLite tells no lengths and no choices apart
    return [*steps, *_rebuild(after, {field.name: expression}, title)]


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
    return [*steps, *_said(lambda impl: impl.create_index(index), title)]


def _rebuild(after: ModelState, expressions: dict[str, str], title: str) -> list[Step]:
    """The table anew, with its rows.

    Args:
        after: As it shall be, under the name that it has.
        expressions: Column → SQL for its value; every other column keeps its value.
        title: For people.
    """
    table, temporary = quoted(after.table), quoted(f"prefiq_new_{after.table}")
    create, *indexes = create_table(_DIALECT, after)
    head = f"CREATE TABLE {table} "
    assert create.startswith(head), "the compiler begins with the table's name"
    columns = ", ".join(quoted(field.name) for field in after.fields)
    values = ", ".join(expressions.get(field.name, quoted(field.name)) for field in after.fields)
    texts = [
        f"CREATE TABLE {temporary} {create.removeprefix(head)}",
        f"INSERT INTO {temporary} ({columns}) SELECT {values} FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {temporary} RENAME TO {table}",
        *indexes,
    ]
    return [Sql(text, title, moves=True) for text in texts]


SQLITE = SqliteRenderer()
