"""PostgreSQL's connection as the executor uses it, in both modes."""

from __future__ import annotations

import itertools
import math
import select
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.generators import execute

from prefiq.bridge import await_
from prefiq.sql.dialects import postgres_types
from prefiq.sql.dialects.postgres_connect import (
    PostgresAsyncConnection,
    PostgresConnection,
    milliseconds,
)
from prefiq.sql.dialects.postgres_faults import is_stale_plan
from prefiq.sql.dialects.postgres_waiting import to_its_end
from prefiq.sql.dialects.postgres_walls import SETTING
from prefiq.sql.plan import Plan

__all__ = ["PostgresAsyncSession", "PostgresSession"]

COPY_FROM = 200
"""Rows from which on COPY is faster than inserting, whose statements go together as well."""
PIPELINE = 1000
"""Statements that are sent before their answers are read, and rows of one that takes arrays."""
MOST_KEPT = 1000
"""Rows that a connection that nobody uses may hold in memory."""

_numbers = itertools.count()

IDLE = pq.TransactionStatus.IDLE
INTRANS = pq.TransactionStatus.INTRANS
INERROR = pq.TransactionStatus.INERROR
UNKNOWN = pq.TransactionStatus.UNKNOWN
ACTIVE = pq.TransactionStatus.ACTIVE
OK = pq.ConnStatus.OK


