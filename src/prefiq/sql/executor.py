"""``Executor``: the one door of a scope to one database; every statement and transaction goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from prefiq.contracts import Bound, Scope, ScopeClosed, TenantReadOnly
from prefiq.contracts.scope import _CURRENT
from prefiq.errors import PrefiqError
from prefiq.sql.connection_manager import ConnectionManager
from prefiq.sql.dialects.session import Session
from prefiq.sql.errors import (
    AcrossOnlyReads,
    Disconnected,
    ReadOnlyTransaction,
    StatementRefused,
    TenantChanged,
)
from prefiq.sql.observing import Observed, without_literals
from prefiq.sql.plan import Plan
from prefiq.sql.scoped_compiler import other_schema
from prefiq.sql.tables import Tables
from prefiq.sql.tenant_scope import TenantScope
from prefiq.sql.transactions import Transactions

__all__ = ["Executor", "Parameters", "Statement"]

Statement = sa.Executable | str
Parameters = Mapping[str, Any] | Sequence[Any] | None

_STREAMED = {"stream_results": True}
_COUNTED = {"preserve_rowcount": True}  # of inserts too: some drivers forget it when the cursor is closed


class Executor(Transactions):
    """Runs statements for one scope, confined to its tenant, and its transactions.

    It takes one connection at its first statement and gives it back when the scope closes.  Outside ``tx``
    every statement is a transaction of its own.  Not for use by several threads or tasks at once.

    Args:
        connections: Where connections come from.
        scope: Whose tenant every statement is confined to; the tenant is taken now and may not change.
        tables: Which tables belong to tenants.
        database: Name of the database.
    """

    def __init__(
        self, connections: ConnectionManager, scope: Scope, tables: Tables, database: str = "default"
    ) -> None:
        super().__init__(connections, scope, tables, database)
        placement = self._placement
        is_own = placement is not None and placement.mode == "database"
        self.schema = f'"{placement.hint}"' if placement is not None and placement.mode == "schema" else ""
        """Where the tenant's tables stand beside others', quoted; empty where the statements need not say it."""
        self.rules = TenantScope(scope.tenancy, tables, is_own=is_own)
        self._ask_walls = isinstance(scope.tenancy, Bound) and scope.tenancy.placement.mode == "row"
        self._walled: frozenset[str] | None = None
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
    def door(self) -> str:
        """What compiled plans are kept by: the engine, and whose rows its compiler reaches."""
        if self.schema:
            return f"{self.kind.name}-schema"
        return f"{self.kind.name}-across" if self.is_across else self.kind.name

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
        """All rows of a statement; none of one that writes and returns nothing."""
        with self._running(statement, params) as result:
            return list(result.all()) if result.returns_rows else []

    def scalar(self, statement: Statement, params: Parameters = None) -> Any:
        """The first column of the first row, or None."""
        with self._running(statement, params) as result:
            return result.scalar() if result.returns_rows else None

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
        if session is None or session.dead:
            session = self._open()
        if self._until != math.inf:
            self._mind(session)
        try:
            if self.schema:
                plan = plan.within(self.schema)
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
        if self.schema:
            plan = plan.within(self.schema)
        try:
            if self._watch is not None:
                return self._watch.run(session.write, plan.sql, params, self._database)
            return session.write(plan.sql, params)
        except self._driver_error as error:
            raise self._explained(error, deleting, writes=True) from error

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """Run a plan that writes, once for each row of values; the caller has opened a transaction."""
        session = self._writing()
        if self.schema:
            plan = plan.within(self.schema)
        try:
            if self._watch is not None:
                return self._watch.run_many(session.write_many, plan, rows, self._database)
            return session.write_many(plan, rows)
        except self._driver_error as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Give the connection back; a transaction that is still open is rolled back."""
        if self._closed:
            return
        try:
            if self._levels:
                with ExitStack() as each:  # all of them, also where one raises what it called
                    for _ in self._levels:
                        each.callback(self._rollback)
        finally:
            self._closed = True
            try:
                for result in self._streams:
                    result.close()
            finally:
                self._streams.clear()
                self._forget_connection()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _writing(self) -> Session:
        if self._scope.tenancy is not self._tenancy:
            raise TenantChanged
        if self._read_only:
            raise self._refusal()
        session = self._session
        if session is None or session.dead:
            session = self._open()
        if self._until != math.inf:
            self._mind(session)
        return session

    def _refusal(self) -> PrefiqError:
        """Why nothing can be written now."""
        if self.is_across:
            return AcrossOnlyReads()
        return TenantReadOnly(self.tenant) if self._frozen else ReadOnlyTransaction()

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
            text = without_literals(statement, self.kind.name)
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
        if self._frozen and not isinstance(statement, str) and not _only_reads(statement):
            raise self._refusal()
        if isinstance(statement, UpdateBase):
            if self._read_only:
                raise self._refusal()
        elif not isinstance(statement, (SelectBase, str)):
            raise StatementRefused(
                f"A statement of the kind {type(statement).__name__} is not known to be safe",
                "statement",
                "use select, insert, update or delete",
            )
        if not isinstance(statement, str) and "schema_translate_map" in statement.get_execution_options():
            raise other_schema()  # what was compiled before is not looked at again
        session = self._session
        if session is None or session.dead:
            session = self._open()
        if session.is_pooled and not self._levels:
            # Only there the connection knows its tenant; what would be streamed is read at once.
            with self.tx():
                return self._start_once(statement, params, stream=False)
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
        writes = self._raw_writes(sql, params)
        if writes and self._read_only:
            raise self._refusal()
        assert self._connection is not None
        lift = self.kind.guard(self._connection.connection.driver_connection, self.rules)
        try:
            # Without values a driver does not look for their places: a percent sign is one.
            options = None if params else {"no_parameters": True}
            return self._connection.exec_driver_sql(sql, params, execution_options=options)
        except BaseException:
            self._connections.walls.forget(self._database)
            raise
        finally:
            if lift is not None:
                lift()

    def _raw_writes(self, sql: str, params: Any) -> bool:
        walled = self._walled_tables if self._ask_walls else frozenset
        return self.rules.check_raw(sql, self.dialect.name, bound=bool(params), walled=walled)

    def _walled_tables(self) -> frozenset[str]:
        """Where the database itself confines raw SQL to the tenant that the connection is bound to."""
        if self._walled is None:
            session = self._session
            assert session is not None, "asked while a statement starts"
            names = self._tables.columns("tenant")[0]
            self._walled = self._connections.walls.tables(
                self._database, self.kind.name, names, lambda query: session.fetch(query, ())
            )
        return self._walled

    def _may_write(self, statement: Statement, params: Any) -> bool:
        if isinstance(statement, str):
            return self._raw_writes(statement, params)
        return not _only_reads(statement)


def _only_reads(statement: Statement) -> bool:
    """Whether a statement surely changes nothing; the compiler knows no function that does."""
    return isinstance(statement, SelectBase) and not any(
        isinstance(element, UpdateBase) for element in sa.sql.visitors.iterate(statement)
    )
