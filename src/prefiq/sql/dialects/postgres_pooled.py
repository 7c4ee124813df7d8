"""PostgreSQL behind a transaction pooler: nothing is said that would have to outlast a transaction.

Such a pooler gives a server's connection to another client as soon as a transaction ends.  What a session
would keep (the tenant, time zone, limits of time) stands at the beginning of every transaction here, in the
same packet as its BEGIN; and every statement is in a transaction, if need be in one of its own.

Source: PgBouncer, "Features", "SQL feature map for pooling modes".
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from prefiq.sql.dialects.postgres_connect import PostgresAsyncConnection, PostgresConnection, milliseconds
from prefiq.sql.dialects.postgres_session import PostgresAsyncSession, PostgresSession
from prefiq.sql.dialects.postgres_walls import SETTING

__all__ = ["PooledPostgresAsyncSession", "PooledPostgresSession"]

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
T = TypeVar("T")


class PooledPostgresSession(PostgresSession):
    """One connection to a pooler in sync mode.

    Args:
        connection: In driver autocommit, without prepared statements.
    """

    __slots__ = ("_lock_timeout",)
    is_pooled = True

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)
        self._lock_timeout = connection.lock_timeout

    def bind(self, tenant: str) -> None:
        """See ``Session``; every transaction says it."""
        self._bound = tenant

    def limit(self, seconds: float) -> None:
        """See ``Session``; every transaction says it."""
        self._limited = seconds != self.usual
        self.timeout = seconds
        if self.in_transaction:
            super().control(_limit_text(seconds))

    def control(self, sql: str) -> None:
        """See ``Session``."""
        super().control(_opened(self, sql))

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        if self.in_transaction:
            return super().fetch(sql, params)
        return _alone(self, lambda: super(PooledPostgresSession, self).fetch(sql, params))

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        if self.in_transaction:
            return super().write(sql, params)
        return _alone(self, lambda: super(PooledPostgresSession, self).write(sql, params))


class PooledPostgresAsyncSession(PostgresAsyncSession):
    """The same in async mode.

    Args:
        connection: In driver autocommit, without prepared statements.
    """

    __slots__ = ("_lock_timeout",)
    is_pooled = True

    def __init__(self, connection: PostgresAsyncConnection) -> None:
        super().__init__(connection)
        self._lock_timeout = connection.lock_timeout

    def bind(self, tenant: str) -> None:
        """See ``Session``; every transaction says it."""
        self._bound = tenant

    def limit(self, seconds: float) -> None:
        """See ``Session``; every transaction says it."""
        self._limited = seconds != self.usual
        self.timeout = seconds
        if self.in_transaction:
            super().control(_limit_text(seconds))

    def control(self, sql: str) -> None:
        """See ``Session``."""
        super().control(_opened(self, sql))

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        if self.in_transaction:
            return super().fetch(sql, params)
        return _alone(self, lambda: super(PooledPostgresAsyncSession, self).fetch(sql, params))

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        if self.in_transaction:
            return super().write(sql, params)
        return _alone(self, lambda: super(PooledPostgresAsyncSession, self).write(sql, params))


def _opened(session: Any, sql: str) -> str:
    """What begins a transaction, with what it needs to know behind it."""
    if not sql.startswith("BEGIN"):
        return sql
    settings = {
        SETTING: session._bound,
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "extra_float_digits": "1",
        "statement_timeout": _limit(session.timeout),
        "lock_timeout": str(session._lock_timeout),
    }
    said = ", ".join(f"set_config('{name}', {_literal(value)}, true)" for name, value in settings.items())
    return f"{sql}; SELECT {said}"


def _literal(text: str) -> str:
    if "\\" in text:  # what it means depends on the server's settings
        raise psycopg.DataError("a backslash in a setting of a transaction")
    return "'" + text.replace("'", "''") + "'"


def _limit(seconds: float) -> str:
    return "0" if seconds == math.inf else str(max(1, milliseconds(seconds)))


def _limit_text(seconds: float) -> str:
    return f"SET LOCAL statement_timeout = {_limit(seconds)}"


def _alone(session: Any, run: Callable[[], T]) -> T:
    """Run a statement in a transaction of its own."""
    session.control(BEGIN)
    try:
        result = run()
    except BaseException:
        if not session.dead:
            with contextlib.suppress(psycopg.Error):
                session.control("ROLLBACK")
        if session.in_transaction:
            session.kill()
        raise
    session.control("COMMIT")
    return result
