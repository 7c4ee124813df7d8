"""How MariaDB stores the fields, and how their values go to its drivers and come back.

Instants are ``DATETIME(6)`` in UTC, because ``TIMESTAMP`` ends in 2038 and asks the session for its zone.
Texts are compared by code point and never padded: ``utf8mb4_nopad_bin``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from prefiq.sql.dialects.codecs import BOOL, IDENTITY, JSON, UUID_BYTES, enum_codec, exact_decimal
from prefiq.sql.types import Codec, FieldType

__all__ = ["CHARSET", "COLLATION", "codec_of", "conversions", "storage_of"]

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
)
_CODECS = {"datetime": _DATETIME, "bool": BOOL, "uuid": UUID_BYTES, "json": JSON}


def codec_of(type_: FieldType) -> Codec:
    """The conversions of one kind, beside what the connection itself converts."""
    if type_.kind == "decimal":
        return exact_decimal(type_.scale or 0)
    if type_.kind == "enum":
        return enum_codec(type_.enum)
    return _CODECS.get(type_.kind, IDENTITY)


def _instant(value: datetime, _: object = None) -> str:
    # A literal with a type: one without would make COALESCE and CASE texts.
    return f"TIMESTAMP'{value.isoformat(' ', 'microseconds')[:26]}'"


def _day(value: date, _: object = None) -> str:
    return f"DATE'{value.isoformat()}'"


def _bytes(value: bytes, _: object = None) -> str:
    return f"x'{value.hex()}'"


def _number(value: Decimal, _: object = None) -> str:
    if not value.is_finite():
        raise ValueError("a decimal that is not a number")
    return format(value, "f")  # "1E+2" would be a binary float


def _load_instant(text: Any) -> Any:
    return datetime.fromisoformat((text if type(text) is str else text.decode("ascii")) + "Z")


def _load_day(text: Any) -> Any:
    return date.fromisoformat(text if type(text) is str else text.decode("ascii"))


def conversions(driver: dict[Any, Any]) -> dict[Any, Any]:
    """The driver's conversions and ours in front, for one connection; the driver's own stay as they are.

    Args:
        driver: Encoders by type and decoders by the protocol's number of a column type.
    """
    datetime_, timestamp, date_ = 12, 7, 10
    return {
        **driver,
        datetime: _instant,
        date: _day,
        bytes: _bytes,
        bytearray: _bytes,
        Decimal: _number,
        datetime_: _load_instant,
        timestamp: _load_instant,
        date_: _load_day,
    }
