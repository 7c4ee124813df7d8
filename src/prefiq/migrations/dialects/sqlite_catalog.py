"""What SQLite's catalog says of a table, in words that do not depend on how it came to be so."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection
from typing import Any

from prefiq.migrations.dialects.renderer import Strays

__all__ = ["fingerprint", "strays_in"]

_ADDED = re.compile(r"(?:archived\d*_)?x_")
_CLAUSES = re.compile(
    r"\b(CHECK\s*\(|COLLATE\s+\w+|GENERATED\s+ALWAYS|AUTOINCREMENT|WITHOUT\s+ROWID|STRICT\b|ON\s+CONFLICT\s+\w+)",
    re.IGNORECASE,
)


def fingerprint(cursor: sqlite3.Cursor, table: str) -> dict[str, str]:
    """Part → description: columns, key, indexes, references, other clauses and triggers.

    The order of columns and the names of constraints are left out: they differ between a table that was made
    so and one that became so, and nothing depends on them.

    Args:
        cursor: Of any connection.
        table: Its name.

    Returns:
        The parts; empty where there is no such table.
    """
    parts: dict[str, str] = {}
    for _, name, type_, required, default, key, hidden in _pragma(cursor, "table_xinfo", table):
        words = [type_.upper()]
        words += ["NOT NULL"] if required else []
        words += [f"DEFAULT {default}"] if default is not None else []
        words += [f"key {key}"] if key else []
        words += ["generated"] if hidden else []
        parts[f"column {name}"] = " ".join(words)
    for _, name, unique, origin, partial in _pragma(cursor, "index_list", table):
        if origin == "pk":
            continue
        columns = [
            f"{column}{' DESC' if descending else ''}{'' if collation == 'BINARY' else ' ' + collation}"
            for _, _, column, descending, collation, is_key in _pragma(cursor, "index_xinfo", name)
            if is_key
        ]
        words = ["unique"] if unique else []
        words += [f"({', '.join(str(column) for column in columns)})"]
        words += ["partial"] if partial else []
        parts[f"index {name}" if origin == "c" else f"unique {', '.join(columns)}"] = " ".join(words)
    parts |= _references(cursor, table)
    if not parts:
        return parts
    found = cursor.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    for clause in sorted(
        " ".join(match.upper().split()) for match in _CLAUSES.findall(found[0] if found else "")
    ):
        parts[f"clause {clause}"] = "there"
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
    for (name,) in cursor.execute(triggers, (table,)).fetchall():
        parts[f"trigger {name}"] = "there"
    return parts


def _references(cursor: sqlite3.Cursor, table: str) -> dict[str, str]:
    rows: dict[int, list[tuple[str, str, str, str, str]]] = {}
    for number, _, target, column, target_column, on_update, on_delete, _ in _pragma(
        cursor, "foreign_key_list", table
    ):
        rows.setdefault(number, []).append((target, column, target_column or "", on_update, on_delete))
    parts: dict[str, str] = {}
    for columns in rows.values():
        target, _, _, on_update, on_delete = columns[0]
        own = ", ".join(column for _, column, _, _, _ in columns)
        theirs = ", ".join(column for _, _, column, _, _ in columns)
        parts[f"reference ({own})"] = (
            f"to {target} ({theirs}) on delete {on_delete} on update {on_update}".lower()
        )
    return parts


def strays_in(
    cursor: sqlite3.Cursor, table: str, known: Collection[str], quoted: Callable[[str], str]
) -> Strays | None:
    """What modules that are not listed have added to a table, or None.

    Args:
        cursor: Of any connection.
        table: Its name.
        known: The columns that listed modules know.
        quoted: Quotes a name where that is necessary.
    """
    columns = {
        name: type_
        for _, name, type_, *_ in _pragma(cursor, "table_xinfo", table)
        if _ADDED.match(name) and name not in known
    }
    if not columns:
        return None
    keys: dict[int, list[tuple[Any, ...]]] = {}
    for row in _pragma(cursor, "foreign_key_list", table):
        keys.setdefault(row[0], []).append(row)
    references = []
    for rows in keys.values():
        if any(row[3] in columns for row in rows):
            own, theirs = (", ".join(quoted(row[place]) for row in rows) for place in (3, 4))
            references.append(
                f"FOREIGN KEY({own}) REFERENCES {quoted(rows[0][2])} ({theirs}) ON DELETE {rows[0][6]}"
            )
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    made = [
        text
        for name, text in cursor.execute(indexes, (table,)).fetchall()
        if any(column in columns for _, _, column, *_ in _pragma(cursor, "index_xinfo", name))
    ]
    return Strays(columns, tuple(references), tuple(made))


def _pragma(cursor: sqlite3.Cursor, name: str, table: str) -> list[tuple[Any, ...]]:
    return cursor.execute(f"SELECT * FROM pragma_{name}(?)", (table,)).fetchall()  # noqa: S608
