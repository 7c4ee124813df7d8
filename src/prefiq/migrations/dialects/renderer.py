"""``Renderer``: everything that differs between engines when tables change; each one's module has one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa

from prefiq.lowcode.field import NOW
from prefiq.migrations.errors import BadOperation
from prefiq.migrations.graph import Change
from prefiq.migrations.snapshot import FieldState, Schema
from prefiq.migrations.steps import Later, Sql, Step
from prefiq.migrations.tables import type_of
from prefiq.migrations.walls import Breach, Walls

T = TypeVar("T")

__all__ = ["NO_STRAYS", "Referrer", "Renderer", "Strays", "causes", "literal", "value_literal"]


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


@dataclass(frozen=True, slots=True)
class Referrer:
    """A reference from one table to another.

    Args:
        table: The table that refers.
        rows: How many of its rows do.
        release: The statement that takes the reference away.
    """

    table: str
    rows: int
    release: str


NO_STRAYS: Mapping[str, Strays] = MappingProxyType({})


class Renderer(Protocol):
    """How one engine says what operations want, and how it migrates safely."""

    name: str
    """As in ``DB_ENGINE``."""
    title: str
    """For people."""
    opening: tuple[str, ...]
    """Statements that begin a migration; for printed SQL."""
    closing: tuple[str, ...]
    """Statements that end it."""
    table_options: str
    """What stands behind CREATE TABLE of Prefiq's own tables."""
    dialect: sa.Dialect
    """SQLAlchemy's, for text."""
    atomic: bool
    """Whether a migration is one transaction; where it is not, a journal keeps what is done."""
    watchful: bool
    """Whether the engine itself keeps references whole while a migration runs."""

    def render(
        self, changes: Sequence[Change], now: datetime, strays: Mapping[str, Strays] = NO_STRAYS
    ) -> list[Step]:
        """The steps of operations.

        Args:
            changes: Operations and the schemas around them, one after the other.
            now: Aware UTC time for ``fill=now``.
            strays: What ``strays`` found.

        Raises:
            BadOperation: A value for rows is none of its field, or the engine cannot keep such a table.
        """
        ...

    def strays(self, connection: sa.Connection, changes: Sequence[Change]) -> Mapping[str, Strays]:
        """What modules that are not listed have added to tables that would be made anew; it stays."""
        ...

    def exclusively(
        self, connection: sa.Connection, work: Callable[[], T], *, wait: float, sleep: Callable[[float], None]
    ) -> T:
        """Do work while no other process migrates the database, where the engine can in one transaction.

        Where the engine gives up waiting for a lock in that transaction, all of it is undone and done again.

        Args:
            connection: Outside any transaction.
            work: What is done; it may be called several times.
            wait: Seconds to wait for others.
            sleep: Waits so many seconds.

        Raises:
            prefiq.migrations.errors.MigrationLocked: The others did not finish in time.
        """
        ...

    def alone(
        self, connection: sa.Connection, *, wait: float, sleep: Callable[[float], None]
    ) -> AbstractContextManager[None]:
        """Nobody else migrates the database, whatever transactions begin and end inside."""
        ...

    def is_large(self, connection: sa.Connection, table: str) -> bool:
        """Whether a table is so large that what reads or writes all of it takes noticeably long."""
        ...

    def finish(self, connection: sa.Connection, later: Later, *, wait: float) -> None:
        """Do what a large table gets outside of a transaction, unless it is done.

        Args:
            connection: Inside ``alone``, outside any transaction.
            later: What.
            wait: Seconds to wait for others.
        """
        ...

    def together(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Changes of rows inside are kept together or not at all."""
        ...

    def around(self, step: Sql) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Statements before and after one, so that nobody writes what its questions ask for."""
        ...

    def in_transaction(self, connection: sa.Connection) -> bool:
        """Whether the transaction that ``exclusively`` or ``together`` began is still open."""
        ...

    def define(self, connection: sa.Connection, step: Sql, *, may_block: bool) -> None:
        """Run a statement that changes a table's definition.

        Args:
            connection: Inside ``exclusively``.
            step: The statement.
            may_block: Whether writers may have to wait until a large table is copied.

        Raises:
            prefiq.migrations.errors.BlockingChange: They would, and may not.
        """
        ...

    def is_busy(self, error: BaseException) -> bool:
        """Whether the engine gave up waiting for what others hold, so that trying again may help."""
        ...

    def reason(self, error: BaseException) -> str:
        """The engine's word for what it refused, without values."""
        ...

    def has_table(self, connection: sa.Connection, table: str) -> bool:
        """Whether there is such a table."""
        ...

    def definition(self, connection: sa.Connection, table: str) -> str:
        """The table's definition as the engine tells it; empty where there is no such table."""
        ...

    def broken_references(self, connection: sa.Connection) -> dict[str, int]:
        """Table → how many of its rows refer to rows that are not there."""
        ...

    def referrers(self, connection: sa.Connection, tables: Collection[str]) -> list[Referrer]:
        """References to these tables from others than these."""
        ...

    def fingerprint(self, connection: sa.Connection, table: str) -> dict[str, str]:
        """What the database says of a table: part → description; empty where there is no such table."""
        ...

    def wall_of(self, table: str, walls: Walls) -> list[str]:
        """Statements that raise the wall of a tenants' table that was just made; none where there are no walls."""
        ...

    def breaches(self, connection: sa.Connection, schema: Schema, walls: Walls) -> list[Breach]:
        """Tenants' tables whose wall is not as it should be; none where the engine has no walls.

        Args:
            connection: Any; only the catalog is asked.
            schema: The tables; those that are not there are left out.
            walls: What is wanted.
        """
        ...

    def expected(self, connection: sa.Connection, schema: Schema) -> dict[str, dict[str, str]]:
        """The same of every table of a schema, as the engine tells it of tables made for that alone.

        Args:
            connection: Outside any transaction; nothing of it is left.
            schema: What should be there.
        """
        ...


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it; of SQLAlchemy's, the driver's own."""
    present: BaseException | None = error
    while present is not None:
        yield getattr(present, "orig", None) or present
        present = present.__cause__ or present.__context__


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


def value_literal(
    field: FieldState,
    value: Any,
    dialect: sa.Dialect,
    now: datetime,
    title: str,
    said: Callable[[Any], str] = literal,
) -> str:
    """A value as it is stored in the field's column, as text for a statement.

    Args:
        field: The column.
        value: The value, ``prefiq.now``, or None.
        dialect: The engine's.
        now: Aware UTC time.
        title: What it is part of, for people.
        said: How the engine writes a driver's value.

    Raises:
        BadOperation: The value is none of the field's kind.
    """
    if value is NOW:
        value = now.date() if field.kind == "date" else now
    process = type_of(field).bind_processor(dialect)
    try:
        return said(value if process is None or value is None else process(value))
    except Exception as error:
        raise BadOperation(title, f"its fill is no value of kind {field.kind}") from error
