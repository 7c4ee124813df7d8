"""What a module leaves in a database, and how that is put aside or dropped when the module is removed.

By default nothing is done: rows of modules that are not listed stay.  Put aside, a table keeps its rows under
another name; either way the module's history is forgotten, so that listing it again begins anew.
"""

# ruff: noqa: S608  names come from declarations and are quoted
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from prefiq.lowcode import Catalog
from prefiq.migrations import raw
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.errors import RowsDoNotFit
from prefiq.migrations.execution import Site, run_steps
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import (
    DropField,
    DropIndex,
    DropModel,
    Operation,
    RenameField,
    RenameModel,
)
from prefiq.migrations.runner import WAIT
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.tables import schema_of
from prefiq.sql import Tables
from prefiq.sql.tables import LONGEST_NAME

__all__ = ["ARCHIVED", "Belongings", "Kept", "belongings", "kept", "remove"]

ARCHIVED = "archived_"
_SEEDS = "prefiq_seed_record"


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
    return _held(connection, what)


def _held(connection: sa.Connection, what: Belongings) -> list[Kept]:
    quote = connection.dialect.identifier_preparer.quote
    found: list[Kept] = []
    for table in what.tables:
        if _columns(connection, table):
            rows = int(raw.run(connection, f"SELECT count(*) FROM {quote(table)}")[0][0])
            found.append(Kept(table, "", rows))
    for table, column in what.columns:
        if column in _columns(connection, table):
            text = f"SELECT count({quote(column)}) FROM {quote(table)}"
            found.append(Kept(table, column, int(raw.run(connection, text)[0][0])))
    return found


def remove(
    connection: sa.Connection,
    what: Belongings,
    how: Literal["archive", "drop"],
    *,
    wait: float = WAIT,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Put aside or drop what a module has; where the engine can, in one transaction.

    What was broken off goes on where it was, when it is asked for again.

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
    site = Site(connection, wait, sleep, may_block=True)
    return site.exclusively(lambda: _remove(site, what, how))


def _remove(site: Site, what: Belongings, how: Literal["archive", "drop"]) -> list[str]:
    connection, renderer = site.connection, site.renderer
    present = _held(connection, what)
    if how == "drop":
        _release(site, what, [found.table for found in present if not found.column])
    work = _Work(site, what, present)
    work.drop_indexes(added_only=how == "drop")
    done = work.drop() if how == "drop" else work.put_aside()
    run_steps(site, work.changes, what.module)
    with renderer.together(connection):
        for table in ("prefiq_migration", "prefiq_development", "prefiq_migration_step", _SEEDS):
            if renderer.has_table(connection, table):
                raw.run(connection, f"DELETE FROM {table} WHERE module = {literal(what.module)}")
        for table, count in {} if renderer.watchful else renderer.broken_references(connection).items():
            raise RowsDoNotFit(f"module {what.module}", f"{table} refers to rows that would go", count)
    return done


def _release(site: Site, what: Belongings, tables: Sequence[str]) -> None:
    """Take references off tables that go, if no row that stays needs them; also those of each other."""
    referrers = {table: site.renderer.referrers(site.connection, [table]) for table in tables}
    for found in referrers.values():
        for one in found:
            if one.rows and one.table not in tables:
                problem = f"{one.table} refers to rows that would go"
                raise RowsDoNotFit(f"module {what.module}", problem, one.rows)
    for found in referrers.values():
        for one in found:
            raw.run(site.connection, one.release)


class _Work:
    """The operations that take a module's tables and columns away, as a migration of it would.

    Args:
        site: Where.
        what: What the module has.
        present: What of it the database has.
    """

    def __init__(self, site: Site, what: Belongings, present: Sequence[Kept]) -> None:
        self.changes: list[Change] = []
        self._site, self._what, self._present = site, what, present
        self._schema = what.schema
        self._names = {model.table: model.name for model in what.schema.of_module(what.module)}

    def drop_indexes(self, *, added_only: bool) -> None:
        """Their names may be those of the whole database: listing the module again makes them anew."""
        held = {found.table for found in self._present}
        for table, index in self._what.indexes:
            if added_only and table in self._what.tables:
                continue  # goes with its table
            there = table in held and f"index {index}" in self._parts(table)
            self._add(DropIndex(self._names[table], index), render=there)

    def drop(self) -> list[str]:
        """Columns first, which may refer to the tables."""
        columns = [found for found in self._present if found.column]
        for found in columns:
            self._add(DropField(self._names[found.table], found.column))
        tables = [found for found in reversed(self._present) if not found.column]
        for found in tables:
            # Not played on the schema: tables of the module may refer to each other.
            operation = DropModel(self._names[found.table])
            self.changes.append(Change(self._what.module, operation, self._schema, self._schema))
        return [f"dropped {_target(found)} ({found.rows} rows)" for found in (*columns, *tables)]

    def put_aside(self) -> list[str]:
        """Other names, which are free."""
        done: list[str] = []
        for found in reversed(self._present):
            model = self._names[found.table]
            if found.column:
                name = _free(found.column, lambda name, table=found.table: name in self._columns(table))  # type: ignore[misc]
                self._add(RenameField(model, found.column, name))
            else:
                name = _free(
                    found.table, lambda name: self._site.renderer.has_table(self._site.connection, name)
                )
                self._add(RenameModel(model, f"Archived{model}", name))
            done.append(f"renamed {_target(found)} to {name} ({found.rows} rows)")
        return done

    def _add(self, operation: Operation, *, render: bool = True) -> None:
        after = operation.change(self._schema, self._what.module)
        if render:
            self.changes.append(Change(self._what.module, operation, self._schema, after))
        self._schema = after

    def _columns(self, table: str) -> set[str]:
        return _columns(self._site.connection, table)

    def _parts(self, table: str) -> dict[str, str]:
        return self._site.renderer.fingerprint(self._site.connection, table)


def _target(found: Kept) -> str:
    return f"{found.table}.{found.column}" if found.column else found.table


def _free(name: str, taken: Callable[[str], bool]) -> str:
    number = 1
    while True:
        stem = ARCHIVED if number == 1 else f"{ARCHIVED[:-1]}{number}_"
        candidate = f"{stem}{name}"[:LONGEST_NAME]
        if not taken(candidate):
            return candidate
        number += 1


def _columns(connection: sa.Connection, table: str) -> set[str]:
    """Names of a table's columns; empty where there is no such table."""
    parts = renderer_for(connection.dialect.name).fingerprint(connection, table)
    return {part.removeprefix("column ") for part in parts if part.startswith("column ")}
