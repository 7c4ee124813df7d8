"""``Executor``: the one door of a scope to one database; every statement and transaction goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from prefiq.contracts import Scope, ScopeClosed
from prefiq.contracts.scope import _CURRENT
from prefiq.contracts.transactions import Isolation, call_all
from prefiq.errors import PrefiqError
from prefiq.sql.connection_manager import ConnectionManager
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import (
    CommitUnknown,
    DeadlineExceeded,
    Disconnected,
    IsolationChanged,
    ReadOnlyTransaction,
    StatementRefused,
    TenantChanged,
    TransactionFailed,
    TransactionLost,
)
from prefiq.sql.faults import from_driver
from prefiq.sql.observing import Observed, without_literals
from prefiq.sql.plan import Plan
from prefiq.sql.tables import Tables
from prefiq.sql.tenant_scope import TenantScope

__all__ = ["Executor", "Parameters", "Statement"]

Statement = sa.Executable | str
Parameters = Mapping[str, Any] | Sequence[Any] | None

NEAR = 0.9
"""A statement's time is set anew only where the deadline leaves less than this part of it: that is a statement."""


_STREAMED = {"stream_results": True}
_COUNTED = {"preserve_rowcount": True}  # of inserts too: some drivers forget it when the cursor is closed


class _Level:
    """One open transaction or savepoint."""

    __slots__ = ("after", "read_only", "undo")

    def __init__(self, *, read_only: bool) -> None:
        self.read_only = read_only
        self.after: list[Callable[[], None]] = []
        self.undo: list[Callable[[], None]] = []


class _Transaction(AbstractContextManager[None]):
    __slots__ = ("_executor", "_isolation", "_read_only")

    def __init__(self, executor: Executor, *, read_only: bool, isolation: Isolation | None) -> None:
        self._executor = executor
        self._read_only = read_only
        self._isolation = isolation

    def __enter__(self) -> None:
        self._executor._begin(read_only=self._read_only, isolation=self._isolation)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._executor._commit()
        else:
            self._executor._rollback()


class _Rest(AbstractContextManager[None]):
    """What an open transaction cannot be kept without."""

    __slots__ = ("_executor",)

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._executor.fail(error)


