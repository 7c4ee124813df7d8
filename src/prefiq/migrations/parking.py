"""Values that no row has, for the moment in which rows hand unique values to each other.

Every engine checks a unique index row by row: of two rows that swap their values, the first one cannot be
written while the second one stands.  So the rows first get values that nobody wants, then their own.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from prefiq.sql.types import FieldType

__all__ = ["Parking", "parking_of"]

_LETTERS = string.ascii_lowercase + string.digits
_FIRST_DAY = date(1000, 1, 1)  # MariaDB's first


@dataclass(frozen=True, slots=True)
class Parking:
    """Values under which a table's rows are out of each other's way.

    Args:
        columns: One of each unique index.
        rows: For each row a value of each of these columns, as the driver takes them.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def parking_of(
    table: sa.Table, dialect: sa.Dialect, rows: int, used: Callable[[str], Iterable[Any]]
) -> Parking | None:
    """Values for so many rows; None where a unique index has no column that could hold them.

    Args:
        table: Whose rows.
        dialect: Of the database.
        rows: How many.
        used: Driver values that a column has, or shall have.
    """
    chosen: dict[str, list[Any]] = {}
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        columns = list(index.columns)
        if not index.unique or any(column.name in chosen for column in columns):
            continue
        for column in sorted(columns, key=lambda column: not column.nullable):
            values = _values(column, dialect, rows, used)
            if values is not None:
                chosen[column.name] = values
                break
        else:
            return None
    if not chosen:
        return None
    return Parking(tuple(chosen), tuple(zip(*chosen.values(), strict=True)))


def _values(
    column: sa.Column[Any], dialect: sa.Dialect, rows: int, used: Callable[[str], Iterable[Any]]
) -> list[Any] | None:
    if column.nullable:
        return [None] * rows  # rows without a value are not alike
    kind = column.type
    if not isinstance(kind, FieldType) or column.foreign_keys:
        return None
    dump = kind.bind_processor(dialect)
    if dump is None:
        return None
    taken = {_folded(value) for value in used(column.name)}
    free = (value for value in map(dump, _candidates(kind)) if _folded(value) not in taken)
    found: Sequence[Any] = list(itertools.islice(free, rows))
    return list(found) if len(found) == rows else None


def _folded(value: Any) -> Any:
    """What an engine may take for the same."""
    return value.casefold() if isinstance(value, str) else value


def _candidates(kind: FieldType) -> Iterator[Any]:
    """Different values that a column of this type can hold, unlikely ones first."""
    match kind.kind:
        case "str" | "text" | "enum":
            length = min(kind.length or 12, 12)
            texts = itertools.product(reversed(_LETTERS), repeat=length)
            return ("".join(text) for text in texts)
        case "int":
            return iter(range(-1_000_000_007, 0))
        case "decimal":
            scale = kind.scale or 0
            most = 10 ** (kind.precision or 1) - 1
            return (Decimal(-number).scaleb(-scale) for number in range(most, 0, -1))
        case "float":
            return (-float(number) for number in itertools.count(1_000_000_007))
        case "date":
            return (_FIRST_DAY + timedelta(days) for days in range(365_000))
        case "datetime":
            first = datetime(1000, 1, 1, tzinfo=UTC)
            return (first + timedelta(seconds=seconds) for seconds in itertools.count())
        case "uuid":
            return (uuid4() for _ in itertools.count())
    return iter(())  # a bool has no third value
