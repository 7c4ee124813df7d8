"""Changes of a table's columns on SQLite: said where it can be, else the table is built anew, once for all of them."""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from prefiq.lowcode.field import MISSING
from prefiq.migrations.dialects.ddl import create_table, indexes_of, said
from prefiq.migrations.dialects.renderer import NO_STRAYS, Strays, value_literal
from prefiq.migrations.dialects.sqlite_fit import asks, conversion
from prefiq.migrations.errors import BadOperation
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import AddField, AlterField, DropField, Operation
from prefiq.migrations.snapshot import FieldState, ModelState, Schema
from prefiq.migrations.steps import Ask, Sql, Step

__all__ = ["DIALECT", "change_fields", "column_of", "quoted", "table_in"]

DIALECT = SQLiteDialect_pysqlite()


@dataclass(slots=True)
class _Part:
    """One change on its own.

    Args:
        title: For people.
        asks: What has to be so before it.
        said: Statements that do it; None where only a new table does.
        values: Column → SQL for its value in a new table.
    """

    title: str
    asks: list[Step] = field(default_factory=list)
    said: list[Step] | None = None
    values: dict[str, str] = field(default_factory=dict)


def quoted(name: str) -> str:
    """A name, quoted where SQLite's words or signs make it necessary."""
    return str(DIALECT.identifier_preparer.quote(name))


def column_of(operation: Operation) -> tuple[str, str] | None:
    """Model and column that an operation changes, or None where it is no change of a column."""
    match operation:
        case AddField(model, state) | AlterField(model, state):
            return model, state.name
        case DropField(model, name):
            return model, name
    return None


def change_fields(
    changes: Sequence[Change], module: str, now: datetime, strays: Mapping[str, Strays] = NO_STRAYS
) -> list[Step]:
    """The steps of changes of different columns of one model.

    Args:
        changes: One after the other, without anything in between.
        module: The module whose migration it is.
        now: Aware UTC time for ``fill=now``.
        strays: By table, what modules that are not listed have added; it is kept.
    """
    parts = [_part(change, module, now) for change in changes]
    questions = [question for part in parts for question in part.asks]
    if all(part.said is not None for part in parts):
        return [*questions, *(step for part in parts for step in part.said or ())]
    values = {column: value for part in parts for column, value in part.values.items()}
    title = " and ".join(part.title for part in parts)
    after = _model(changes[-1], module, after=True)
    return [*questions, *_rebuild(after, values, title, strays.get(after.table, NOTHING))]


def _model(change: Change, module: str, *, after: bool) -> ModelState:
    column = column_of(change.operation)
    assert column is not None, "only changes of columns come here"
    return table_in(change.after if after else change.before, module, column[0], change.operation.title)


def table_in(schema: Schema, module: str, name: str, title: str) -> ModelState:
    """The whole table of a model at one point.

    Raises:
        BadOperation: It is another module's, and not there yet.
    """
    found = schema.table(module, name)
    if found is None:
        raise BadOperation(title, f"{name} is not there yet: name the migration that makes it in requires")
    return found


def _part(change: Change, module: str, now: datetime) -> _Part:
    operation, title = change.operation, change.operation.title
    before, after = _model(change, module, after=False), _model(change, module, after=True)
    match operation:
        case AddField(_, state, fill):
            return _add(before, after, state, _literal(state, fill, now, title), title)
        case AlterField(_, state, fill):
            return _alter(before, after, state, _literal(state, fill, now, title), title)
    return _Part(title)


def _literal(state: FieldState, fill: Any, now: datetime, title: str) -> str | None:
    return None if fill is MISSING else value_literal(state, fill, DIALECT, now, title)


def _add(before: ModelState, after: ModelState, state: FieldState, value: str | None, title: str) -> _Part:
    part = _Part(title, values={state.name: value or "NULL"})
    if state.nullable and state.ref is None:
        table, _ = indexes_of(after)
        texts = said(DIALECT, lambda impl: impl.add_column(after.table, table.c[state.name]))
        if value is not None:
            texts.append(f"UPDATE {quoted(after.table)} SET {quoted(state.name)} = {value}")
        part.said = [Sql(text, title) for text in texts]
    elif value is None and not state.nullable:
        question = f"SELECT count(*) FROM {quoted(before.table)}"
        part.asks.append(Ask(question, f"they would have no value for {state.name}", title))
    return part


def _alter(before: ModelState, after: ModelState, state: FieldState, value: str | None, title: str) -> _Part:
    old = before.field(state.name)
    assert old is not None, "the operation was played before"
    column = quoted(state.name)
    expression = conversion(column, old, state)
    if value is not None:
        expression = f"COALESCE({expression}, {value})"
    part = _Part(title, [*asks(before, old, state, filled=value is not None, title=title)])
    part.values = {state.name: expression}
    if expression == column and create_table(DIALECT, before) == create_table(DIALECT, after):
        part.said = []  # SQLite tells no lengths and no choices apart
    return part


NOTHING = Strays({})


def _rebuild(after: ModelState, values: dict[str, str], title: str, strays: Strays) -> list[Step]:
    """The table anew, with its rows.

    Args:
        after: As it shall be, under the name that it has.
        values: Column → SQL for its value; every other column keeps its value.
        title: For people.
        strays: What stands in the table beside it, and stays.
    """
    table, temporary = quoted(after.table), quoted(f"prefiq_new_{after.table}")
    create, *indexes = create_table(DIALECT, after)
    head = f"CREATE TABLE {table} "
    assert create.startswith(head), "the compiler begins with the table's name"
    kept = [quoted(name) for name in strays.columns]
    columns = ", ".join([*(quoted(state.name) for state in after.fields), *kept])
    expressions = ", ".join([*(values.get(f.name, quoted(f.name)) for f in after.fields), *kept])
    definitions = [f"{quoted(name)} {definition}, " for name, definition in strays.columns.items()]
    body = create.removeprefix(head).strip().removeprefix("(").removesuffix(")")
    texts = [
        f"CREATE TABLE {temporary} ({''.join(definitions)}{body}{''.join(f', {r}' for r in strays.references)})",
        f"INSERT INTO {temporary} ({columns}) SELECT {expressions} FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {temporary} RENAME TO {table}",
        *indexes,
        *strays.indexes,
    ]
    return [Sql(text, title, moves=True) for text in texts]
