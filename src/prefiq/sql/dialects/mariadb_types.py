"""How MariaDB stores the fields, and how their values go to its drivers and come back.

Instants are ``DATETIME(6)`` in UTC, because ``TIMESTAMP`` ends in 2038 and asks the session for its zone.
Texts are compared by code point and never padded: ``utf8mb4_nopad_bin``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from prefiq.sql.dialects.codecs import BOOL, IDENTITY, INT, JSON, UUID_BYTES, enum_codec, exact_decimal
from prefiq.sql.types import Codec, FieldType

__all__ = ["CHARSET", "COLLATION", "LITERALS", "codec_of", "decoders", "literal", "storage_of"]

CHARSET = "utf8mb4"
COLLATION = "utf8mb4_nopad_bin"
LONGEST_VARCHAR = 700
"""Code points; with the tenant they still fit into a key."""


def storage_of(type_: FieldType) -> sa.types.TypeEngine[Any]:
    """The column type that DDL names."""
    match type_.kind:
        case "str" | "enum":
            return _text_type(type_.length or 255)
        case "text" | "json":
            return mysql.LONGTEXT(charset=CHARSET, collation=COLLATION)
        case "decimal":
            return mysql.DECIMAL(type_.precision or 18, type_.scale or 0)
        case "datetime":
            return mysql.DATETIME(fsp=6)
        case _:
            return _STORAGE[type_.kind]()


def _text_type(length: int) -> sa.types.TypeEngine[Any]:
    # A row holds 65,535 bytes beside its TEXT columns, and a key 3,072.
    if length <= LONGEST_VARCHAR:
        return mysql.VARCHAR(length, charset=CHARSET, collation=COLLATION)
    if length <= 65_535 // 4:
        return mysql.TEXT(charset=CHARSET, collation=COLLATION)
    return mysql.LONGTEXT(charset=CHARSET, collation=COLLATION)


_STORAGE: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
    "int": sa.BIGINT,
    "bool": sa.BOOLEAN,
    "float": lambda: mysql.DOUBLE(asdecimal=False),
    "date": sa.DATE,
    "uuid": lambda: sa.BINARY(16),
}


def _dump_datetime(value: datetime) -> datetime:
    if value.tzinfo is UTC and type(value) is datetime:
        return value
    if value.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    # Not a subclass: the drivers look an encoder up by the very type.
    return datetime.fromisoformat(value.astimezone(UTC).isoformat())


_DATETIME = Codec(
    _dump_datetime,
    lambda value: value,
    "({v} if {v}.tzinfo is UTC and type({v}) is datetime else dump_datetime({v}))",
    "{v}",
    {"UTC": UTC, "datetime": datetime, "dump_datetime": _dump_datetime},
    "{v}",
)
_CODECS = {"int": INT, "datetime": _DATETIME, "bool": BOOL, "uuid": UUID_BYTES, "json": JSON}


def codec_of(type_: FieldType) -> Codec:
    """The conversions of one kind, beside what the connection itself converts."""
    if type_.kind == "decimal":
        return exact_decimal(type_.scale or 0)
    if type_.kind == "enum":
        return enum_codec(type_.enum)
    return _CODECS.get(type_.kind, IDENTITY)


# -- literals: the drivers write values into the text of a statement ------------------------------------------


def _text(value: str) -> str:
    # Enough where backslash escapes: our sessions have no NO_BACKSLASH_ESCAPES, and their charset is UTF-8.
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _instant(value: datetime) -> str:
    # A literal with a type: one without would make COALESCE and CASE texts.
    return f"TIMESTAMP'{value.isoformat(' ', 'microseconds')[:26]}'"


def _day(value: date) -> str:
    return f"DATE'{value.isoformat()}'"


def _bytes(value: bytes) -> str:
    return f"x'{value.hex()}'"


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("a decimal that is not a number")
    return format(value, "f")  # "1E+2" would be a binary float


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("a float that is not a number")
    text = repr(value)
    return text if "e" in text else text + "e0"  # without an exponent it would be a decimal


class _Literals(dict[type, Callable[[Any], str]]):
    """How values of a type are written; a subclass as the nearest class that is known."""

    def __missing__(self, cls: type) -> Callable[[Any], str]:
        for base in cls.__mro__[1:]:
            if base in self:
                self[cls] = self[base]
                return self[base]
        raise TypeError(f"a value of the type {cls.__name__} cannot be bound")


LITERALS: Final[Mapping[type, Callable[[Any], str]]] = _Literals({
    str: _text,
    int: int.__repr__,
    bool: lambda value: "1" if value else "0",
    float: _float,
    Decimal: _decimal,
    datetime: _instant,
    date: _day,
    bytes: _bytes,
    bytearray: _bytes,
    type(None): lambda _: "NULL",
})  # fmt: skip
"""Each type's literal."""


def literal(value: Any, mapping: object = None) -> str:
    """A value as it stands in a statement's text; both drivers' connections write every value so.

    Args:
        value: Of a type that can be bound.
        mapping: Of the drivers, not used.

    Raises:
        TypeError: It cannot.
    """
    del mapping
    return LITERALS[type(value)](value)


# -- what comes back -------------------------------------------------------------------------------------------

# Numbers of the column types in the protocol.
_TIMESTAMP, _DATE, _DATETIME_NUMBER = 7, 10, 12


def _load_instant(text: str) -> Any:
    try:
        return datetime.fromisoformat(text + "Z")
    except ValueError:  # raising here would leave the rest of the answer unread on the connection
        return text


def _load_day(text: str) -> Any:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def decoders(driver: Mapping[Any, Any]) -> dict[Any, Any]:
    """A driver's conversions with our decoders in their place, for one connection; the driver's own stay as they are.

    Args:
        driver: Encoders by type, which nobody asks (``LITERALS``), and decoders by the number of a column's type.
    """
    return {**driver, _DATETIME_NUMBER: _load_instant, _TIMESTAMP: _load_instant, _DATE: _load_day}
