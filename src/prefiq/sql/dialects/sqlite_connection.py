"""SQLite's connection, whose writers wait for each other without stopping anybody else.

SQLite has one writer at a time.  Its own way to wait (``busy_timeout``) blocks the thread, and so the event
loop with everything on it, and serves whoever happens to ask at the right moment.  Here writers of one process
stand in line for each file, and other processes are waited for by asking again: in the bridge with the loop
free, elsewhere asleep.
"""

from __future__ import annotations

import math
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from prefiq.bridge import FairSemaphore, pause

__all__ = ["SqliteConnection", "WriterLine", "line_of"]

P = ParamSpec("P")
T = TypeVar("T")

FIRST_PAUSE = 0.0005
"""Seconds until another process is asked a second time."""
LONGEST_PAUSE = 0.002
COURTESY = 0.02
"""Part of the time of its transaction for which a process then lets others go first, up to the longest pause.

One that writes without a break would never be found idle by others, which cannot be told when it is.
"""
LONG = 0.01
"""Seconds of a transaction after which there is a courtesy."""
STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the time, about a tenth of a millisecond."""
BREAK = 0.05
"""Seconds between two looks after which the statement has not run meanwhile: its rows are read in parts."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class WriterLine:
    """Where the writers of one file in this process wait for each other, first come first served."""

    __slots__ = ("__weakref__", "_began", "_ended", "_turn")

    def __init__(self) -> None:
        self._turn = FairSemaphore()
        self._began = 0.0
        self._ended = 0.0

    def enter(self, seconds: float) -> float:
        """Have the turn.

        Args:
            seconds: How long to wait at most.

        Returns:
            How much of it is left.

        Raises:
            sqlite3.OperationalError: SQLITE_BUSY: it is over.
        """
        began = time.monotonic()
        if not self._turn.acquire(seconds):
            raise _error(sqlite3.SQLITE_BUSY, "SQLITE_BUSY")
        now = time.monotonic()
        lasted = self._ended - self._began
        if lasted > LONG:
            rest = self._ended + min(lasted * COURTESY, LONGEST_PAUSE) - now
            if rest > 0:
                try:
                    pause(rest)
                except BaseException:
                    self._turn.release()
                    raise
                now = time.monotonic()
        self._began = now
        return seconds - (now - began)

    def leave(self) -> None:
        """Give the turn to the next."""
        self._ended = time.monotonic()
        self._turn.release()


_lines: WeakValueDictionary[str, WriterLine] = WeakValueDictionary()
_lock = threading.Lock()


def line_of(key: str) -> WriterLine:
    """The line of a file.

    Args:
        key: Its resolved path, or the name of a database in memory.
    """
    with _lock:
        line = _lines.get(key)
        if line is None:
            line = _lines[key] = WriterLine()
        return line


class SqliteConnection(sqlite3.Connection):
    """A connection in driver autocommit; make it with ``sqlite3.connect(…, factory=SqliteConnection)``.

    Attributes:
        line: Where its writers wait for others of this process.
        patience: Seconds to wait for other writers.
        longest: Seconds that one statement may run.
        until: Time of ``time.monotonic`` after which no statement goes on.
        ran: Seconds that the present statement has run, as far as it was looked at.
    """

    line: WriterLine
    patience = 0.0
    longest = math.inf
    until = math.inf
    ran = 0.0
    _looked = 0.0
    _has_turn = False

    def cursor(self, factory: Any = None) -> Any:
        """A cursor for SQLAlchemy, which waits for other writers where it must."""
        return super().cursor(PatientCursor if factory is None else factory)

    def plain_cursor(self) -> sqlite3.Cursor:
        """A cursor as the driver makes it."""
        return super().cursor()

    def watch_time(self) -> None:
        """Let SQLite look at the time while it runs statements."""
        self.set_progress_handler(self._is_late, STEPS)

    def _is_late(self) -> int:
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        if not self.ran:  # the first look at this statement
            self.ran = math.ulp(0.0)
        elif passed < BREAK:
            self.ran += passed
        return now > self.until or self.ran > self.longest

    # -- writing --------------------------------------------------------------------------------------------

    def begin(self, execute: Callable[[str], Any]) -> None:
        """Begin a transaction that excludes other writers.

        Raises:
            sqlite3.OperationalError: SQLITE_BUSY: another writer did not let go in time.
        """
        self.settle()
        left = self.line.enter(self._seconds)
        try:
            self.patiently(left, execute, "BEGIN IMMEDIATE")
        except BaseException:
            self.line.leave()
            raise
        self._has_turn = True

    def settle(self) -> None:
        """Leave the line where no transaction is open any more, whatever ended it."""
        if self._has_turn and not self.in_transaction:
            self._has_turn = False
            self.line.leave()

    def alone(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a statement that writes, outside of a transaction."""
        self.settle()
        left = self.line.enter(self._seconds)
        try:
            return self.patiently(left, function, *args, **kwargs)
        finally:
            self.line.leave()

    def patiently(
        self, seconds: float | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a statement, again and again while other processes are in its way.

        Args:
            seconds: How long; as long as the connection waits where None.
            function: Runs the statement; nothing is done yet when SQLite says that it is busy.
            args: Its arguments.
            kwargs: Its arguments by name.

        Raises:
            sqlite3.Error: What the driver raised.
        """
        try:
            return function(*args, **kwargs)
        except sqlite3.Error as error:
            if not is_busy(error):
                raise
        now = time.monotonic()
        end = now + (self._seconds if seconds is None else seconds)
        step = FIRST_PAUSE
        while True:
            # Not in step with others: each would find the same one before it, every time.
            pause(max(0.0, min(step * random.uniform(0.5, 1.5), end - now)))  # noqa: S311  no secret
            step = min(step * 1.5, LONGEST_PAUSE)
            try:
                return function(*args, **kwargs)
            except sqlite3.Error as error:
                now = time.monotonic()
                if not is_busy(error) or now >= end:
                    if now >= self.until and is_busy(error):
                        raise _error(sqlite3.SQLITE_INTERRUPT, "SQLITE_INTERRUPT") from error
                    raise

    @property
    def _seconds(self) -> float:
        if self.until == math.inf:
            return self.patience
        return max(0.0, min(self.patience, self.until - time.monotonic()))

    def close(self) -> None:
        """Close it, and leave the line."""
        try:
            super().close()
        finally:
            self._leave()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self.line.leave()


class PatientCursor(sqlite3.Cursor):
    """A cursor for what is not a plan; it waits for other writers where it must."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """As the driver's."""
        connection = self.connection
        if not isinstance(connection, SqliteConnection):
            return super().execute(sql, parameters)
        connection.ran = 0.0
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error as error:
            if not is_busy(error):
                connection.settle()
                raise
        if connection.in_transaction:
            return connection.patiently(None, super().execute, sql, parameters)
        return connection.alone(super().execute, sql, parameters)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the statement may succeed when it is run again a little later."""
    code: int = getattr(error, "sqlite_errorcode", 0)  # what the driver itself finds wrong has none
    return code & 0xFF in _BUSY and code != sqlite3.SQLITE_BUSY_SNAPSHOT


def _error(code: int, name: str) -> sqlite3.OperationalError:
    """An error as the driver raises it."""
    error = sqlite3.OperationalError("the database is busy")
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error
