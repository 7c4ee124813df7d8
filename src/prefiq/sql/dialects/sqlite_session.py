"""SQLite's connection as the executor uses it."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from prefiq.sql.plan import Plan

__all__ = ["SqliteSession"]

STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the time, about a tenth of a millisecond."""


class SqliteSession:
    """One connection of the standard library's driver, with one cursor.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ("_connection", "_cursor", "_until", "dead", "timeout", "usual")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._until = math.inf
        self.dead = False
        self.timeout = self.usual = math.inf

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        return self._cursor.execute(sql, params).fetchall()

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        return self._cursor.execute(sql, params).rowcount

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Session``."""
        return self._cursor.executemany(plan.sql, rows).rowcount

    def control(self, sql: str) -> None:
        """See ``Session``."""
        self._cursor.execute(sql)

    @property
    def in_transaction(self) -> bool:
        """See ``Session``."""
        return not self.dead and self._connection.in_transaction

    def is_connected(self) -> bool:
        """See ``Session``; a file does not hang up."""
        return not self.dead

    def limit(self, seconds: float) -> None:
        """See ``Session``; what is over the limit ends with SQLITE_INTERRUPT."""
        self.timeout = seconds
        if seconds == math.inf:
            self._connection.set_progress_handler(None, 0)
        else:
            self._until = time.monotonic() + seconds
            self._connection.set_progress_handler(self._is_late, STEPS)

    def _is_late(self) -> int:
        return time.monotonic() > self._until

    def release(self) -> None:
        """See ``Session``."""
        if self.timeout != math.inf:
            self.limit(math.inf)

    def kill(self) -> None:
        """See ``Session``."""
        self.dead = True
        self._connection.close()
