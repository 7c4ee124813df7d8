"""What operations come to on PostgreSQL, as statements."""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

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
from prefiq.migrations.dialects.renderer import literal, value_literal
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import (
    TEXT,
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
from prefiq.migrations.snapshot import FieldState, IndexState, ModelState, RefState
from prefiq.migrations.steps import Call, Later, Release, Sql, Step
from prefiq.migrations.tables import RULES, type_of
from prefiq.sql.tables import short_name

__all__ = ["DIALECT", "create_index", "create_table", "quoted", "references", "steps_of"]


def _dialect() -> sa.Dialect:
    # Named parameters, so that no percent sign is doubled; standard strings, in which a backslash is one.
    made: Any = PGDialect_psycopg(paramstyle="named")  # type: ignore[no-untyped-call]
    made._backslash_escapes = False  # the server says so when it is asked, and nobody asks here
    dialect: sa.Dialect = made
    return dialect


DIALECT = _dialect()


def quoted(name: str) -> str:
    """A name, quoted where PostgreSQL's words or signs make it necessary."""
    return str(DIALECT.identifier_preparer.quote(name))


WORDS = Words(quoted, "char_length", decimal_digits)


def steps_of(change: Change, now: datetime) -> list[Step]:
    """The steps of one operation.

    Raises:
        BadOperation: A value for rows is none of its field, or what it refers to is not there yet.
    """
    title = change.title

    def sql(text: str, *tables: str) -> Sql:
        return _define(text, title, *tables)

    match change.operation:
        case CreateModel(name):
            model = change.table(name, after=True)
            for field in model.fields:
                check_reference(change, field)
            texts = (create_table(model), *(create_index(model, index) for index in model.indexes))
            return [sql(text, model.table) for text in texts]
        case DropModel(name):
            table = change.table(name, after=False).table
            return [Release(table, title), sql(f"DROP TABLE {quoted(table)}", table)]
        case AddField(name, state, fill):
            check_reference(change, state)
            value = None if fill is MISSING else value_literal(state, fill, DIALECT, now, title, _said)
            return _add(change.table(name, after=True), state, value, title)
        case AlterField(name, state, fill):
            check_reference(change, state)
            value = None if fill is MISSING else value_literal(state, fill, DIALECT, now, title, _said)
            tables = change.table(name, after=False), change.table(name, after=True)
            return list(_alter(*tables, state, value, title))
        case DropField(name, column):
            table = change.table(name, after=False).table
            return [sql(f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(column)}", table)]
        case RenameField(name, old, new):
            model = change.table(name, after=False)
            return [sql(text, model.table) for text in _rename_field(model, old, new)]
        case RenameModel(old, _) if "." in old:
            return []  # the module that owns the table has renamed it
        case RenameModel(old, new):
            before, after = change.table(old, after=False), change.table(new, after=True)
            return [sql(text, before.table, after.table) for text in _rename_model(before, after)]
        case AddIndex(name, index):
            model = change.table(name, after=True)
            question = [doubled(WORDS, model.table, index.fields, title)] if index.unique else []
            return [*question, _make_index(model, index, title)]
        case DropIndex(name, index_name):
            table = change.table(name, after=False).table
            return [sql(f"DROP INDEX {quoted(short_name(index_name))}", table)]
        case RunSteps(function):
            return [Call(function, title, change.module, change.after)]
    raise NotImplementedError(type(change.operation).__name__)


def create_table(model: ModelState, *, kind: str = "TABLE", references: bool = True) -> str:
    """CREATE TABLE.

    Args:
        model: The table.
        kind: What is created.
        references: Whether with its references.
    """
    key = ", ".join(quoted(column) for column in model.key)
    parts = [_definition(field) for field in model.fields]
    parts.append(f"CONSTRAINT {quoted(f'pk_{model.table}')} PRIMARY KEY ({key})")
    if references:
        parts += [_reference(model.table, f.name, f.ref) for f in model.fields if f.ref is not None]
    return f"CREATE {kind} {quoted(model.table)} (\n\t" + ",\n\t".join(parts) + "\n)"


def references(model: ModelState) -> list[str]:
    """The statements that add its references to a table."""
    alter = f"ALTER TABLE {quoted(model.table)} ADD"
    return [f"{alter} {_reference(model.table, f.name, f.ref)}" for f in model.fields if f.ref is not None]


def create_index(model: ModelState, index: IndexState, *, concurrently: bool = False) -> str:
    """CREATE INDEX; NULL stands in front, where queries have it on every engine."""
    nullable = {field.name for field in model.fields if field.nullable}
    columns = (f"{quoted(name)} NULLS FIRST" if name in nullable else quoted(name) for name in index.fields)
    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    kind += " CONCURRENTLY" if concurrently else ""
    name, table = quoted(short_name(index.name)), quoted(model.table)
    return f"CREATE {kind} {name} ON {table} ({', '.join(columns)})"


def _define(text: str, title: str, *tables: str) -> Sql:
    return Sql(text, title, tables=tables, defines=True)


def _make_index(model: ModelState, index: IndexState, title: str) -> Sql:
    text = create_index(model, index, concurrently=True)
    later = Later(model.table, "index", short_name(index.name), text)
    return replace(_define(create_index(model, index), title, model.table), later=later)


def _make_reference(model: ModelState, field: FieldState, ref: RefState, title: str) -> Sql:
    alter, name = f"ALTER TABLE {quoted(model.table)}", _reference_name(model.table, field.name)
    text = f"{alter} ADD {_reference(model.table, field.name, ref)}"
    validate = f"{alter} VALIDATE CONSTRAINT {quoted(name)}"
    later = Later(model.table, "reference", name, validate, at_once=f"{text} NOT VALID")
    return replace(_define(text, title, model.table, ref.table), later=later)


def _add(model: ModelState, state: FieldState, value: str | None, title: str) -> list[Step]:
    table, column = quoted(model.table), quoted(state.name)
    steps: list[Step] = []
    if value is None and not state.nullable:
        steps.append(no_value(WORDS, model.table, state.name, title))
    if value is not None and state.ref is not None:
        problem = f"{model.table} refers to rows that are not there"
        steps.append(unmatched(WORDS, model.table, value, state.ref, problem, title))
    # A constant default is kept beside the rows: nothing is written, however many there are.
    default = "" if value is None else f" DEFAULT {value}"
    steps.append(_define(f"ALTER TABLE {table} ADD COLUMN {_definition(state, default)}", title, model.table))
    if value is not None:
        text = f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT"
        steps.append(_define(text, title, model.table))
    if state.ref is not None:
        steps.append(_make_reference(model, state, state.ref, title))
    return steps


def _alter(
    before: ModelState, after: ModelState, state: FieldState, value: str | None, title: str
) -> Iterator[Step]:
    old = before.field(state.name)
    assert old is not None, "the operation was played before"
    table, column = quoted(after.table), quoted(state.name)

    def alter(what: str) -> Sql:
        return _define(f"ALTER TABLE {table} {what}", title, after.table)

    questions = list(asks(WORDS, before, old, state, filled=value is not None, title=title))
    copies = _type(old) != _type(state) and not _in_place(old, state)
    if copies and questions:
        # Digits would be rounded away and blanks cut off without a word: nobody writes after the question.
        yield replace(
            _define(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", title, after.table), copies=True
        )
    yield from questions
    if old.ref is not None and old.ref != state.ref:
        yield alter(f"DROP CONSTRAINT {quoted(_reference_name(before.table, old.name))}")
    # An index says where NULL stands if there can be one.
    moved = old.nullable != state.nullable
    rebuilt = [index for index in after.indexes if moved and state.name in index.fields]
    for index in rebuilt:
        yield _define(f"DROP INDEX {quoted(short_name(index.name))}", title, after.table)
    if _type(old) != _type(state):
        using = f" USING {column}::int" if old.kind == "bool" else ""  # the one that has no cast by itself
        yield replace(alter(f"ALTER COLUMN {column} TYPE {_type(state)}{using}"), copies=copies)
    if value is not None:
        yield Sql(
            f"UPDATE {table} SET {column} = {value} WHERE {column} IS NULL", title, tables=(after.table,)
        )
    if moved:
        yield alter(f"ALTER COLUMN {column} {'DROP' if state.nullable else 'SET'} NOT NULL")
    if state.ref is not None and old.ref != state.ref:
        if value is not None:
            problem = f"{after.table} refers to rows that are not there"
            yield unmatched(WORDS, after.table, f"source.{column}", state.ref, problem, title)
        yield _make_reference(after, state, state.ref, title)
    for index in rebuilt:
        yield _make_index(after, index, title)


def _in_place(old: FieldState, new: FieldState) -> bool:
    """Whether every value of the old type is one of the new type as it is stored, which PostgreSQL knows too."""
    if old.kind in TEXT and new.kind in TEXT:
        had, has = (type_of(field).load_dialect_impl(DIALECT) for field in (old, new))
        lengths = [getattr(type_, "length", None) for type_ in (had, has)]
        return lengths[1] is None or (lengths[0] is not None and lengths[0] <= lengths[1])
    if old.kind == new.kind == "decimal":
        return old.scale == new.scale and (old.precision or 0) <= (new.precision or 0)
    return False


def _rename_field(model: ModelState, old: str, new: str) -> Iterator[str]:
    alter = f"ALTER TABLE {quoted(model.table)}"
    yield f"{alter} RENAME COLUMN {quoted(old)} TO {quoted(new)}"
    field = model.field(old)
    if field is not None and field.ref is not None:
        names = (_reference_name(model.table, column) for column in (old, new))
        yield f"{alter} RENAME CONSTRAINT " + " TO ".join(map(quoted, names))


def _rename_model(before: ModelState, after: ModelState) -> Iterator[str]:
    """The names of constraints follow, so that they can be told from those of the table later on."""
    alter = f"ALTER TABLE {quoted(after.table)}"
    yield f"ALTER TABLE {quoted(before.table)} RENAME TO {quoted(after.table)}"
    yield f"{alter} RENAME CONSTRAINT {quoted(f'pk_{before.table}')} TO {quoted(f'pk_{after.table}')}"
    for field in after.fields:
        if field.ref is not None:
            names = (_reference_name(table, field.name) for table in (before.table, after.table))
            yield f"{alter} RENAME CONSTRAINT " + " TO ".join(map(quoted, names))


def _definition(field: FieldState, default: str = "") -> str:
    return f"{quoted(field.name)} {_type(field)}{default}{'' if field.nullable else ' NOT NULL'}"


def _type(field: FieldState) -> str:
    compiler: Any = DIALECT.type_compiler_instance
    return str(compiler.process(type_of(field).load_dialect_impl(DIALECT)))


def _reference_name(table: str, column: str) -> str:
    return short_name(f"fk_{table}_{column}")


def _reference(table: str, column: str, ref: RefState) -> str:
    prefix = () if ref.shared else ("tenant_id",)
    own, theirs = (", ".join(map(quoted, (*prefix, last))) for last in (column, "id"))
    rule = RULES[ref.on_delete]
    return (
        f"CONSTRAINT {quoted(_reference_name(table, column))} FOREIGN KEY ({own}) "
        f"REFERENCES {quoted(ref.table)} ({theirs})" + (f" ON DELETE {rule}" if rule else "")
    )


def _said(value: Any) -> str:
    return str(value).upper() if isinstance(value, bool) else literal(value)
