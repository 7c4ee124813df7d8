"""Changes of a table's columns on SQLite: said where it can be, else the table is built anew, once for all of them."""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from prefiq.lowcode.field import MISSING
from prefiq.migrations.dialects.ddl import create_table, indexes_of, said
from prefiq.migrations.dialects.fit import Words, asks, no_value, scale_of
from prefiq.migrations.dialects.renderer import NO_STRAYS, Strays, value_literal
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import AddField, AlterField, DropField, Operation
from prefiq.migrations.snapshot import FieldState, ModelState
from prefiq.migrations.steps import Sql, Step

__all__ = ["DIALECT", "WORDS", "change_fields", "column_of", "quoted"]

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


def _digits(column: str, old: FieldState, new: FieldState) -> Iterator[tuple[str, str]]:
    """Decimals are whole numbers of their last digit here, so another scale is another unit."""
    scale = scale_of(new)
    shift = scale - scale_of(old)
    if shift < 0:
        yield f"{column} % {10**-shift} <> 0", f"has more than {scale} digits behind the point"
    # Digits before the point: the same in both units.
    had = 19 if old.kind == "int" else (old.precision or 18) - scale_of(old)
    before_point = (new.precision or 18) - scale
    if before_point < had:
        limit = 10 ** (before_point + scale_of(old))
        problem = f"has more than {before_point} digits before the point"
        yield f"{column} NOT BETWEEN {1 - limit} AND {limit - 1}", problem


WORDS = Words(quoted, "length", _digits)


def change_fields(
    changes: Sequence[Change], now: datetime, strays: Mapping[str, Strays] = NO_STRAYS
) -> list[Step]:
    """The steps of changes of different columns of one model.

    Args:
        changes: One after the other, without anything in between.
        now: Aware UTC time for ``fill=now``.
        strays: By table, what modules that are not listed have added; it is kept.
    """
    parts = [_part(change, now) for change in changes]
    questions = [question for part in parts for question in part.asks]
    if all(part.said is not None for part in parts):
        return [*questions, *(step for part in parts for step in part.said or ())]
    values = {column: value for part in parts for column, value in part.values.items()}
    title = " and ".join(part.title for part in parts)
    after = _model(changes[-1], after=True)
    return [*questions, *_rebuild(after, values, title, strays.get(after.table, NOTHING))]


def _model(change: Change, *, after: bool) -> ModelState:
    column = column_of(change.operation)
    assert column is not None, "only changes of columns come here"
    return change.table(column[0], after=after)


def _part(change: Change, now: datetime) -> _Part:
    before, after = _model(change, after=False), _model(change, after=True)
    match change.operation:
        case AddField(_, state, fill):
            return _add(before, after, state, _literal(state, fill, now, change.title), change.title)
        case AlterField(_, state, fill):
            return _alter(before, after, state, _literal(state, fill, now, change.title), change.title)
    return _Part(change.title)


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
        part.asks.append(no_value(WORDS, before.table, state.name, title))
    return part


def _alter(before: ModelState, after: ModelState, state: FieldState, value: str | None, title: str) -> _Part:
    old = before.field(state.name)
    assert old is not None, "the operation was played before"
    column = quoted(state.name)
    expression = _conversion(column, old, state)
    if value is not None:
        expression = f"COALESCE({expression}, {value})"
    part = _Part(title, [*asks(WORDS, before, old, state, filled=value is not None, title=title)])
    part.values = {state.name: expression}
    if expression == column and create_table(DIALECT, before) == create_table(DIALECT, after):
        part.said = []  # SQLite tells no lengths and no choices apart
    return part


def _conversion(column: str, old: FieldState, new: FieldState) -> str:
    """The column's value as the new type keeps it, as SQL."""
    shift = scale_of(new) - scale_of(old)
    if shift > 0:
        return f"{column} * {10**shift}"
    if shift < 0:
        return f"{column} / {10**-shift}"
    return column


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
