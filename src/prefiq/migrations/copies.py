"""Copies of shared rows in the databases of tenants, so that references and joins work there as anywhere.

The originals stand in the application's own database, where the system writes them; a tenant reads its copies
and never writes them.  A refresh changes only what differs, in one transaction for each tenant.
"""

# ruff: noqa: S608  names come from declarations and are quoted
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prefiq.foundation import Tenant, TenantDomain, TenantLife
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.parking import parking_of
from prefiq.sql import Tables

__all__ = ["Copied", "Shared", "read_shared", "refresh", "shared_tables"]

BATCH = 500
_DIRECTORY = (Tenant, TenantLife, TenantDomain)


@dataclass(frozen=True, slots=True)
class Shared:
    """The shared rows of an application, as the driver gives them.

    Args:
        rows: For each table, what it refers to first: its columns and rows.
        checksum: Equal where all rows are.
    """

    rows: tuple[tuple[sa.Table, tuple[tuple[Any, ...], ...]], ...]
    checksum: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What a refresh changed.

    Args:
        written: Rows that are new or were changed.
        deleted: Rows that are gone.
        kept: Rows that are gone from the originals, and that rows of the tenant still refer to.
    """

    written: int = 0
    deleted: int = 0
    kept: int = 0


def shared_tables(tables: Tables) -> list[sa.Table]:
    """The tables that are copied, each after those that it refers to; never the tenant directory."""
    own = {tables[model].name for model in _DIRECTORY if model in {spec.cls for spec in tables.catalog}}
    chosen = [t for t in tables if tables.scope_of(t.name) == "shared" and t.name not in own]
    schema: Any = sa.schema  # untyped there
    ordered = [table for table, _ in schema.sort_tables_and_constraints(chosen) if table is not None]
    return [table for table in ordered if table in chosen]


def read_shared(connection: sa.Connection, tables: Tables) -> Shared:
    """The originals.

    Args:
        connection: To the application's own database; unscoped.
        tables: Of the application.
    """
    found = []
    digest = hashlib.sha256()
    for table in shared_tables(tables):
        rows = tuple(sorted(_rows(connection, table), key=lambda row: repr(row[0])))
        digest.update(f"{table.name} {[c.name for c in table.c]}\n".encode())
        for row in rows:
            digest.update(repr(row).encode())
        found.append((table, rows))
    return Shared(tuple(found), digest.hexdigest())


def refresh(connection: sa.Connection, shared: Shared) -> Copied:
    """Bring a tenant's copies to the originals, in the transaction that is open.

    Args:
        connection: To the tenant's database; unscoped.
        shared: As ``read_shared`` found them.

    Raises:
        sqlalchemy.exc.DBAPIError: The tenant's rows do not let it.
    """
    written = deleted = kept = 0
    present = {table.name: {row[0]: row for row in _rows(connection, table)} for table, _ in shared.rows}
    for table, rows in reversed(shared.rows):  # who refers goes first
        gone = [key for key in present[table.name] if key not in {row[0] for row in rows}]
        for batch in _batches(gone):
            removed = _delete(connection, table, batch)
            deleted, kept = deleted + removed, kept + len(batch) - removed
    for table, rows in shared.rows:
        there = present[table.name]
        changed = [row for row in rows if row[0] in there and tuple(there[row[0]]) != row]
        new = [row for row in rows if row[0] not in there]
        _change(connection, table, changed, list(there.values()))
        _insert(connection, table, new)
        written += len(changed) + len(new)
    return Copied(written, deleted, kept)


def _columns(table: sa.Table) -> list[str]:
    """The key first."""
    names = [column.name for column in table.c]
    return ["id", *(name for name in names if name != "id")]


def _rows(connection: sa.Connection, table: sa.Table) -> list[tuple[Any, ...]]:
    quote = connection.dialect.identifier_preparer.quote
    listed = ", ".join(quote(name) for name in _columns(table))
    text = f"SELECT {listed} FROM {quote(table.name)}"
    return [tuple(row) for row in _run(connection, text)]


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    quote, mark = connection.dialect.identifier_preparer.quote, _mark(connection)
    columns = _columns(table)
    text = (
        f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}) "
        f"VALUES ({', '.join([mark] * len(columns))})"
    )
    for batch in _batches(rows):
        _run_many(connection, text, batch)


def _change(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[tuple[Any, ...]],
    there: Sequence[tuple[Any, ...]],
) -> None:
    """Update rows, also those that hand unique values to each other."""
    if not rows:
        return
    names = _columns(table)
    _run(connection, "SAVEPOINT prefiq_copy")
    try:
        _update(connection, table, names[1:], rows)
    except Exception as error:
        _run(connection, "ROLLBACK TO SAVEPOINT prefiq_copy")
        if _kind_of(connection, error) != "unique":
            raise

        def used(name: str) -> list[Any]:
            at = names.index(name)
            return [row[at] for row in (*there, *rows)]

        parking = parking_of(table, connection.dialect, len(rows), used)
        if parking is None:
            raise
        parked = [(row[0], *values) for row, values in zip(rows, parking.rows, strict=True)]
        _update(connection, table, parking.columns, parked)
        _update(connection, table, names[1:], rows)
    _run(connection, "RELEASE SAVEPOINT prefiq_copy")


def _update(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write these columns of rows, each its key and their values."""
    quote, mark = connection.dialect.identifier_preparer.quote, _mark(connection)
    assigned = ", ".join(f"{quote(name)} = {mark}" for name in columns)
    text = f"UPDATE {quote(table.name)} SET {assigned} WHERE {quote('id')} = {mark}"
    _run_many(connection, text, [(*row[1:], row[0]) for row in rows])


def _delete(connection: sa.Connection, table: sa.Table, keys: Sequence[Any]) -> int:
    """Delete rows; those that rows of the tenant refer to stay.  How many are gone."""
    quote, mark = connection.dialect.identifier_preparer.quote, _mark(connection)
    text = f"DELETE FROM {quote(table.name)} WHERE {quote('id')} = {mark}"
    gone = 0
    for key in keys:
        _run(connection, "SAVEPOINT prefiq_copy")
        try:
            _run(connection, text, (key,))
        except Exception as error:
            _run(connection, "ROLLBACK TO SAVEPOINT prefiq_copy")
            if _kind_of(connection, error) != "foreign_key":
                raise
        else:
            gone += 1
        _run(connection, "RELEASE SAVEPOINT prefiq_copy")
    return gone


def _kind_of(connection: sa.Connection, error: BaseException) -> str:
    """What the database refused: a reference, a value that is taken, or something else."""
    from prefiq.sql.dialects import engine_for

    engine = engine_for(renderer_for(connection.dialect.name).name)
    return engine.explain(error, "default").kind if isinstance(error, engine.driver_error) else "other"


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"


def _run(connection: sa.Connection, text: str, values: Sequence[Any] = ()) -> Sequence[Any]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text, values) if values else cursor.execute(text)
        return cursor.fetchall() if cursor.description else []
    finally:
        cursor.close()


def _run_many(connection: sa.Connection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(text, rows)
    finally:
        cursor.close()


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