class _PostgresSession:
    """What both modes share.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ("_bound", "_connection", "_copyable", "_cursor", "_limited", "_pgconn", "_poll", "_stale", "dead", "timeout", "usual")  # fmt: skip
    is_pooled = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._pgconn: pq.abc.PGconn = connection.pgconn
        self._cursor = self._new_cursor()
        self._copyable: dict[str, bool] = {}
        self._stale = False
        self._limited = False
        self._bound: str | None = ""
        """The tenant that the connection is stamped with; None where nobody knows."""
        self.dead = False
        self.timeout = self.usual = connection.statement_timeout
        self._poll: select.poll | None = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._pgconn.socket, select.POLLIN)

    @property
    def in_transaction(self) -> bool:
        """See ``Session``."""
        return not self.dead and IDLE < self._pgconn.transaction_status < UNKNOWN

    def is_connected(self) -> bool:
        """See ``Session``; what an idle server has to say is its good-bye."""
        if self.dead or self._pgconn.status != OK:
            return False
        if self._poll is not None:
            return not self._poll.poll(0)
        return not select.select([self._pgconn.socket], [], [], 0)[0]

    def release(self) -> None:
        """See ``Session``; a limit stays until the next unit of work, which sets its own."""
        if self._limited:
            self._limited = False
            self.timeout = 0.0
        if self._cursor.rowcount > MOST_KEPT:
            self._cursor = self._new_cursor()

    def kill(self) -> None:
        """See ``Session``."""
        self.dead = True
        self._pgconn.finish()

    def _new_cursor(self) -> Any:
        cursor = self._connection.cursor()
        postgres_types.prepare_plans(cursor.adapters)
        return cursor

    def _look(self) -> None:
        """After an error: a connection that is lost, or whose answer nobody has read, is of no use."""
        if self._pgconn.status != OK or self._pgconn.transaction_status in {ACTIVE, UNKNOWN}:
            self.kill()

    def _may_repeat(self, error: BaseException) -> bool:
        """Whether a statement failed only because it was prepared before a migration, and can be sent again."""
        if not is_stale_plan(error):
            return False
        self._stale = True  # in a transaction they are forgotten once it takes statements again
        return self._pgconn.transaction_status == IDLE

    def _command(self, sql: str) -> PQGen[None]:
        """Run a statement that begins or ends something.

        Not by a cursor: psycopg forgets all prepared statements when it sees a ROLLBACK.
        """
        if self._pgconn.transaction_status == INERROR and sql == "COMMIT":
            # The server would answer a COMMIT as well, and make a rollback of it.
            raise psycopg.errors.InFailedSqlTransaction("an earlier statement of the transaction failed")
        self._pgconn.send_query(sql.encode())
        results = yield from execute(self._pgconn)
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result)
        if self._limited and sql.startswith("ROLLBACK"):
            self.timeout = self.usual  # what was set in the transaction is undone with it

    def _forgetting(self) -> str:
        """A statement that makes server and psycopg forget what is prepared; another text each time.

        psycopg looks at the answer of a text that it does not know yet only, and would keep its own names.
        """
        self._stale = False
        return f"DEALLOCATE ALL /* {next(_numbers)} */"

    def _limiting(self, seconds: float) -> str:
        self._limited = seconds != self.usual
        self.timeout = seconds
        return f"SET statement_timeout = {0 if seconds == math.inf else max(1, milliseconds(seconds))}"


class PostgresSession(_PostgresSession):
    """One connection of psycopg in sync mode.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ()

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        try:
            rows: list[Any] = self._cursor.execute(sql, params).fetchall()
        except BaseException as error:
            self._look()
            if not self._may_repeat(error):
                raise
            self._forget_plans()
            rows = self._cursor.execute(sql, params).fetchall()
        return rows

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        try:
            return int(self._cursor.execute(sql, params).rowcount)
        except BaseException as error:
            self._look()
            if not self._may_repeat(error):
                raise
            self._forget_plans()
            return int(self._cursor.execute(sql, params).rowcount)

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Session``; inserts of many rows go by COPY or as arrays, everything else in one pipeline."""
        cursor = self._cursor
        try:
            if len(rows) < COPY_FROM or plan.into is None:
                return sum(self._pipeline(plan.sql, part) for part in _parts(rows))
            if not self._can_copy(plan.into.table):
                text = _arrays_text(plan)
                return sum(cursor.execute(text, _columns(part)).rowcount for part in _parts(rows))
            with cursor.copy(_copy_text(plan)) as copy:
                copy.set_types(_copy_types(plan))
                write_row = copy.write_row
                for row in rows:
                    write_row(row)
        except BaseException:
            # psycopg takes what was to be prepared behind the failed statement for prepared; the server skipped it.
            self._stale = True
            self._copyable.clear()  # a wall may have been raised since it was asked for
            self._look()
            raise
        return int(cursor.rowcount)

    def control(self, sql: str) -> None:
        """See ``Session``."""
        try:
            self._connection.wait(self._command(sql))
        except BaseException:
            self._look()
            raise
        if self._stale and self._pgconn.transaction_status in {IDLE, INTRANS}:
            self._forget_plans()

    def limit(self, seconds: float) -> None:
        """See ``Session``."""
        self.control(self._limiting(seconds))

    def bind(self, tenant: str) -> None:
        """See ``Session``; a connection keeps its stamp from unit of work to unit of work."""
        if tenant == self._bound:
            return
        self._bound = None  # until the server has said that it did it
        try:
            self._cursor.execute(_BIND, (tenant,))
        except BaseException:
            self._look()
            raise
        self._bound = tenant

    def _pipeline(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        self._cursor.executemany(sql, rows)
        return int(self._cursor.rowcount)

    def _forget_plans(self) -> None:
        self._cursor.execute(self._forgetting())

    def _can_copy(self, table: str) -> bool:
        """PostgreSQL refuses COPY into a table with row-level security; asked once for each table."""
        known = self._copyable.get(table)
        if known is None:
            rows = self._cursor.execute(_ASK_SECURITY, (table,)).fetchall()
            known = self._copyable[table] = not rows[0][0]
        return known


class PostgresAsyncSession(_PostgresSession):
    """One connection of psycopg in async mode: each statement is one coroutine, so that it is one switch.

    A statement whose task is cancelled is cancelled on the server too, by psycopg, and the connection stays
    usable; where that does not succeed at once it is dead.  COMMIT and ROLLBACK are not cancelled: the
    cancellation goes on behind them.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ()

    def __init__(self, connection: PostgresAsyncConnection) -> None:
        super().__init__(connection)

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        return await_(self._fetch(sql, params))

    async def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        cursor = self._cursor
        try:
            await cursor.execute(sql, params)
        except BaseException as error:
            self._look()
            if not self._may_repeat(error):
                raise
            await self._forget_plans()
            await cursor.execute(sql, params)
        rows: list[Any] = await cursor.fetchall()
        return rows

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        return await_(self._write(sql, params))

    async def _write(self, sql: str, params: Sequence[Any]) -> int:
        cursor = self._cursor
        try:
            await cursor.execute(sql, params)
        except BaseException as error:
            self._look()
            if not self._may_repeat(error):
                raise
            await self._forget_plans()
            await cursor.execute(sql, params)
        return int(cursor.rowcount)

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Session``; inserts of many rows go by COPY or as arrays, everything else in one pipeline."""
        return await_(self._write_many(plan, rows))

    async def _write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        cursor = self._cursor
        try:
            if len(rows) < COPY_FROM or plan.into is None:
                return sum([await self._pipeline(plan.sql, part) for part in _parts(rows)])
            if not await self._can_copy(plan.into.table):
                text = _arrays_text(plan)
                return sum([(await cursor.execute(text, _columns(part))).rowcount for part in _parts(rows)])
            async with cursor.copy(_copy_text(plan)) as copy:
                copy.set_types(_copy_types(plan))
                write_row = copy.write_row
                for row in rows:
                    await write_row(row)
        except BaseException:
            # psycopg takes what was to be prepared behind the failed statement for prepared; the server skipped it.
            self._stale = True
            self._copyable.clear()  # a wall may have been raised since it was asked for
            self._look()
            raise
        return int(cursor.rowcount)

    def control(self, sql: str) -> None:
        """See ``Session``."""
        await_(self._control(sql))

    async def _control(self, sql: str) -> None:
        running = self._command(sql)
        try:
            if sql.startswith(("BEGIN", "SET")):
                await self._connection.wait(running)
            else:
                await to_its_end(running, self._pgconn.socket, self._connection.patience)
        except BaseException as error:
            self._look()
            if self.dead and isinstance(error, psycopg.Error):
                raise psycopg.OperationalError("the connection is lost") from error
            raise
        if self._stale and self._pgconn.transaction_status in {IDLE, INTRANS}:
            await self._forget_plans()

    def limit(self, seconds: float) -> None:
        """See ``Session``."""
        self.control(self._limiting(seconds))

    def bind(self, tenant: str) -> None:
        """See ``Session``; a connection keeps its stamp from unit of work to unit of work."""
        if tenant != self._bound:
            await_(self._bind(tenant))

    async def _bind(self, tenant: str) -> None:
        self._bound = None  # until the server has said that it did it
        try:
            await self._cursor.execute(_BIND, (tenant,))
        except BaseException:
            self._look()
            raise
        self._bound = tenant

    async def _pipeline(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        await self._cursor.executemany(sql, rows)
        return int(self._cursor.rowcount)

    async def _forget_plans(self) -> None:
        await self._cursor.execute(self._forgetting())

    async def _can_copy(self, table: str) -> bool:
        known = self._copyable.get(table)
        if known is None:
            await self._cursor.execute(_ASK_SECURITY, (table,))
            rows = await self._cursor.fetchall()
            known = self._copyable[table] = not rows[0][0]
        return known


def _parts(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows in parts that one pipeline takes: each is a wait of its own, with the time that that may take."""
    return (rows[start : start + PIPELINE] for start in range(0, len(rows), PIPELINE))


