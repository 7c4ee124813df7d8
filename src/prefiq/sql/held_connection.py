"""``HeldConnection``: the one connection of a scope to one database, from its first statement to its last.

It says what an error of the driver means for what is open: what goes on, what can only be undone, and what
may be sent again because nothing was lost with the connection.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from prefiq.contracts import Across, Bound, Placement, Scope, ScopeClosed, Tenancy
from prefiq.contracts.transactions import Isolation
from prefiq.errors import PrefiqError
from prefiq.sql.connection_manager import ConnectionManager
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import (
    AcrossBlocked,
    CommitUnknown,
    DeadlineExceeded,
    Disconnected,
    TransactionFailed,
    TransactionLost,
)
from prefiq.sql.faults import from_driver
from prefiq.sql.tables import Tables

__all__ = ["HeldConnection", "Level"]

_NO_SETTING = "42704"
"""PostgreSQL's ``undefined_object``: its wall asks for a tenant, and the connection is bound to none."""
NEAR = 0.9
"""A statement's time is set anew only where the deadline leaves less than this part of it: that is a statement."""


class Level:
    """One open transaction or savepoint."""

    __slots__ = ("after", "read_only", "undo")

    def __init__(self, *, read_only: bool) -> None:
        self.read_only = read_only
        self.after: list[Callable[[], None]] = []
        self.undo: list[Callable[[], None]] = []


def _placement_on(database: str, tenancy: Tenancy) -> Placement | None:
    """Where a tenant's rows of the application's own tables stand, if not beside everybody's.

    Further databases are every tenant's: their tables have rows of all.
    """
    if database != "default" or not isinstance(tenancy, Bound):
        return None
    return tenancy.placement if tenancy.placement.mode in {"schema", "database"} else None


class HeldConnection:
    """Takes a connection when it is first needed, and gives it back when the scope closes.

    Args:
        connections: Where connections come from.
        scope: Whose connection it is.
        tables: For the names of models in errors.
        database: Name of the database.
    """

    def __init__(self, connections: ConnectionManager, scope: Scope, tables: Tables, database: str) -> None:
        self.is_across = isinstance(scope.tenancy, Across)
        """Whether it reads across tenants: as another user, through another compiler."""
        if self.is_across:
            connections = connections.across
        self.kind = connections.kind(database)
        self._scope = scope
        self._tenancy = scope.tenancy
        self._tables = tables
        self._connections = connections
        self._database = database
        self._driver_error = self.kind.driver_error
        self._watch = connections.watch
        self._connection: sa.Connection | None = None
        self._session: Session | None = None
        """What statements run on; None while there is no connection, and after a transaction failed."""
        self._held: Session | None = None
        """The session of ``_connection``."""
        self._until = math.inf
        self._levels: list[Level] = []
        self._frozen = self.is_across or (isinstance(scope.tenancy, Bound) and scope.tenancy.read_only)
        """Whether the tenant itself is read-only now, or what is read across is."""
        self._read_only = self._frozen
        self._placement = _placement_on(database, scope.tenancy)
        self._stamp = scope.tenancy.tenant if isinstance(scope.tenancy, Bound) else ""
        """What every connection that is taken is bound to."""
        self._isolation: Isolation | None = None
        self._lost = False
        self._gone: PrefiqError | None = None
        """The error with which the last connection was lost outside of a transaction."""
        self._failure: BaseException | None = None
        self._closed = False
        self._streams: list[sa.CursorResult[Any]] = []

    @property
    def failure(self) -> BaseException | None:
        """What failed in the transaction that is open now, which then takes no further statement."""
        return self._failure

    def fail(self, error: BaseException, /) -> None:
        """Let the transaction (or savepoint) that is open now take no further statement: it can only be undone."""
        if self._levels and self._failure is None:
            self._failure = error
            self._session = None

    def _open(self) -> Session:
        """The session, on a connection taken now."""
        if self._closed:
            raise ScopeClosed(type(self))
        if self._lost:
            raise TransactionLost(self._database) from self._failure
        if self._failure is not None:
            raise TransactionFailed(self._database) from self._failure
        if self._held is not None:  # dead: what ran on it was interrupted
            if self._levels:
                self._lose()
                raise TransactionLost(self._database)
            self._forget_connection()
        session = self._take()
        try:
            self._bind(session)
        except Disconnected as error:
            if not self._was_replaced(error):
                raise
            session = self._take()
            self._bind(session)
        deadline = self._scope.deadline
        left = math.inf
        if deadline is not None:
            left = (deadline - datetime.now(UTC)).total_seconds()
            self._until = time.monotonic() + left
        if session.timeout != session.usual and left > 0:  # the limit of the last unit of work
            self._limit(session, min(left, session.usual))
        return session

    def _take(self) -> Session:
        self._connection, session = self._connections.checkout(self._database, self._placement)
        self._session = self._held = session
        return session

    def _bind(self, session: Session) -> None:
        try:
            session.bind(self._stamp)
        except self._driver_error as error:
            explained = self._explained(error)
            self._forget_connection()
            raise explained from error
        except BaseException:  # cancelled: nobody knows whose rows it shows
            self._forget_connection()
            raise

    def _limit(self, session: Session, seconds: float) -> None:
        try:
            session.limit(seconds)
        except self._driver_error as error:
            raise self._explained(error) from error

    def _mind(self, session: Session) -> None:
        """No statement begins after the deadline, and none goes on long after it."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(self._database)
        if left < session.timeout * NEAR:
            self._limit(session, left)

    def _explained(self, error: BaseException, deleting: str = "", *, writes: bool = False) -> PrefiqError:
        """The error to raise; the transaction that is open has failed with it.

        PostgreSQL refuses every further statement of it, and makes a rollback of its COMMIT.  Others go on as
        if nothing had been: the same code would mean another thing.

        A statement that writes outside of a transaction is its own commit, whose answer may be lost as well.
        """
        session = self._session
        explained = from_driver(error, self.kind, self._database, self._tables, deleting=deleting)
        if self.is_across and getattr(error, "sqlstate", "") == _NO_SETTING:
            explained = AcrossBlocked(self._database)
        if session is not None:
            if isinstance(explained, Disconnected) and not session.dead:
                session.kill()
            if self._levels:
                self.fail(explained)
                if not session.in_transaction:
                    self._lose()
            elif session.dead:
                if not self._streams:
                    self._gone = explained
                self._forget_connection()  # the next statement has another one
                if writes and isinstance(explained, Disconnected):
                    return CommitUnknown(self._database)
        return explained

    def _was_replaced(self, error: PrefiqError) -> bool:
        """Whether this error lost the connection, and nothing with it: what changes nothing may be sent again.

        A connection dies while it is idle more often than while it works; its user need not notice.
        """
        return error is self._gone

    def _lose(self) -> None:
        # Without a transaction the next statement would be kept alone: no session, no statement.
        self._lost = True
        self._session = None

    @staticmethod
    def _abandon(session: Session | None) -> None:
        if session is not None and not session.dead:
            session.kill()

    def _forget_connection(self) -> None:
        """Give the connection back; one that is dead, or still in a transaction, is thrown away."""
        connection, session = self._connection, self._held
        self._connection = self._session = self._held = None
        if connection is None:
            return
        try:
            if session is not None:
                if session.in_transaction:
                    session.kill()
                if session.dead:
                    connection.invalidate()
                else:
                    session.release()
        finally:
            connection.close()
