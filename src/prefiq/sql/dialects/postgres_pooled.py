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


class _Pooled:
    """Mixed into a session of either mode; every transaction says what a session would keep.

    Args:
        connection: In driver autocommit, without prepared statements.
    """

    __slots__ = ()
    _bound: str | None
    is_pooled = True

    def __init__(self: Any, connection: PostgresConnection | PostgresAsyncConnection) -> None:
        super().__init__(connection)  # type: ignore[call-arg]
        self._lock_timeout = connection.lock_timeout

    def bind(self: Any, tenant: str) -> None:
        """See ``Session``; nothing is sent."""
        self._bound = tenant

    def limit(self: Any, seconds: float) -> None:
        """See ``Session``; sent at once only where a transaction is open."""
        self._limited = seconds != self.usual
        self.timeout = seconds
        if self.in_transaction:
            super().control(_limit_text(seconds))  # type: ignore[misc]

    def control(self: Any, sql: str) -> None:
        """See ``Session``."""
        super().control(_opened(self, sql))  # type: ignore[misc]

    def fetch(self: Any, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        fetch: Callable[..., list[Any]] = super().fetch  # type: ignore[misc]
        return fetch(sql, params) if self.in_transaction else _alone(self, lambda: fetch(sql, params))

    def write(self: Any, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        write: Callable[..., int] = super().write  # type: ignore[misc]
        return write(sql, params) if self.in_transaction else _alone(self, lambda: write(sql, params))


class PooledPostgresSession(_Pooled, PostgresSession):
    """One connection to a pooler in sync mode."""

    __slots__ = ("_lock_timeout",)


class PooledPostgresAsyncSession(_Pooled, PostgresAsyncSession):
    """The same in async mode."""

    __slots__ = ("_lock_timeout",)


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
