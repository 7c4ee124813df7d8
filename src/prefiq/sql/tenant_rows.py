"""The rows of one tenant in every table of a database, found in its catalog: counted, and deleted.

Tables of modules that are no longer listed, and tables that were put aside, have a column ``tenant_id`` as
well; no declaration is needed for them.  Used on ``ConnectionManager.schema_connection``, which writes no tenant
into statements: here every one says it itself.
"""

# ruff: noqa: S608  names come from the catalog and are quoted
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prefiq.sql.tables import TENANT

__all__ = ["TenantTable", "count_rows", "delete_rows", "tenant_tables"]

BATCH = 1000


@dataclass(frozen=True, slots=True)
class TenantTable:
    """A table that holds rows of tenants.

    Args:
        name: As the database has it.
        key: The one column of its primary key beside ``tenant_id``; empty where there is none such.
        loose: Columns that are emptied before its rows go, since they close a circle of references.
    """

    name: str
    key: str = ""
    loose: tuple[str, ...] = ()


def _tell_nobody(table: str, rows: int, /) -> None:
    """Nothing is told of rows that go."""


def tenant_tables(connection: sa.Connection) -> list[TenantTable]:
    """Every table with a text column ``tenant_id``, each before those that it refers to.

    Args:
        connection: Unscoped.
    """
    inspector = sa.inspect(connection)
    columns: dict[str, dict[str, Any]] = {}
    for (_, name), found in inspector.get_multi_columns().items():
        by_name = {column["name"]: column for column in found}
        # A column of numbers is nobody's of ours, and a server may compare "acme" with it as 0.
        if TENANT in by_name and isinstance(by_name[TENANT]["type"], sa.String):
            columns[name] = dict(by_name)
    keys = {
        name: found["constrained_columns"]
        for (_, name), found in inspector.get_multi_pk_constraint().items()
        if found is not None
    }
    references = {
        name: [
            (str(one["referred_table"]), tuple(c for c in one["constrained_columns"] if c != TENANT))
            for one in found
            if one["referred_table"] in columns
        ]
        for (_, name), found in inspector.get_multi_foreign_keys().items()
        if name in columns
    }
    loose = {
        name: {column for target, held in found if target == name for column in held}
        for name, found in references.items()
    }
    ordered = _referrers_first(columns, references, loose)
    made = []
    for name in ordered:
        key = [c for c in keys.get(name, ()) if c != TENANT]
        free = sorted(c for c in loose.get(name, ()) if columns[name][c]["nullable"])
        made.append(TenantTable(name, key[0] if len(key) == 1 else "", tuple(free)))
    return made


def _referrers_first(
    columns: Mapping[str, Mapping[str, Any]],
    references: Mapping[str, Sequence[tuple[str, tuple[str, ...]]]],
    loose: dict[str, set[str]],
) -> list[str]:
    """Tables in the order in which they can be emptied; what stands in the way of any is noted as loose."""
    waiting, ordered = sorted(columns), list[str]()
    while waiting:
        held = {
            target
            for name in waiting
            for target, through in references.get(name, ())
            if target != name and not set(through) <= loose.get(name, set())
        }
        free = [name for name in waiting if name not in held]
        if not free:
            before = {name: set(found) for name, found in loose.items()}
            for name in waiting:
                for target, through in references.get(name, ()):
                    if target in waiting and all(columns[name][c]["nullable"] for c in through):
                        loose.setdefault(name, set()).update(through)
            if loose == before:  # required references in a circle: no row can stand in it but with itself
                free = waiting
        ordered += free
        waiting = [name for name in waiting if name not in free]
    return ordered


def count_rows(connection: sa.Connection, tenant: str, tables: Iterable[TenantTable]) -> dict[str, int]:
    """How many rows of a tenant each table holds; tables without any are left out."""
    confine(connection, tenant)
    quote = connection.dialect.identifier_preparer.quote
    found: dict[str, int] = {}
    for table in tables:
        text = f"SELECT count(*) FROM {quote(table.name)} WHERE {TENANT} = :tenant"
        if count := int(connection.execute(sa.text(text), {"tenant": tenant}).scalar_one()):
            found[table.name] = count
    return found


def delete_rows(
    connection: sa.Connection,
    tenant: str,
    tables: Sequence[TenantTable],
    report: Callable[[str, int], None] = _tell_nobody,
    batch: int = BATCH,
) -> None:
    """Delete the rows of one tenant in short transactions; what was broken off goes on when it is called again.

    Args:
        connection: Unscoped, outside any transaction.
        tenant: The tenant's key.
        tables: As ``tenant_tables`` orders them.
        report: Told of each table's rows as they go.
        batch: Rows of one transaction.
    """
    confine(connection, tenant)
    for table in tables:
        for column in table.loose:
            _in_batches(connection, tenant, table, batch, empty=column)
    for table in tables:
        _in_batches(connection, tenant, table, batch, report)


def confine(connection: sa.Connection, tenant: str) -> None:
    """Let row-level security, where the database has it, show this connection one tenant's rows alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT set_config('prefiq.tenant', :tenant, false)"), {"tenant": tenant})


def _in_batches(
    connection: sa.Connection,
    tenant: str,
    table: TenantTable,
    batch: int,
    report: Callable[[str, int], None] = _tell_nobody,
    *,
    empty: str = "",
) -> None:
    statement = sa.text(_statement(connection, table, batch, empty))
    while True:
        changed = connection.execute(statement, {"tenant": tenant}).rowcount
        connection.commit()
        if changed > 0 and not empty:
            report(table.name, changed)
        if changed < batch or not table.key:
            return


def _statement(connection: sa.Connection, table: TenantTable, batch: int, empty: str) -> str:
    """Delete the newest rows, which others seldom refer to; or empty a column of theirs."""
    quote = connection.dialect.identifier_preparer.quote
    name = quote(table.name)
    what = f"UPDATE {name} SET {quote(empty)} = NULL" if empty else f"DELETE FROM {name}"
    which = f"{TENANT} = :tenant" + (f" AND {quote(empty)} IS NOT NULL" if empty else "")
    if not table.key:
        return f"{what} WHERE {which}"
    key = quote(table.key)
    if connection.dialect.name in {"mysql", "mariadb"}:  # LIMIT stands in no subquery there, but here
        return f"{what} WHERE {which} ORDER BY {key} DESC LIMIT {batch}"
    newest = f"SELECT {key} FROM {name} WHERE {which} ORDER BY {key} DESC LIMIT {batch}"
    return f"{what} WHERE {which} AND {key} IN ({newest})"
