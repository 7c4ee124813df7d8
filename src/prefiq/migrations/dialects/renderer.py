"""``Renderer``: everything that differs between engines when tables change; each one's module has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from prefiq.lowcode.field import NOW
from prefiq.migrations.errors import BadOperation
from prefiq.migrations.graph import Change
from prefiq.migrations.snapshot import FieldState, Schema
from prefiq.migrations.steps import Step
from prefiq.migrations.tables import type_of

__all__ = ["NO_STRAYS", "Renderer", "Strays", "literal", "value_literal"]


@dataclass(frozen=True, slots=True)
class Strays:
    """What stands in a table and belongs to a module that is not listed, in the engine's words.

    Args:
        columns: Name → definition without the name.
        references: Table constraints.
        indexes: Statements that make them.
    """

    columns: Mapping[str, str]
    references: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()


NO_STRAYS: Mapping[str, Strays] = MappingProxyType({})


class Renderer(Protocol):
    """How one engine says what operations want, and how it migrates safely."""

    name: str
    opening: tuple[str, ...]
    """Statements that begin a migration's transaction; for printed SQL."""
    dialect: sa.Dialect
    """SQLAlchemy's, for text."""

    def render(
        self,
        changes: Sequence[Change],
        module: str,
        now: datetime,
        strays: Mapping[str, Strays] = NO_STRAYS,
    ) -> list[Step]:
        """The steps of operations.

        Args:
            changes: Operations and the schemas around them, one after the other.
            module: The module whose migration it is.
            now: Aware UTC time for ``fill=now``.
            strays: What ``strays`` found.

        Raises:
            BadOperation: A value for rows is none of its field.
        """
        ...

    def strays(
        self, connection: sa.Connection, changes: Sequence[Change], module: str
    ) -> Mapping[str, Strays]:
        """What modules that are not listed have added to tables whose columns change; it stays."""
        ...

    def in_transaction(self, connection: sa.Connection) -> bool:
        """Whether the transaction that ``transaction`` began is still open."""
        ...

    def transaction(
        self, connection: sa.Connection, *, wait: float, sleep: Callable[[float], None]
    ) -> AbstractContextManager[None]:
        """The database's lock and one transaction, in which references are not watched but checked at its end.

        Args:
            connection: Outside any transaction.
            wait: Seconds to wait for another process.
            sleep: Waits so many seconds.

        Raises:
            prefiq.migrations.errors.MigrationLocked: The other process did not finish in time.
        """
        ...

    def broken_references(self, connection: sa.Connection) -> dict[str, int]:
        """Table → how many of its rows refer to rows that are not there."""
        ...

    def fingerprint(self, connection: sa.Connection, table: str) -> dict[str, str]:
        """What the database says of a table: part → description; empty where there is no such table."""
        ...

    def expected(self, schema: Schema) -> dict[str, dict[str, str]]:
        """The same of every table of a schema, from a scratch database."""
        ...


def value_literal(field: FieldState, value: Any, dialect: sa.Dialect, now: datetime, title: str) -> str:
    """A value as it is stored in the field's column, as text for a statement.

    Raises:
        BadOperation: The value is none of the field's kind.
    """
    if value is NOW:
        value = now.date() if field.kind == "date" else now
    process = type_of(field).bind_processor(dialect)
    try:
        return literal(value if process is None or value is None else process(value))
    except Exception as error:
        raise BadOperation(title, f"its fill is no value of kind {field.kind}") from error


def literal(value: Any) -> str:
    """A driver's value as text for a statement; quotes inside are doubled."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "1" if value else "0"
        case int() | Decimal():
            return str(value)
        case float():
            return repr(value)
        case bytes():
            return f"X'{value.hex()}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime() | date() | UUID():
            return f"'{value}'"
    raise TypeError(f"no literal for {type(value).__name__}")
