"""What renderers of several engines do alike: ``PlainRenderer`` has what most need not do, ``ServerRenderer`` asks a catalog."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from prefiq.migrations.dialects.renderer import NO_STRAYS, Referrer, Strays
from prefiq.migrations.errors import BlockingChange
from prefiq.migrations.graph import Change
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.steps import Later, Sql, Step
from prefiq.migrations.walls import Breach, Walls

__all__ = ["LARGE", "Catalog", "PlainRenderer", "ServerRenderer"]

LARGE = 100_000
"""About how many rows a table has that is not held up, or copied while writers wait, unless somebody says so."""


class PlainRenderer:
    """An engine that makes no table anew, leaves nothing for later, and has one transaction and no walls."""

    def strays(self, connection: sa.Connection, changes: Sequence[Change]) -> Mapping[str, Strays]:
        """None: no table is made anew."""
        del connection, changes
        return NO_STRAYS

    def alone(
        self, connection: sa.Connection, *, wait: float, sleep: Callable[[float], None]
    ) -> AbstractContextManager[None]:
        """``exclusively`` is all there is."""
        del connection, wait, sleep
        return nullcontext()

    def finish(self, connection: sa.Connection, later: Later, *, wait: float) -> None:
        """Nothing is left for later."""
        raise NotImplementedError

    def together(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """The migration is one transaction."""
        del connection
        return nullcontext()

    def around(self, step: Sql) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """None: nobody else writes, or steps that need it say so themselves."""
        del step
        return (), ()

    def wall_of(self, table: str, walls: Walls) -> list[str]:
        """None: it has no walls."""
        del table, walls
        return []

    def breaches(self, connection: sa.Connection, schema: Schema, walls: Walls) -> list[Breach]:
        """None: it has no walls."""
        del connection, schema, walls
        return []


class Catalog(Protocol):
    """A module that asks a server's catalog."""

    def has_table(self, connection: sa.Connection, table: str) -> bool:
        """Whether there is such a table."""
        ...

    def rows_of(self, connection: sa.Connection, table: str) -> int:
        """About how many rows a table has."""
        ...

    def broken_references(self, connection: sa.Connection) -> dict[str, int]:
        """Table → how many of its rows refer to rows that are not there."""
        ...

    def referrers(self, connection: sa.Connection, tables: Collection[str]) -> list[Referrer]:
        """References to these tables from others than these."""
        ...

    def fingerprint(self, connection: sa.Connection, table: str) -> dict[str, str]:
        """Part → description."""
        ...


class ServerRenderer(PlainRenderer):
    """An engine whose server has a catalog, and keeps references whole by itself.

    Args:
        catalog: Asks it.
        steps_of: The steps of one operation.
    """

    watchful = True

    def __init__(self, catalog: Catalog, steps_of: Callable[[Change, datetime], list[Step]]) -> None:
        self._catalog = catalog
        self._steps_of = steps_of

    def render(
        self, changes: Sequence[Change], now: datetime, strays: Mapping[str, Strays] = NO_STRAYS
    ) -> list[Step]:
        """The steps of operations, one after the other."""
        del strays
        return [step for change in changes for step in self._steps_of(change, now)]

    def is_large(self, connection: sa.Connection, table: str) -> bool:
        """By the server's own estimate."""
        return self._catalog.rows_of(connection, table) >= LARGE

    def require_small(self, connection: sa.Connection, step: Sql) -> None:
        """Go on only if nobody has to wait long until a statement has written its tables anew.

        Raises:
            BlockingChange: One of them is large.
        """
        for table in step.tables:
            rows = self._catalog.rows_of(connection, table)
            if rows >= LARGE:
                raise BlockingChange(step.title, table, rows)

    def has_table(self, connection: sa.Connection, table: str) -> bool:
        """Whether there is such a table."""
        return self._catalog.has_table(connection, table)

    def broken_references(self, connection: sa.Connection) -> dict[str, int]:
        """Table → how many of its rows refer to rows that are not there."""
        return self._catalog.broken_references(connection)

    def referrers(self, connection: sa.Connection, tables: Collection[str]) -> list[Referrer]:
        """References to these tables from others than these."""
        return self._catalog.referrers(connection, tables)

    def fingerprint(self, connection: sa.Connection, table: str) -> dict[str, str]:
        """What the catalog says of a table."""
        return self._catalog.fingerprint(connection, table)
