"""PostgreSQL: how fields are stored, and how values go to psycopg and come back.

psycopg's C loaders make the final Python values wherever they can, so that most codecs load nothing; the
adapters that this needs belong to our connections alone, never to the driver as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from prefiq.sql.types import Codec, FieldType

__all__ = ["codec", "storage"]

C = "C"
"""The collation of every text: by code point, alike on every server and for ever."""

_EXACT = Context(prec=1100, traps=[Inexact, InvalidOperation])


def _same(value: Any) -> Any:
    return value


_IDENTITY = Codec(_same, _same, "{v}", "{v}")


def _dump_datetime(value: datetime) -> datetime:
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
    return value


_DATETIME = Codec(_dump_datetime, _same, "dump_datetime({v})", "{v}", {"dump_datetime": _dump_datetime})
_BOOL = Codec(bool, _same, "({v} is True or dump_bool({v}))", "{v}", {"dump_bool": bool})
_FLOAT = Codec(float, _same, "{v}", "{v}")

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
_JSON = Codec(
    lambda value: _encode_json(value).decode(),
    _decode_json,
    "encode_json({v}).decode()",
    "decode_json({v})",
    {"encode_json": _encode_json, "decode_json": _decode_json},
)
_CODECS = {"datetime": _DATETIME, "bool": _BOOL, "float": _FLOAT, "json": _JSON}


def _decimal(scale: int) -> Codec:
    exponent = Decimal(1).scaleb(-scale)
    quantize = _EXACT.quantize

    def dump(value: Decimal) -> Decimal:
        # NUMERIC would round what has more digits, and take NaN.
        try:
            scaled = quantize(value, exponent)
        except DecimalException:
            raise ValueError(f"a decimal with more than {scale} digits behind the point") from None
        if not scaled.is_finite():
            raise ValueError("the decimal is not a finite number")
        return scaled

    name = f"dump_decimal_{scale}"
    return Codec(dump, _same, name + "({v})", "{v}", {name: dump})


def _enum(states: Any) -> Codec:
    members = {str(member): member for member in states}
    texts = {member: str(member) for member in states}
    name = f"{states.__name__}_{id(states)}"
    # A StrEnum goes to the driver as plain text: psycopg would ask the server for an enum's type.
    return Codec(
        str, members.__getitem__, f"text_{name}[{{v}}]", f"state_{name}[{{v}}]",
        {f"text_{name}": texts, f"state_{name}": members},
    )  # fmt: skip


def _text(type_: FieldType) -> sa.types.TypeEngine[Any]:
    return sa.TEXT(collation=C)


def _varchar(type_: FieldType) -> sa.types.TypeEngine[Any]:
    return sa.VARCHAR(type_.length, collation=C)


_STORAGE: dict[str, Callable[[FieldType], sa.types.TypeEngine[Any]]] = {
    "str": _varchar,
    "enum": _varchar,
    "text": _text,
    "int": lambda _: sa.BIGINT(),
    "bool": lambda _: sa.BOOLEAN(),
    "decimal": lambda type_: sa.NUMERIC(type_.precision, type_.scale),
    "float": lambda _: sa.DOUBLE_PRECISION(),
    "date": lambda _: sa.DATE(),
    "datetime": lambda _: postgresql.TIMESTAMP(timezone=True),
    "uuid": lambda _: postgresql.UUID(),
    # JSON keeps the text as it was written; JSONB would sort keys and change numbers.
    "json": lambda _: postgresql.JSON(),
}


def storage(type_: FieldType) -> sa.types.TypeEngine[Any]:
    """The column type that DDL names."""
    return _STORAGE[type_.kind](type_)


def codec(type_: FieldType) -> Codec:
    """How values of the type go to psycopg and come back."""
    if type_.kind == "decimal":
        return _decimal(type_.scale or 0)
    if type_.kind == "enum":
        return _enum(type_.enum)
    return _CODECS.get(type_.kind, _IDENTITY)
