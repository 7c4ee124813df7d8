"""What MariaDB says of a table, in words that do not depend on how it came to be so."""

# ruff: noqa: S608  names are quoted
from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.mariadb_tables import Physical, create, quoted
from prefiq.migrations.dialects.renderer import Referrer, literal

__all__ = ["broken_references", "definition", "expected", "fingerprint", "has_table", "referrers", "rows_of"]

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_CLAUSES = re.compile(r"\b(CHECK|GENERATED ALWAYS AS) (\(.*\))")
_ENGINE = re.compile(r"\) ENGINE=(\w+)")
_REFERENCES = """
SELECT c.table_name, c.constraint_name, c.referenced_table_name, r.delete_rule, r.update_rule,
       group_concat(c.column_name ORDER BY c.ordinal_position),
       group_concat(c.referenced_column_name ORDER BY c.ordinal_position)
FROM information_schema.key_column_usage c JOIN information_schema.referential_constraints r
  ON r.constraint_schema = c.constraint_schema AND r.constraint_name = c.constraint_name
 AND r.table_name = c.table_name
WHERE c.constraint_schema = DATABASE() AND c.referenced_table_schema = DATABASE() AND {condition}
GROUP BY c.table_name, c.constraint_name, c.referenced_table_name, r.delete_rule, r.update_rule
"""


def has_table(connection: sa.Connection, table: str) -> bool:
    """Whether there is such a table."""
    return bool(
        raw.run(
            connection,
            "SELECT 1 FROM information_schema.tables "
            f"WHERE table_schema = DATABASE() AND table_name = {literal(table)}",
        )
    )


def rows_of(connection: sa.Connection, table: str) -> int:
    """About how many rows a table has."""
    found = raw.run(
        connection,
        "SELECT table_rows FROM information_schema.tables "
        f"WHERE table_schema = DATABASE() AND table_name = {literal(table)}",
    )
    return int(found[0][0] or 0) if found else 0


def definition(connection: sa.Connection, table: str) -> str:
    """Its CREATE TABLE, without the counter that every insert changes; empty where there is no such table."""
    if not has_table(connection, table):
        return ""
    text = str(raw.run(connection, f"SHOW CREATE TABLE {quoted(table)}")[0][1])
    return _COUNTER.sub("", text)


def fingerprint(connection: sa.Connection, table: str) -> dict[str, str]:
    """Part → description: columns, key, indexes, references, checks and triggers.

    The order of columns and the names of references are left out, as on every engine.

    Args:
        connection: Any.
        table: Its name.

    Returns:
        The parts; empty where there is no such table.
    """
    text = definition(connection, table)
    if not text:
        return {}
    parts = _parts(connection, table, text)
    for reference in _references(connection, f"c.table_name = {literal(table)}"):
        parts |= {reference.part: reference.said}
    triggers = (
        "SELECT trigger_name FROM information_schema.triggers "
        f"WHERE event_object_schema = DATABASE() AND event_object_table = {literal(table)}"
    )
    parts |= {f"trigger {name}": "there" for (name,) in raw.run(connection, triggers)}
    return parts


def expected(connection: sa.Connection, table: Physical) -> dict[str, str]:
    """What MariaDB says of a temporary table, which nobody else sees; it can have no references.

    Those are put beside it in the words that the catalog has for them.
    """
    raw.run(connection, create(table, temporary=True))
    try:
        text = str(raw.run(connection, f"SHOW CREATE TABLE {quoted(table.table)}")[0][1])
        parts = _parts(connection, table.table, text)
    finally:
        raw.run(connection, f"DROP TEMPORARY TABLE {quoted(table.table)}")
    for name, made in table.references.items():
        reference = _Reference(
            table.table, name, made.table, made.rule or "RESTRICT", "RESTRICT", made.columns, made.to
        )
        parts[reference.part] = reference.said
    return parts


