"""SQLite's connection as the executor uses it, in both modes.

The driver runs on the caller's thread, in async mode on the event loop: a statement takes less time than a
switch to another thread and back.  While one runs nothing else does, so a read of many rows (a report over a
large table, a filter without an index) belongs into a process of its own, or on a server engine.  What waits
for another writer leaves the loop free.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from prefiq.sql.dialects.sqlite_connection import SqliteConnection, is_busy
from prefiq.sql.plan import Plan

__all__ = ["SqliteSession"]

BEGIN = "BEGIN IMMEDIATE"


class SqliteSession:
    """One connection of the standard library's driver, with one cursor.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ("_connection", "_execute", "_many", "dead", "timeout", "usual")
    is_pooled = False

    def __init__(self, connection: SqliteConnection) -> None:
        cursor = connection.plain_cursor()
        self._connection = connection
        self._execute = cursor.execute
        self._many = cursor.executemany
        self.dead = False
        self.timeout = self.usual = connection.longest

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        self._connection.ran = 0.0
        try:
            return self._execute(sql, params).fetchall()
        except sqlite3.Error as error:
            if not is_busy(error):
                self._connection.settle()
                raise
        return self._connection.patiently(None, lambda: self._execute(sql, params).fetchall())

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        connection = self._connection
        connection.ran = 0.0
        if not connection.in_transaction:
            return connection.alone(self._execute, sql, params).rowcount
        try:
            return self._execute(sql, params).rowcount
        except sqlite3.Error:
            connection.settle()
            raise

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Session``."""
        self._connection.ran = 0.0
        try:
            return self._many(plan.sql, rows).rowcount
        except sqlite3.Error:
            self._connection.settle()
            raise

    def control(self, sql: str) -> None:
        """See ``Session``."""
        connection = self._connection
        connection.ran = 0.0
        if sql == BEGIN:
            connection.begin(self._execute)
            return
        try:
            # In memory a commit waits for readers.
            connection.patiently(None, self._execute, sql)
        finally:
            connection.settle()

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
        if seconds >= self.usual:
            self._connection.until = math.inf
        else:
            self._connection.until = time.monotonic() + seconds
            self._connection.watch_time()

    def bind(self, tenant: str) -> None:
        """See ``Session``; it has no such thing."""

    def release(self) -> None:
        """See ``Session``."""
        if self.timeout != self.usual:
            self.limit(self.usual)
        self._connection.settle()

    def kill(self) -> None:
        """See ``Session``."""
        self.dead = True
        self._connection.close()
