"""What a module leaves in a database, and how that is put aside or dropped when the module is removed.

By default nothing is done: rows of modules that are not listed stay.  Put aside, a table keeps its rows under
another name; either way the module's history is forgotten, so that listing it again begins anew.
"""

# ruff: noqa: S608  names come from declarations and are quoted
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from prefiq.lowcode import Catalog
from prefiq.migrations import history
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.errors import RowsDoNotFit
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import DropField, DropIndex
from prefiq.migrations.runner import WAIT, utc_now
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.steps import Sql
from prefiq.migrations.tables import schema_of
from prefiq.sql import Tables

__all__ = ["ARCHIVED", "Belongings", "Kept", "belongings", "kept", "remove"]

ARCHIVED = "archived_"
_SEEDS = "prefiq_seed_record"
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a module has in a database.

    Args:
        module: The module.
        tables: Its tables, each after those that it refers to.
        columns: Table and column of what it added to the tables of others.
        indexes: Table and index, of its tables and on its columns.
        schema: All tables as they are with it.
    """

    module: str
    tables: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    indexes: tuple[tuple[str, str], ...]
    schema: Schema = Schema()  # noqa: RUF009  frozen


@dataclass(frozen=True, slots=True)
class Kept:
    """Something of a module that a database holds.

    Args:
        table: The table.
        column: The column of another module's table; empty where the whole table is meant.
        rows: How many rows hold something.
    """

    table: str
    column: str
    rows: int


def belongings(listed: Catalog, without: Catalog, module: str) -> Belongings:
    """What is in the tables of a catalog because of one module.

    Args:
        listed: The models with the module.
        without: The models without it.
        module: Name of the module.
    """
    with_it = Tables(listed)
    more, rest = with_it.metadata, Tables(without).metadata
    tables = [table for table in more.sorted_tables if table.name not in rest.tables]
    columns = [
        (table.name, column.name)
        for table in more.sorted_tables
        if table.name in rest.tables
        for column in table.columns
        if column.name not in rest.tables[table.name].columns
    ]
    known = {str(index.name) for table in rest.tables.values() for index in table.indexes}
    indexes = [
        (table.name, str(index.name))
        for table in more.sorted_tables
        for index in sorted(table.indexes, key=lambda index: str(index.name))
        if str(index.name) not in known
    ]
    names = tuple(table.name for table in tables)
    return Belongings(module, names, tuple(columns), tuple(indexes), schema_of(with_it))


def kept(connection: sa.Connection, what: Belongings) -> list[Kept]:
    """Which of it the database has, and how many rows; nothing is changed."""
    found = _held(connection, what)
    connection.rollback()  # looking begins a transaction, and ours are begun by hand
    return found


def _held(connection: sa.Connection, what: Belongings) -> list[Kept]:
    quote = connection.dialect.identifier_preparer.quote
    found: list[Kept] = []
    for table in what.tables:
        if _columns(connection, table):
            rows = int(history.run(connection, f"SELECT count(*) FROM {quote(table)}")[0][0])
            found.append(Kept(table, "", rows))
    for table, column in what.columns:
        if column in _columns(connection, table):
            text = f"SELECT count({quote(column)}) FROM {quote(table)}"
            found.append(Kept(table, column, int(history.run(connection, text)[0][0])))
    return found


def remove(
    connection: sa.Connection,
    what: Belongings,
    how: Literal["archive", "drop"],
    *,
    wait: float = WAIT,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Put aside or drop what a module has, in one transaction.

    Args:
        connection: Outside any transaction; of ``ConnectionManager.schema_connection``.
        what: As ``belongings`` found it.
        how: Whether rows are kept under another name.
        wait: Seconds to wait for another process.
        sleep: Waits so many seconds.

    Returns:
        What was done, one sentence each.

    Raises:
        RowsDoNotFit: Rows that stay refer to what would go.
    """
    renderer = renderer_for(connection.dialect.name)
    quote = connection.dialect.identifier_preparer.quote
    done: list[str] = []
    with renderer.transaction(connection, wait=wait, sleep=sleep):
        present = _held(connection, what)
        held = {found.table for found in present}
        for table, index in what.indexes:
            # Names of indexes are unique in a database: listing the module again makes them anew.
            if table in held:
                history.run(connection, str(_drop_index(table, index).compile(dialect=connection.dialect)))
        if how == "drop":
            for text in _drop_columns(connection, what, present):
                history.run(connection, text)
            added = [found for found in present if found.column]
            done += (f"dropped {found.table}.{found.column} ({found.rows} rows)" for found in added)
            present = [found for found in present if not found.column]
        for found in reversed(present):
            for text, says in _statements(connection, found, how, quote):
                history.run(connection, text)
                done.append(says)
        for table in ("prefiq_migration", "prefiq_development", _SEEDS):
            if _columns(connection, table):
                text = f"DELETE FROM {quote(table)} WHERE module = {literal(what.module)}"
                history.run(connection, text)
        for table, count in renderer.broken_references(connection).items():
            raise RowsDoNotFit(f"module {what.module}", f"{table} refers to rows that would go", count)
    return done


def _statements(
    connection: sa.Connection, found: Kept, how: str, quote: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    table, column = found.table, found.column
    target = f"{table}.{column}" if column else table
    if how == "drop":
        yield f"DROP TABLE {quote(table)}", f"dropped {target} ({found.rows} rows)"
        return
    taken = (lambda name: name in _columns(connection, table)) if column else None
    name = _free(column or table, taken or (lambda name: bool(_columns(connection, name))))
    text = f"ALTER TABLE {quote(table)} RENAME "
    text += f"COLUMN {quote(column)} TO {quote(name)}" if column else f"TO {quote(name)}"
    yield text, f"renamed {target} to {name} ({found.rows} rows)"


def _drop_columns(connection: sa.Connection, what: Belongings, present: Sequence[Kept]) -> Iterator[str]:
    """As a migration of the module would drop what it added: a column with a reference needs a new table."""
    renderer = renderer_for(connection.dialect.name)
    held = {(found.table, found.column) for found in present}
    schema = what.schema
    changes: list[Change] = []
    for part in schema.of_module(what.module):
        for index in part.indexes if part.extends else ():  # they are gone already
            schema = DropIndex(part.name, index.name).change(schema, what.module)
    for part in what.schema.of_module(what.module):
        for field in part.fields if part.extends else ():
            if (part.table, field.name) in held:
                operation = DropField(part.name, field.name)
                after = operation.change(schema, what.module)
                changes.append(Change(operation, schema, after))
                schema = after
    strays = renderer.strays(connection, changes, what.module)
    for step in renderer.render(changes, what.module, utc_now(), strays):
        if isinstance(step, Sql):
            yield step.text


def _free(name: str, taken: Callable[[str], bool]) -> str:
    number = 1
    while True:
        stem = ARCHIVED if number == 1 else f"{ARCHIVED[:-1]}{number}_"
        candidate = f"{stem}{name}"[:_LONGEST]
        if not taken(candidate):
            return candidate
        number += 1


def _drop_index(table: str, index: str) -> sa.schema.DropIndex:
    column = sa.Column("id", sa.Integer)
    return sa.schema.DropIndex(sa.Index(index, sa.Table(table, sa.MetaData(), column).c.id), if_exists=True)


def _columns(connection: sa.Connection, table: str) -> set[str]:
    """Names of a table's columns; empty where there is no such table."""
    inspector = sa.inspect(connection)
    return (
        {column["name"] for column in inspector.get_columns(table)} if inspector.has_table(table) else set()
    )