def referrers(connection: sa.Connection, tables: Collection[str]) -> list[Referrer]:
    """References to these tables from others than these."""
    if not tables:
        return []
    among = ", ".join(map(literal, tables))
    condition = f"c.referenced_table_name IN ({among}) AND c.table_name NOT IN ({among})"
    found: list[Referrer] = []
    for reference in _references(connection, condition):
        present = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in reference.columns)
        table = quoted(reference.table)
        count = int(raw.run(connection, f"SELECT count(*) FROM {table} WHERE {present}")[0][0])
        release = f"ALTER TABLE {table} DROP FOREIGN KEY {quoted(reference.name)}"
        found.append(Referrer(reference.table, count, release))
    return found


def broken_references(connection: sa.Connection) -> dict[str, int]:
    """Table → how many of its rows refer to rows that are not there, which a session without checks can make."""
    found: dict[str, int] = {}
    for reference in _references(connection, "true"):
        pairs = zip(reference.columns, reference.to, strict=True)
        same = " AND ".join(f"target.{quoted(there)} = source.{quoted(here)}" for here, there in pairs)
        present = " AND ".join(f"source.{quoted(column)} IS NOT NULL" for column in reference.columns)
        query = (
            f"SELECT count(*) FROM {quoted(reference.table)} AS source WHERE {present} AND NOT EXISTS "
            f"(SELECT 1 FROM {quoted(reference.target)} AS target WHERE {same})"
        )
        count = int(raw.run(connection, query)[0][0])
        if count:
            found[reference.table] = found.get(reference.table, 0) + count
    return found


@dataclass(frozen=True, slots=True)
class _Reference:
    table: str
    name: str
    target: str
    on_delete: str
    on_update: str
    columns: tuple[str, ...]
    to: tuple[str, ...]

    @property
    def part(self) -> str:
        return f"reference ({', '.join(self.columns)})"

    @property
    def said(self) -> str:
        rules = f"on delete {self.on_delete} on update {self.on_update}".lower()
        return f"to {self.target} ({', '.join(self.to)}) {rules}"


def _references(connection: sa.Connection, condition: str) -> Iterator[_Reference]:
    for table, name, target, on_delete, on_update, own, theirs in sorted(
        raw.run(connection, _REFERENCES.format(condition=condition))
    ):
        columns, to = tuple(str(own).split(",")), tuple(str(theirs).split(","))
        yield _Reference(table, name, target, on_delete, on_update, columns, to)


def _parts(connection: sa.Connection, table: str, text: str) -> dict[str, str]:
    """Of a table that may be a temporary one, which SHOW knows and the catalog does not."""
    parts: dict[str, str] = {}
    for name, type_, collation, nullable, _, default, extra, _, _ in raw.run(
        connection, f"SHOW FULL COLUMNS FROM {quoted(table)}"
    ):
        words = [type_, collation or "", "" if nullable == "YES" else "NOT NULL"]
        words += [f"DEFAULT {default}" if default is not None else "", extra or ""]
        parts[f"column {name}"] = " ".join(filter(None, words))
    indexes: dict[str, list[str]] = {}
    unique: dict[str, bool] = {}
    for row in sorted(
        raw.run(connection, f"SHOW INDEX FROM {quoted(table)}"), key=lambda row: (row[2], row[3])
    ):
        _, repeats, name, _, column, order, _, prefix, _, _, kind = row[:11]
        words = [column, f"({prefix})" if prefix else "", "DESC" if order == "D" else ""]
        words += [kind if kind != "BTREE" else ""]
        indexes.setdefault(name, []).append(" ".join(filter(None, words)))
        unique[name] = not repeats
    for name, columns in indexes.items():
        said = f"({', '.join(columns)})"
        if name == "PRIMARY":
            parts["key"] = said
        else:
            parts[f"index {name}"] = f"unique {said}" if unique[name] else said
    for kind, clause in _CLAUSES.findall(text):
        parts[f"clause {kind} {clause}"] = "there"
    engine = _ENGINE.search(text)
    parts["table"] = engine[1] if engine else ""
    return parts
