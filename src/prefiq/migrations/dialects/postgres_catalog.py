"""What PostgreSQL's catalog says of a table, in words that do not depend on how it came to be so."""

# ruff: noqa: S608  the only value is a number
from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.postgres_changes import quoted
from prefiq.migrations.dialects.renderer import Referrer, literal
from prefiq.migrations.steps import Later

__all__ = ["broken_references", "fingerprint", "has_table", "is_finished", "referrers", "rows_of"]

_COLUMNS = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
       CASE WHEN a.attcollation <> t.typcollation THEN c.collname END,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped
"""
_INDEXES = """
SELECT c.relname, pg_catalog.pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = {table} AND NOT i.indisprimary
"""
_CONSTRAINTS = """
SELECT contype, pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint
WHERE conrelid = {table} AND contype <> 't'
"""
_OTHERS = """
SELECT 'trigger ' || tgname, 'there' FROM pg_catalog.pg_trigger WHERE tgrelid = {table} AND NOT tgisinternal
UNION ALL
SELECT 'policy ' || polname, pg_catalog.concat_ws(' ', polcmd::text, CASE WHEN polpermissive THEN '' ELSE
       'restrictive' END, pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid))
FROM pg_catalog.pg_policy WHERE polrelid = {table}
UNION ALL
SELECT 'rule ' || rulename, 'there' FROM pg_catalog.pg_rewrite WHERE ev_class = {table}
UNION ALL
SELECT 'row security', CASE WHEN relforcerowsecurity THEN 'forced' ELSE 'enabled' END
FROM pg_catalog.pg_class WHERE oid = {table} AND (relrowsecurity OR relforcerowsecurity)
UNION ALL
SELECT 'table', CASE relkind WHEN 'p' THEN 'partitioned' ELSE 'kind ' || relkind::text END
FROM pg_catalog.pg_class WHERE oid = {table} AND relkind <> 'r'
"""
_REFERENCES = """
SELECT conrelid::regclass::text, conname, confrelid::regclass::text, convalidated,
       ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY k(n, place)
             JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND attnum = n ORDER BY place),
       ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY k(n, place)
             JOIN pg_catalog.pg_attribute ON attrelid = confrelid AND attnum = n ORDER BY place)
FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND {condition}
ORDER BY 1, 2
"""


def has_table(connection: sa.Connection, table: str) -> bool:
    """Whether there is such a table."""
    return _number(connection, table) is not None


def fingerprint(connection: sa.Connection, table: str) -> dict[str, str]:
    """Part → description: columns, key, indexes, references, checks, triggers, policies and rules.

    The order of columns and the names of constraints are left out, as on every engine.

    Args:
        connection: Any.
        table: Its name, looked for as a statement would.

    Returns:
        The parts; empty where there is no such table.
    """
    number = _number(connection, table)
    if number is None:
        return {}

    def ask(query: str) -> list[tuple[str, ...]]:
        return [*raw.run(connection, query.format(table=number))]

    parts: dict[str, str] = {}
    for name, type_, required, identity, generated, collation, default in ask(_COLUMNS):
        words = [type_, f'COLLATE "{collation}"' if collation else "", "NOT NULL" if required else ""]
        words += [f"DEFAULT {default}" if default is not None else ""]
        words += [f"identity {identity}" if identity else "", f"generated {generated}" if generated else ""]
        parts[f"column {name}"] = " ".join(filter(None, words))
    for name, text, unique, valid in ask(_INDEXES):
        # "CREATE INDEX name ON schema.table USING btree (…)": of a scratch table all but its schema is alike.
        words = ["unique" if unique else "", text.partition(" USING ")[2], "" if valid else "not valid"]
        parts[f"index {name}"] = " ".join(filter(None, words))
    for kind, text in ask(_CONSTRAINTS):
        own, _, theirs = text.removeprefix("FOREIGN KEY ").partition(" REFERENCES ")
        if kind == "f":
            parts[f"reference {own}"] = f"to {theirs}"
        else:
            parts["key" if kind == "p" else f"clause {text}"] = text if kind == "p" else "there"
    parts.update((part, said) for part, said in ask(_OTHERS))
    return parts


def referrers(connection: sa.Connection, tables: Collection[str]) -> list[Referrer]:
    """References to these tables from others than these."""
    numbers = [str(number) for table in tables if (number := _number(connection, table)) is not None]
    if not numbers:
        return []
    among = ", ".join(numbers)
    found: list[Referrer] = []
    for table, name, _, _, columns, _ in _references(
        connection, f"confrelid IN ({among}) AND conrelid NOT IN ({among})"
    ):
        present = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
        count = int(raw.run(connection, f"SELECT count(*) FROM {table} WHERE {present}")[0][0])
        found.append(Referrer(table, count, f"ALTER TABLE {table} DROP CONSTRAINT {quoted(name)}"))
    return found


def broken_references(connection: sa.Connection) -> dict[str, int]:
    """Table → how many of its rows refer to rows that are not there.

    PostgreSQL watches every reference; rows from before one was watched count only where it was never checked.
    """
    found: dict[str, int] = {}
    for table, _, target, _, own, theirs in _references(connection, "NOT convalidated"):
        same = " AND ".join(
            f"target.{quoted(there)} = source.{quoted(here)}" for here, there in zip(own, theirs, strict=True)
        )
        present = " AND ".join(f"source.{quoted(column)} IS NOT NULL" for column in own)
        count = int(
            raw.run(
                connection,
                f"SELECT count(*) FROM {table} AS source WHERE {present} AND NOT EXISTS "
                f"(SELECT 1 FROM {target} AS target WHERE {same})",
            )[0][0]
        )
        if count:
            found[table] = found.get(table, 0) + count
    return found


def rows_of(connection: sa.Connection, table: str) -> int:
    """About how many rows a table has; from its size, where nobody has counted yet."""
    number = _number(connection, table)
    if number is None:
        return 0
    query = f"SELECT reltuples, pg_relation_size(oid) / 100 FROM pg_catalog.pg_class WHERE oid = {number}"
    counted, guessed = raw.run(connection, query)[0]
    return int(counted if counted >= 0 else guessed)


def is_finished(connection: sa.Connection, later: Later) -> bool:
    """Whether an index is there and serves, or a reference was looked at."""
    if later.kind == "index":
        number = _number(connection, later.name)
        query = f"SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = {number}"
        return number is not None and raw.run(connection, query) == [(True,)]
    number = _number(connection, later.table)
    query = (
        "SELECT convalidated FROM pg_catalog.pg_constraint "
        f"WHERE conrelid = {number} AND conname = {literal(later.name)}"
    )
    return number is not None and raw.run(connection, query) == [(True,)]


def _references(
    connection: sa.Connection, condition: str
) -> Iterator[tuple[str, str, str, bool, list[str], list[str]]]:
    for row in raw.run(connection, _REFERENCES.format(condition=condition)):
        table, name, target, valid, own, theirs = row
        yield table, name, target, valid, own, theirs


def _number(connection: sa.Connection, table: str) -> int | None:
    """The table's number in the catalog, found as a statement would find the table."""
    found = raw.run(connection, f"SELECT to_regclass({literal(quoted(table))})::oid::int8")[0][0]
    return None if found is None else int(found)