class Executor:
    """Runs statements for one scope, confined to its tenant; implements ``ITransactions``.

    It takes one connection at its first statement and gives it back when the scope closes.  Outside ``tx``
    every statement is a transaction of its own.  Not for use by several threads or tasks at once.

    Args:
        connections: Where connections come from.
        scope: Whose tenant every statement is confined to; the tenant is taken now and may not change.
        tables: Which tables belong to tenants.
        database: Name of the database.

    Raises:
        prefiq.sql.errors.AcrossNotServed: The scope reads across tenants.
    """

    def __init__(
        self, connections: ConnectionManager, scope: Scope, tables: Tables, database: str = "default"
    ) -> None:
        self.kind = connections.kind(database)
        self.rules = TenantScope(scope.tenancy, tables)
        self._tenancy = scope.tenancy
        self._scope = scope
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
        self._isolation: Isolation | None = None
        self._levels: list[_Level] = []
        self._read_only = False
        self._lost = False
        self._gone: PrefiqError | None = None
        """The error with which the last connection was lost outside of a transaction."""
        self._failure: BaseException | None = None
        self._closed = False
        self._streams: list[sa.CursorResult[Any]] = []
        scope.on_close(self.close)

    @property
    def tenant(self) -> str:
        """Key of the tenant that statements are confined to.

        Raises:
            prefiq.contracts.TenantNotBound: The scope belongs to no tenant.
        """
        tenant = self.rules.tenant
        return tenant if tenant is not None else self.rules.require_tenant("")

    @property
    def dialect(self) -> sa.Dialect:
        """The scoped dialect that plans are compiled with."""
        return self._connections.dialect(self._database)

    # -- statements -----------------------------------------------------------------------------------------

    def exec(self, statement: Statement, params: Parameters = None) -> int:
        """Run a statement; how many rows it changed.

        Args:
            statement: Of SQLAlchemy Core, or SQL as text that names no tenant's table.
            params: Its bound values.
        """
        with self._running(statement, params) as result:
            return int(result.rowcount)

    def query(self, statement: Statement, params: Parameters = None) -> list[sa.Row[Any]]:
        """All rows of a statement."""
        with self._running(statement, params) as result:
            return list(result.all())

    def scalar(self, statement: Statement, params: Parameters = None) -> Any:
        """The first column of the first row, or None."""
        with self._running(statement, params) as result:
            return result.scalar()

    def bulk(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for each row of values, all or none; how many rows it changed."""
        if not rows:
            return 0
        if self._levels:
            with self._running(statement, rows) as result:
                return int(result.rowcount)
        with self.tx():
            return self.bulk(statement, rows)

    def stream(
        self, statement: Statement, params: Parameters = None, batch: int = 1000
    ) -> Iterator[Sequence[sa.Row[Any]]]:
        """All rows, in batches, with constant memory.

        The rows are those of the moment when the first batch is taken.
        """
        with self._running(statement, params, stream=True) as result:
            self._streams.append(result)
            try:
                for rows in result.partitions(batch):
                    yield rows
                    if self._closed:
                        raise ScopeClosed(type(self))
            finally:
                if result in self._streams:
                    self._streams.remove(result)

    # -- compiled plans: the driver's text and values --------------------------------------------

    def fetch(self, plan: Plan, params: Sequence[Any]) -> list[Any]:
        """All rows of a plan; its text was compiled for scopes, its values hold the tenant."""
        if self._scope.tenancy is not self._tenancy:
            raise TenantChanged
        session = self._session
        if session is None:
            session = self._open()
        if self._until != math.inf:
            self._mind(session)
        try:
            if self._watch is not None:
                return self._watch.run(session.fetch, plan.sql, params, self._database)
            return session.fetch(plan.sql, params)
        except self._driver_error as error:
            explained = self._explained(error)
            if not self._was_replaced(explained):
                raise explained from error
        try:
            return self._open().fetch(plan.sql, params)
        except self._driver_error as error:
            raise self._explained(error) from error

    def write(self, plan: Plan, params: Sequence[Any], deleting: str = "") -> int:
        """Run a plan that writes; how many rows it changed.

        Args:
            plan: Compiled for scopes.
            params: Values, the tenant's among them.
            deleting: Qualified name of the model whose row is deleted, for the error.
        """
        session = self._writing()
        try:
            if self._watch is not None:
                return self._watch.run(session.write, plan.sql, params, self._database)
            return session.write(plan.sql, params)
        except self._driver_error as error:
            raise self._explained(error, deleting, writes=True) from error

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """Run a plan that writes, once for each row of values; the caller has opened a transaction."""
        session = self._writing()
        try:
            if self._watch is not None:
                return self._watch.run_many(session.write_many, plan, rows, self._database)
            return session.write_many(plan, rows)
        except self._driver_error as error:
            raise self._explained(error) from error

    # -- transactions -----------------------------------------------------------------------------------------

    def tx(
        self, *, read_only: bool = False, isolation: Isolation | None = None
    ) -> AbstractContextManager[None]:
        """Run the body in a transaction; a nested one is a savepoint.

        Args:
            read_only: One snapshot for several reads; writing is refused.
            isolation: Of the outermost transaction.
        """
        return _Transaction(self, read_only=read_only, isolation=isolation)

    def joined(self) -> AbstractContextManager[None]:
        """Run the body in the transaction that is open, or in one of its own."""
        return nullcontext() if self._levels else self.tx()

    def rest(self) -> AbstractContextManager[None]:
        """The body finishes what was begun before it: if it is interrupted, the open transaction has failed.

        Cheaper than a savepoint around both.
        """
        return _Rest(self)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._levels)

    @property
    def read_only(self) -> bool:
        """Whether the transaction that is open now refuses writes."""
        return self._read_only

    @property
    def failure(self) -> BaseException | None:
        """What failed in the transaction that is open now, which then takes no further statement."""
        return self._failure

    def fail(self, error: BaseException, /) -> None:
        """Let the transaction (or savepoint) that is open now take no further statement: it can only be undone."""
        if self._levels and self._failure is None:
            self._failure = error
            self._session = None

    @contextmanager
    def examining(self) -> Iterator[None]:
        """Let a repository ask why its statement failed, though the transaction takes no other one.

        Of use only with an engine that still answers then.
        """
        if self._failure is not None and not self._lost:
            self._session = self._held
        try:
            yield
        finally:
            if self._failure is not None:
                self._session = None

    def after_commit(self, callback: Callable[[], None], /) -> None:
        """Call it once the outermost transaction has committed; at once where none is open."""
        if self._levels:
            self._levels[-1].after.append(callback)
        else:
            callback()

    def on_rollback(self, callback: Callable[[], None], /) -> None:
        """Call it if the transaction or savepoint that is open now is rolled back, last one first."""
        if self._levels:
            self._levels[-1].undo.append(callback)

    def close(self) -> None:
        """Give the connection back; a transaction that is still open is rolled back."""
        if self._closed:
            return
        while self._levels:
            self._rollback()
        self._closed = True
        try:
            for result in self._streams:
                result.close()
        finally:
            self._streams.clear()
            self._forget_connection()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _open(self) -> Session:
        """The session, on a connection taken now."""
        if self._closed:
            raise ScopeClosed(type(self))
        if self._lost:
            raise TransactionLost(self._database) from self._failure
        if self._failure is not None:
            raise TransactionFailed(self._database) from self._failure
        self._connection, session = self._connections.checkout(self._database)
        self._session = self._held = session
        deadline = self._scope.deadline
        left = math.inf
        if deadline is not None:
            left = (deadline - datetime.now(UTC)).total_seconds()
            self._until = time.monotonic() + left
        if session.timeout != session.usual and left > 0:  # the limit of the last unit of work
            self._limit(session, min(left, session.usual))
        return session

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

    def _writing(self) -> Session:
        if self._scope.tenancy is not self._tenancy:
            raise TenantChanged
        if self._read_only:
            raise ReadOnlyTransaction
        session = self._session
        if session is None:
            session = self._open()
        if self._until != math.inf:
            self._mind(session)
        return session

    @contextmanager
    def _running(
        self, statement: Statement, params: Any, *, stream: bool = False
    ) -> Iterator[sa.CursorResult[Any]]:
        began = time.perf_counter()
        try:
            result = self._start(statement, params, stream=stream)
        except PrefiqError as error:
            self._tell(statement, params, began, None, error.__cause__)
            raise
        try:
            if stream:  # what follows is the caller's time, too
                self._tell(statement, params, began, result, None)
            yield result
            if not stream:
                self._tell(statement, params, began, result, None)
        except self._driver_error as error:
            self._tell(statement, params, began, result, error)
            raise self._explained(error) from error
        except sa.exc.DBAPIError as error:
            self._tell(statement, params, began, result, error)
            raise self._explained(error.orig or error) from error
        finally:
            result.close()

    def _tell(
        self,
        statement: Statement,
        params: Any,
        began: float,
        result: sa.CursorResult[Any] | None,
        error: BaseException | None,
    ) -> None:
        watch = self._watch
        if watch is None or (result is None and error is None):  # or it was refused: nothing was sent
            return
        seconds = time.perf_counter() - began
        if isinstance(statement, str):
            text = without_literals(statement)
        else:
            text = str(result.context.statement if result is not None else getattr(error, "statement", ""))
        rows = (
            len(params) if isinstance(params, Sequence) and params and isinstance(params[0], Mapping) else 1
        )
        watch.tell(Observed(text, seconds, self._database, getattr(error, "orig", None) or error, rows))

    def _start(self, statement: Statement, params: Any, *, stream: bool) -> sa.CursorResult[Any]:
        try:
            return self._start_once(statement, params, stream=stream)
        except Disconnected as error:
            if not self._was_replaced(error) or not _only_reads(statement):
                raise
        return self._start_once(statement, params, stream=stream)

    def _start_once(self, statement: Statement, params: Any, *, stream: bool) -> sa.CursorResult[Any]:
        if self._scope.tenancy is not self._tenancy:
            raise TenantChanged
        if isinstance(statement, UpdateBase):
            if self._read_only:
                raise ReadOnlyTransaction
        elif not isinstance(statement, (SelectBase, str)):
            raise StatementRefused(
                f"A statement of the kind {type(statement).__name__} is not known to be safe",
                "statement",
                "use select, insert, update or delete",
            )
        session = self._session or self._open()
        if self._until != math.inf:
            self._mind(session)
        # The compiler's bound value asks for the current scope: it must be ours, also when scopes interleave.
        current = _CURRENT.get()
        if current is not self._scope:
            _CURRENT.set(self._scope)
        try:
            if isinstance(statement, str):
                result = self._run_raw(statement, params)
            else:
                options = _STREAMED if stream else _COUNTED
                assert self._connection is not None
                result = self._connection.execute(statement, params, execution_options=options)
        except sa.exc.StatementError as error:
            if isinstance(error.orig, PrefiqError):
                raise error.orig from None
            if isinstance(error.orig, self._driver_error):
                raise self._explained(error.orig, writes=self._may_write(statement, params)) from error
            raise
        except BaseException:
            if self._connection is not None and self._connection.invalidated:  # cancelled while it waited
                session.dead = True
            raise
        finally:
            if current is not self._scope:
                _CURRENT.set(current)
        return result

    def _run_raw(self, sql: str, params: Any) -> sa.CursorResult[Any]:
        writes = self.rules.check_raw(sql, self.dialect.name, bound=bool(params))
        if writes and self._read_only:
            raise ReadOnlyTransaction
        assert self._connection is not None
        lift = self.kind.guard(self._connection.connection.driver_connection, self.rules)
        try:
            # Without values a driver does not look for their places: a percent sign is one.
            options = None if params else {"no_parameters": True}
            return self._connection.exec_driver_sql(sql, params, execution_options=options)
        finally:
            if lift is not None:
                lift()

    def _may_write(self, statement: Statement, params: Any) -> bool:
        if isinstance(statement, str):
            return self.rules.check_raw(statement, self.dialect.name, bound=bool(params))
        return not _only_reads(statement)

    def _explained(self, error: BaseException, deleting: str = "", *, writes: bool = False) -> PrefiqError:
        """The error to raise; the transaction that is open has failed with it.

        PostgreSQL refuses every further statement of it, and makes a rollback of its COMMIT.  Others go on as
        if nothing had been: the same code would mean another thing.

        A statement that writes outside of a transaction is its own commit, whose answer may be lost as well.
        """
        session = self._session
        explained = from_driver(error, self.kind, self._database, self._tables, deleting=deleting)
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

    def _control(self, sql: str) -> None:
        session = self._session or self._open()  # or the transaction has failed, which is said there
        try:
            if self._watch is None:
                session.control(sql)
            else:
                self._watch.control(session.control, sql, self._database)
        except self._driver_error as error:
            raise self._explained(error) from error

    def _begin(self, *, read_only: bool, isolation: Isolation | None) -> None:
        if self._scope.tenancy is not self._tenancy:
            raise TenantChanged
        if self._levels:
            if isolation not in {None, self._isolation}:
                raise IsolationChanged
            self._control(f"SAVEPOINT prefiq_{len(self._levels)}")
            read_only = read_only or self._read_only
        else:
            if self._until != math.inf and self._session is not None:
                self._mind(self._session)
            statements = self.kind.begin(read_only=read_only, isolation=isolation)
            try:
                for sql in statements:
                    self._control(sql)
            except Disconnected as error:
                if not self._was_replaced(error):
                    raise
                for sql in statements:
                    self._control(sql)
            self._isolation = isolation
        self._levels.append(_Level(read_only=read_only))
        self._read_only = read_only

    def _leave(self) -> _Level:
        level = self._levels.pop()
        self._read_only = self._levels[-1].read_only if self._levels else False
        return level

    def _commit(self) -> None:
        if not self._levels:  # closed inside the body: nothing was kept
            raise ScopeClosed(type(self))
        try:
            if len(self._levels) > 1:
                self._control(f"RELEASE SAVEPOINT prefiq_{len(self._levels) - 1}")
            else:
                self._control("COMMIT")
        except Disconnected as error:
            is_unknown = len(self._levels) == 1 and not self._read_only
            self._rollback()
            if is_unknown:
                raise CommitUnknown(self._database) from error
            raise
        except BaseException:
            self._rollback()
            raise
        level = self._leave()
        if self._levels:
            self._levels[-1].after.extend(level.after)
            self._levels[-1].undo.extend(level.undo)
            return
        call_all(level.after)

    def _rollback(self) -> None:
        if not self._levels:
            return
        depth = len(self._levels) - 1
        session = self._held
        try:
            if not self._lost and session is not None and session.in_transaction:
                if depth:
                    session.control(f"ROLLBACK TO SAVEPOINT prefiq_{depth}")
                    session.control(f"RELEASE SAVEPOINT prefiq_{depth}")
                else:
                    session.control("ROLLBACK")
        except self._driver_error:
            # What caused the rollback says more; a connection in an unknown state is not used again.
            self._abandon(session)
        except BaseException:
            self._abandon(session)
            raise
        finally:
            if session is None or session.dead:
                self._lose()
            level = self._leave()
            if not self._lost:
                self._failure, self._session = None, session
            elif not self._levels:
                self._lost, self._failure = False, None
                self._forget_connection()
            call_all(reversed(level.undo))

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


def _only_reads(statement: Statement) -> bool:
    """Whether a statement surely changes nothing; the compiler knows no function that does."""
    return isinstance(statement, SelectBase) and not any(
        isinstance(element, UpdateBase) for element in sa.sql.visitors.iterate(statement)
    )
