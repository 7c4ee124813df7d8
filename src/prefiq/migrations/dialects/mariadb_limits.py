"""What a table may hold at most on MariaDB, found before anything is changed.

Source: MariaDB, "InnoDB Limitations" and "Troubleshooting Row Size Too Large Errors with InnoDB"; the sizes
agree with those of the server (16 KiB pages, ROW_FORMAT=DYNAMIC).
"""

from __future__ import annotations

from sqlalchemy.dialects import mysql
from sqlalchemy.types import TEXT

from prefiq.migrations.dialects.mariadb_tables import DIALECT, Physical
from prefiq.migrations.errors import BadOperation
from prefiq.migrations.snapshot import FieldState, ModelState
from prefiq.migrations.tables import type_of

__all__ = ["check_limits"]

ROW = 65_535
"""Bytes of a row, beside its long texts."""
PAGE = 8125
"""Bytes of a row that stay in its page: half a page."""
KEY = 3072
"""Bytes of an index."""
INDEXES = 64
"""Indexes of a table, the primary key among them."""
PARTS = 32
"""Columns of an index."""
COLUMNS = 1017
"""Columns of a table."""
_OUTSIDE = 21
"""Bytes that stay in the page of a text that does not."""
_SYSTEM = 5 + 6 + 7
"""The head of a record, its transaction and its way back."""


def check_limits(model: ModelState, table: Physical, title: str) -> None:
    """Go on only if MariaDB can keep the table.

    Args:
        model: The table as it shall be.
        table: The same as MariaDB keeps it.
        title: What leads there, for people.

    Raises:
        BadOperation: It cannot.
    """
    if len(model.fields) > COLUMNS:
        raise BadOperation(
            title, f"{model.name} would have {len(model.fields)} columns, MariaDB takes {COLUMNS}"
        )
    if len(table.indexes) + 1 > INDEXES:
        count = len(table.indexes) + 1
        raise BadOperation(title, f"{model.name} would have {count} indexes, MariaDB takes {INDEXES}")
    widths = {field.name: _bytes(field) for field in model.fields}
    for name, index in table.indexes.items():
        size = sum(widths[column] for column in index.columns)
        if size > KEY or len(index.columns) > PARTS:
            fields = ", ".join(column for column in index.columns if column != "tenant_id")
            problem = f"the index {name} on {fields} takes up to {size:,} bytes, MariaDB takes {KEY:,}"
            if len(index.columns) > PARTS:
                problem = f"the index {name} has {len(index.columns)} columns, MariaDB takes {PARTS}"
            raise BadOperation(title, problem)
    nulls = (sum(field.nullable for field in model.fields) + 7) // 8
    row = 1 + nulls + sum(_row_bytes(field, widths[field.name]) for field in model.fields)
    page = (
        _SYSTEM
        + nulls
        + sum(_page_bytes(field, widths[field.name], keyed=field.name in model.key) for field in model.fields)
    )
    for size, limit in ((row, ROW), (page, PAGE)):
        if size > limit:
            texts = sorted(
                (field for field in model.fields if field.kind == "str" and field.name not in model.key),
                key=lambda field: -widths[field.name],
            )
            widest = " or ".join(field.name for field in texts[:3])
            problem = f"a row of {model.name} takes up to {size:,} bytes, MariaDB takes {limit:,}"
            raise BadOperation(title, problem + (f": declare {widest} with text=True" if widest else ""))


def _bytes(field: FieldState) -> int:
    """Bytes of the longest value."""
    type_ = type_of(field).load_dialect_impl(DIALECT)
    match type_:
        case mysql.DECIMAL():
            whole = (type_.precision or 0) - (type_.scale or 0)
            return _digits(whole) + _digits(type_.scale or 0)
        case mysql.VARCHAR():
            return 4 * (type_.length or 0)
        case TEXT() | mysql.LONGTEXT():
            return 2**32
    return _FIXED[field.kind]


_FIXED = {"int": 8, "bool": 1, "float": 8, "date": 3, "datetime": 8, "uuid": 16}


def _digits(count: int) -> int:
    """Bytes of so many decimal digits: nine to four bytes."""
    return 4 * (count // 9) + (0, 1, 1, 2, 2, 3, 3, 4, 4)[count % 9]


def _row_bytes(field: FieldState, size: int) -> int:
    if size >= 2**32:
        return 12
    return size + _length_bytes(field, size)


def _page_bytes(field: FieldState, size: int, *, keyed: bool) -> int:
    if field.kind in _FIXED or field.kind == "decimal":
        return size
    if size >= 256 and not keyed:
        return _OUTSIDE
    return size + _length_bytes(field, size)


def _length_bytes(field: FieldState, size: int) -> int:
    if field.kind in _FIXED or field.kind == "decimal":
        return 0
    return 1 if size < 256 else 2
