"""``WallMemory``: in which tables the database itself confines the serving role to one tenant.

There, and nowhere else, raw SQL may name tenants' tables: what it forgets to say, the wall adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prefiq.sql.dialects import postgres_walls

__all__ = ["REMEMBERED", "WallMemory"]

REMEMBERED = 60.0
"""Seconds after which the server is asked anew: somebody may have taken a wall down, or raised one."""


class WallMemory:
    """What servers said of their walls; one for an application, thread-safe.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def tables(
        self,
        database: str,
        engine: str,
        tenants: Iterable[str],
        ask: Callable[[str], Iterable[Sequence[Any]]],
    ) -> frozenset[str]:
        """Names of the tables that are behind a wall, in small letters.

        Args:
            database: What the application calls it.
            engine: As in ``DB_ENGINE``; only PostgreSQL has walls.
            tenants: Names of all tables that hold rows of tenants.
            ask: Runs a query as the serving role.
        """
        if engine != "postgres":
            return frozenset()
        known = self._known.get(database)
        if known is not None and self._clock() - known[0] < REMEMBERED:
            return known[1]
        names = sorted(tenants)
        rows = [*ask(postgres_walls.question(names))] if names else []
        open_ = postgres_walls.gaps(rows)
        walled = frozenset(row[0].casefold() for row in rows if row[1] and row[0] not in open_)
        self._known[database] = (self._clock(), walled)
        return walled

    def forget(self, database: str) -> None:
        """Ask the server next time: something went wrong there."""
        self._known.pop(database, None)
