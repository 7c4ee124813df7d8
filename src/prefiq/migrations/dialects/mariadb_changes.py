"""What operations come to on MariaDB, as statements."""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from prefiq.lowcode.field import MISSING
from prefiq.migrations.dialects.fit import (
    Words,
    asks,
    check_reference,
    decimal_digits,
    doubled,
    no_value,
    unmatched,
)
from prefiq.migrations.dialects.mariadb_limits import check_limits
from prefiq.migrations.dialects.mariadb_tables import DIALECT, alter, create, definition, physical, quoted
from prefiq.migrations.dialects.renderer import literal, value_literal
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
from prefiq.migrations.snapshot import FieldState, ModelState
from prefiq.migrations.steps import Ask, Call, Release, Sql, Step

__all__ = ["said", "steps_of"]

LONGEST_DEFAULT = 1000
"""Signs of a value that may stand in a column's definition."""


def said(value: Any) -> str:
    """A driver's value as a literal."""
    match value:
        case str():
            return literal(value.replace("\\", "\\\\"))
        case datetime():
            return f"'{value.astimezone(UTC).isoformat(' ', 'microseconds')[:26]}'"
        case float():
            text = repr(value)
            return text if "e" in text else f"{text}e0"  # else it is a decimal, of another length
        case Decimal():
            return format(value, "f")
    return literal(value)


WORDS = Words(quoted, "char_length", decimal_digits, said)


def steps_of(change: Change, now: datetime) -> list[Step]:
    """The steps of one operation.

    Raises:
        BadOperation: A value for rows is none of its field, what it refers to is not there yet, or MariaDB
            cannot keep such a table.
    """
    title = change.title
    match change.operation:
        case CreateModel(name):
            model = change.table(name, after=True)
            for field in model.fields:
                check_reference(change, field)
            table = physical(model)
            check_limits(model, table, title)
            return [_define(create(table), title, model.table)]
        case DropModel(name):
            dropped = change.table(name, after=False).table
            return [Release(dropped, title), _define(f"DROP TABLE {quoted(dropped)}", title, dropped)]
        case AddField(name, state, fill):
            check_reference(change, state)
            value = None if fill is MISSING else value_literal(state, fill, DIALECT, now, title, said)
            return list(_add(change, name, state, value))
        case AlterField(name, state, fill):
            check_reference(change, state)
            value = None if fill is MISSING else value_literal(state, fill, DIALECT, now, title, said)
            return list(_alter(change, name, state, value))
        case DropField(name, _) | DropIndex(name, _):
            return list(_become(change, name))
        case AddIndex(name, index):
            model = change.table(name, after=True)
            question = [doubled(WORDS, model.table, index.fields, title)] if index.unique else []
            return [*question, *_become(change, name)]
        case RenameField(name, old, new):
            return list(_become(change, name, {old: new}))
        case RenameModel(old, _) if "." in old:
            return []  # the module that owns the table has renamed it
        case RenameModel(old, new):
            return list(_rename(change.table(old, after=False), change.table(new, after=True), title))
        case RunSteps(function):
            return [Call(function, title, change.module, change.after)]
    raise NotImplementedError(type(change.operation).__name__)


def _define(text: str, title: str, *tables: str, locked: tuple[Ask, ...] = ()) -> Sql:
    # Looking at every row while a reference is added copies the table; questions around it look without that.
    unchecked = text.startswith("ALTER") and "ADD CONSTRAINT" in text
    return Sql(text, title, tables=tables, defines=True, unchecked=unchecked, locked=locked)


def _become(change: Change, name: str, renamed: Mapping[str, str] | None = None) -> Iterator[Step]:
    """The whole difference that the operation makes to its table."""
    before, after = change.table(name, after=False), change.table(name, after=True)
    table = physical(after)
    check_limits(after, table, change.title)
    for text in alter(physical(before), table, renamed):
        # What is made anew under another name held before, and holds.
        yield _define(text, change.title, after.table)


def _rename(before: ModelState, after: ModelState, title: str) -> Iterator[Step]:
    """The names of references follow, since they are those of the whole database."""
    both = before.table, after.table
    yield _define(f"ALTER TABLE {quoted(before.table)} RENAME TO {quoted(after.table)}", title, *both)
    for text in alter(dataclasses.replace(physical(before), table=after.table), physical(after)):
        yield _define(text, title, after.table)


def _add(change: Change, name: str, state: FieldState, value: str | None) -> Iterator[Step]:
    title = change.title
    before, after = change.table(name, after=False), change.table(name, after=True)
    table, column = quoted(after.table), quoted(state.name)
    target = physical(after)
    check_limits(after, target, title)
    if value is None and not state.nullable:
        yield no_value(WORDS, after.table, state.name, title)
    broken = None
    if state.ref is not None and value is not None:
        problem = f"{after.table} refers to rows that are not there"
        yield unmatched(WORDS, after.table, value, state.ref, problem, title)
        broken = unmatched(WORDS, after.table, f"source.{column}", state.ref, problem, title)
    by_default = value is not None and len(value) <= LONGEST_DEFAULT
    loose = definition(state, nullable=True)
    at_first = f"{definition(state)} DEFAULT {value}" if by_default else loose
    made = dataclasses.replace(target, columns={**target.columns, state.name: at_first})
    for text in alter(physical(before), made):
        yield _define(text, title, after.table)
    if by_default:
        yield _define(f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT", title, after.table)
    elif value is not None:
        yield _fill(after.table, state.name, value, title)
    if not by_default and not state.nullable:
        # Not at once: MariaDB would fill rows that have come meanwhile with a value of its own.
        yield _define(f"ALTER TABLE {table} MODIFY COLUMN {column} {definition(state)}", title, after.table)
    if broken is not None:
        yield broken


def _alter(change: Change, name: str, state: FieldState, value: str | None) -> Iterator[Step]:
    title = change.title
    before, after = change.table(name, after=False), change.table(name, after=True)
    old = before.field(state.name)
    assert old is not None, "the operation was played before"
    source, target = physical(before), physical(after)
    check_limits(after, target, title)
    questions = list(asks(WORDS, before, old, state, filled=value is not None, title=title))
    yield from questions
    # Digits would be rounded away without a word: nobody writes between the question and the answer.
    locked = tuple(questions) if state.kind == "decimal" and definition(old) != definition(state) else ()
    referring = state.ref is not None and old.ref != state.ref
    if value is not None:
        # The value is one of the new type; and once it may be NULL no more, nobody can put NULL back.
        typed = dataclasses.replace(
            source, columns={**source.columns, state.name: definition(state, nullable=True)}
        )
        for text in alter(source, typed):
            yield _define(text, title, after.table, locked=locked)
        yield _fill(after.table, state.name, value, title)
        if state.ref is not None and referring:
            yield _unmatched(after, state, title)
        source, locked = typed, ()
    for text in alter(source, target):
        yield _define(text, title, after.table, locked=locked)
    if referring:
        yield _unmatched(after, state, title)


def _unmatched(model: ModelState, state: FieldState, title: str) -> Ask:
    assert state.ref is not None, "asked for references only"
    problem = f"{model.table} refers to rows that are not there"
    return unmatched(WORDS, model.table, f"source.{quoted(state.name)}", state.ref, problem, title)


def _fill(table: str, column: str, value: str, title: str) -> Sql:
    name = quoted(column)
    text = f"UPDATE {quoted(table)} SET {name} = {value} WHERE {name} IS NULL"
    return Sql(text, title, tables=(table,))