_BIND = f"SELECT set_config('{SETTING}', %s, false)"
_ASK_SECURITY = "SELECT row_security_active(%s::regclass)"


def _copy_text(plan: Plan) -> str:
    assert plan.into is not None
    return f"COPY {plan.into.table} ({', '.join(plan.into.columns)}) FROM STDIN (FORMAT BINARY)"


def _arrays_text(plan: Plan) -> str:
    """An insert of one array for each column: what row-level security allows, and nearly as fast as COPY."""
    into = plan.into
    assert into is not None
    names = [f"c{place}" for place in range(len(into.columns))]
    # A text becomes a document only where somebody says so.
    values = (
        f"{name}::json" if kind == "json" else name for name, kind in zip(names, into.kinds, strict=True)
    )
    arrays = (f"%b::{postgres_types.COPIED_AS[kind]}[]" for kind in into.kinds)
    return (
        f"INSERT INTO {into.table} ({', '.join(into.columns)}) SELECT {', '.join(values)} "  # noqa: S608  the plan's own names
        f"FROM unnest({', '.join(arrays)}) AS u ({', '.join(names)})"
    )


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(values) for values in zip(*rows, strict=True)]


def _copy_types(plan: Plan) -> list[str]:
    assert plan.into is not None
    return [postgres_types.COPIED_AS[kind] for kind in plan.into.kinds]
