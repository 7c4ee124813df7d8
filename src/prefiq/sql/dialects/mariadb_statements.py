"""The text of statements with their values in it, and the rows of an insert put together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from prefiq.sql.dialects.mariadb_types import LITERALS

__all__ = ["MOST_BYTES", "batches", "filled"]

MOST_BYTES = 1_000_000
"""About the longest text of a statement that holds several rows: longer ones are not faster."""

_INSERT = re.compile(r"(INSERT\s.+?\sVALUES\s*)(\((?:%s|[^()%'\"`])*\))\s*\Z", re.DOTALL | re.IGNORECASE)


def filled(sql: str, params: Sequence[Any]) -> bytes:
    """The statement with its values, as it is sent.

    Args:
        sql: With ``%s`` for each value, and ``%%`` for a percent sign.
        params: The values.

    Raises:
        TypeError: A value is of a type that cannot be bound.
    """
    return (sql % tuple([LITERALS[type(value)](value) for value in params])).encode()


def batches(sql: str, rows: Sequence[Sequence[Any]], most: int = MOST_BYTES) -> Iterator[bytes]:
    """The statements for many rows of values, to run one after the other.

    Args:
        sql: With ``%s`` for each value; an INSERT with a single row in VALUES takes several.
        rows: Values of each row.
        most: Bytes of a statement after which another one begins; a single row may have more.
    """
    match = _INSERT.match(sql)
    if match is None:
        for row in rows:
            yield filled(sql, row)
        return
    head, values, literals = match[1] % (), match[2], LITERALS
    parts: list[str] = []
    size = first = len(head.encode())
    for row in rows:
        part = values % tuple([literals[type(value)](value) for value in row])
        length = len(part) if part.isascii() else len(part.encode())
        if parts and size + length >= most:
            yield (head + ",".join(parts)).encode()
            parts, size = [], first
        parts.append(part)
        size += length + 1
    if parts:
        yield (head + ",".join(parts)).encode()
