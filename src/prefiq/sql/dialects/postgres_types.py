"""PostgreSQL: how fields are stored, and how values go to psycopg and come back.

psycopg's loaders in C make the final Python values wherever they can, so that most codecs load nothing.  What
they need to know is registered for our connections alone, never for the driver as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg.types.string import TextLoader
from sqlalchemy.dialects import postgresql

from prefiq.sql.dialects.codecs import IDENTITY, INT, JSON, enum_codec, exact_decimal
from prefiq.sql.types import Codec, FieldType

__all__ = ["COPIED_AS", "adapters", "codec", "prepare_plans", "storage"]

C = "C"
"""The collation of every text: by code point, alike on every server and for ever."""

COPIED_AS = {
    "str": "text",
    "enum": "text",
    "text": "text",
    "json": "text",  # in binary form a document is its text
    "int": "int8",
    "bool": "bool",
    "decimal": "numeric",
    "float": "float8",
    "date": "date",
    "datetime": "timestamptz",
    "uuid": "uuid",
}
"""The server's types that a binary COPY sends driver values as."""


def _dump_datetime(value: datetime) -> datetime:
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
    return value


def _same(value: Any) -> Any:
    return value


_CODECS = {
    "int": INT,
    "datetime": Codec(
        _dump_datetime, _same, "dump_datetime({v})", "{v}", {"dump_datetime": _dump_datetime}, "{v}"
    ),
    "bool": Codec(bool, _same, "({v} is True or dump_bool({v}))", "{v}", {"dump_bool": bool}, "{v}"),
    "float": Codec(float, _same, "{v}", "{v}", sure="({v} + 0.0)"),
    "json": JSON,
}
_STORAGE: dict[str, Callable[[FieldType], sa.types.TypeEngine[Any]]] = {
    "str": lambda type_: sa.VARCHAR(type_.length, collation=C),
    "enum": lambda type_: sa.VARCHAR(type_.length, collation=C),
    "text": lambda _: sa.TEXT(collation=C),
    "int": lambda _: sa.BIGINT(),
    "bool": lambda _: sa.BOOLEAN(),
    "decimal": lambda type_: sa.NUMERIC(type_.precision, type_.scale),
    "float": lambda _: sa.DOUBLE_PRECISION(),
    "date": lambda _: sa.DATE(),
    "datetime": lambda _: postgresql.TIMESTAMP(timezone=True),
    "uuid": lambda _: postgresql.UUID(),
    # JSON keeps the text as it was written; JSONB sorts keys, changes numbers and refuses U+0000.
    "json": lambda _: postgresql.JSON(),
}


def storage(type_: FieldType) -> sa.types.TypeEngine[Any]:
    """The column type that DDL names."""
    return _STORAGE[type_.kind](type_)


def codec(type_: FieldType) -> Codec:
    """How values of the type go to psycopg and come back."""
    if type_.kind == "decimal":
        return exact_decimal(type_.scale or 0)
    if type_.kind == "enum":  # psycopg would ask the server for a type of the enum's name
        return enum_codec(type_.enum)
    return _CODECS.get(type_.kind, IDENTITY)


def adapters() -> AdaptersMap:
    """Psycopg's own, but that documents come as text: a mapper decodes them, twice where it keeps a snapshot.

    Instants need nothing: in a session whose time zone is UTC, psycopg makes them with ``datetime.UTC``.
    """
    map_ = AdaptersMap(psycopg.adapters)
    map_.register_loader("json", TextLoader)
    return map_


def prepare_plans(map_: AdaptersMap) -> None:
    """Let a cursor send whole numbers as BIGINT, whatever their size.

    psycopg chooses among three types, and a statement is prepared anew for each combination.  Not for
    authors' SQL, where a function may want a smaller type.
    """
    map_.register_dumper(int, Int8Dumper)
    map_.register_dumper(int, Int8BinaryDumper)
