"""The rows of one tenant in every table of a database, found in its catalog: counted, and deleted.

Tables of modules that are no longer listed, and tables that were put aside, have a column ``tenant_id`` as
well; no declaration is needed for them.  Used on ``ConnectionManager.schema_connection``, which writes no tenant
into statements: here every one says it itself.
"""

# ruff: noqa: S608  names come from the catalog and are quoted
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from prefiq.sql.tables import TENANT

__all__ = ["TenantTable", "confine", "count_rows", "delete_rows", "tenant_tables"]

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
    columns_of, references_of = _CATALOG[connection.dialect.name.replace("mysql", "mariadb")]
    nullable: dict[str, dict[str, bool]] = {}
    keys: dict[str, list[str]] = {}
    texts: set[str] = set()
    for table, column, may_be_null, kind, in_key in connection.execute(sa.text(columns_of)):
        nullable.setdefault(table, {})[column] = bool(may_be_null)
        if in_key and column != TENANT:
            keys.setdefault(table, []).append(column)
        # A column of numbers is nobody's of ours, and a server may compare "acme" with it as 0.
        if column == TENANT and any(word in kind.lower() for word in ("char", "text")):
            texts.add(table)
    found: dict[tuple[str, str, str], set[str]] = {}
    for table, constraint, column, target in connection.execute(sa.text(references_of)):
        if table in texts and target in texts and column != TENANT:
            found.setdefault((table, str(constraint), target), set()).add(column)
    references: dict[str, list[tuple[str, set[str]]]] = {}
    for (table, _, target), through in found.items():
        references.setdefault(table, []).append((target, through))
    loose: dict[str, set[str]] = {
        table: {column for target, through in held if target == table for column in through}
        for table, held in references.items()
    }
    return [
        TenantTable(
            name,
            keys[name][0] if len(keys.get(name, ())) == 1 else "",
            tuple(sorted(column for column in loose.get(name, ()) if nullable[name][column])),
        )
        for name in _referrers_first(sorted(texts), nullable, references, loose)
    ]


_CATALOG = {
    "postgresql": (
        """
        SELECT c.relname, a.attname, NOT a.attnotnull, t.typname, COALESCE(a.attnum = ANY (i.indkey), false)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        """,
        """
        SELECT c.relname, k.oid::text, a.attname, t.relname
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_class t ON t.oid = k.confrelid AND t.relnamespace = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
        WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace
        """,
    ),
    "mariadb": (
        """
        SELECT c.table_name, c.column_name, c.is_nullable = 'YES', c.data_type, c.column_key = 'PRI'
        FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'
        """,
        """
        SELECT table_name, constraint_name, column_name, referenced_table_name
        FROM information_schema.key_column_usage
        WHERE table_schema = DATABASE() AND referenced_table_schema = DATABASE()
        """,
    ),
    "sqlite": (
        """
        SELECT m.name, c.name, NOT c."notnull", c.type, c.pk > 0
        FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
        """,
        """
        SELECT m.name, r.id, r."from", r."table"
        FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) r WHERE m.type = 'table'
        """,
    ),
}
"""What an engine knows of its tables.

Columns: table, column, whether it may be NULL, its type, whether it is in the primary key.
References: table, constraint, column, the table that it leads to.
"""


def _referrers_first(
    tables: Sequence[str],
    nullable: Mapping[str, Mapping[str, bool]],
    references: Mapping[str, Sequence[tuple[str, set[str]]]],
    loose: dict[str, set[str]],
) -> list[str]:
    """Tables in the order in which they can be emptied; what stands in the way of any is noted as loose."""
    waiting, ordered = list(tables), list[str]()
    while waiting:
        held = {
            target
            for name in waiting
            for target, through in references.get(name, ())
            if target != name and not through <= loose.get(name, set())
        }
        free = [name for name in waiting if name not in held]
        if not free:
            closing = [
                (name, through)
                for name in waiting
                for target, through in references.get(name, ())
                if target in waiting and target != name and all(nullable[name][c] for c in through)
                and not through <= loose.get(name, set())
            ]  # fmt: skip
            for name, through in closing:
                loose.setdefault(name, set()).update(through)
            if not closing:  # required references in a circle: no row can stand in it but with itself
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
    """Let row-level security, where the database has it, show this connection one tenant's rows alone.

    A connection for migrations would else see the rows of all.
    """
    if connection.dialect.name == "postgresql":
        stamp = (
            "SELECT set_config('prefiq.migrating', 'off', false), set_config('prefiq.tenant', :tenant, false)"
        )
        connection.execute(sa.text(stamp), {"tenant": tenant})


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
