"""MariaDB in async mode: asyncmy behind the bridge; the executor's calls stay plain functions."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import sqlalchemy as sa
from asyncmy import converters, errors
from asyncmy.connection import Connection
from asyncmy.cursors import SSCursor

from prefiq.bridge import await_
from prefiq.sql.dialects.cancelling import ENDING, cancel_again
from prefiq.sql.dialects.engine import DatabaseLike, Mode
from prefiq.sql.dialects.mariadb import MariadbEngine
from prefiq.sql.dialects.mariadb_connect import GRACE, arguments, initial_statement, tls_context
from prefiq.sql.dialects.mariadb_faults import ends_connection, note_table
from prefiq.sql.dialects.mariadb_session import IN_TRANSACTION, idle_poll, keep_alive, limiting
from prefiq.sql.dialects.mariadb_statements import MOST_BYTES, batches, filled
from prefiq.sql.dialects.mariadb_types import decoders, literal
from prefiq.sql.dialects.session import Session
from prefiq.sql.plan import Plan

__all__ = ["MARIADB_ASYNC", "AsyncMariadbConnection", "AsyncMariadbEngine", "AsyncMariadbSession", "connect"]


_CONVERSIONS = decoders(converters.conversions)
_MULTI_STATEMENTS = 1 << 16
_TLS = 1 << 11


# Half of what is used of them here is missing in their stubs.
_Connection: Any = Connection
_Cursor: Any = SSCursor


class AsyncMariadbConnection(_Connection):  # type: ignore[misc]
    """asyncmy's connection, whose state is known also after an error, and whose streams give way."""

    stream: AsyncStreamCursor | None = None
    statement_timeout: float = 0.0
    patience: float | None = None
    """Seconds after which a server that answers nothing is given up; the connection is then closed."""
    session: AsyncMariadbSession | None = None
    escape = staticmethod(literal)
    literal = staticmethod(literal)
    most_bytes: int = 0
    """What the server takes in one statement; 0 before it was asked."""
    prefers_tls: bool = False
    _ssl_context: Any
    _ending: bool = False
    _cancelled: int = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # asyncmy always asks for it; without, no text can smuggle in a second statement.
        self._client_flag &= ~_MULTI_STATEMENTS

    async def query(self, sql: Any, unbuffered: bool = False) -> int:
        """Run a statement.

        An error's answer does not say whether the server has ended the transaction with it: a ping's does.
        """
        if isinstance(sql, str):
            sql = sql.encode()
        if len(sql) > MOST_BYTES:
            await self._require_room(sql)
        try:
            return cast("int", await super().query(sql, unbuffered))
        except errors.MySQLError as error:
            note_table(error, sql)
            if not ends_connection(error) and self.server_status & IN_TRANSACTION:
                await self.refresh()
            raise
        except BaseException:  # the answer was not read to its end
            self.abort()
            raise

    async def _require_room(self, sql: Any) -> None:
        """Refuse what the server would: it hangs up on a statement that is too long."""
        if not self.most_bytes:
            await super().query("SELECT @@max_allowed_packet")
            self.most_bytes = self._result.rows[0][0]
        if len(sql) >= self.most_bytes:
            raise errors.OperationalError(1153, "longer than max_allowed_packet")

    async def refresh(self) -> None:
        """Ask the server for its status; a connection that does not answer is closed."""
        try:
            await self.ping(reconnect=False)
        except BaseException as error:
            self.abort()
            if not isinstance(error, errors.MySQLError):
                raise

    async def _execute_command(self, command: int, sql: Any) -> None:
        stream = self.stream
        if stream is not None:
            self.stream = None
            await stream.keep()
        await super()._execute_command(command, sql)

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._ssl_context is None or self.server_capabilities & _TLS:
            return
        if not self.prefers_tls:
            raise errors.OperationalError(2026, "the server does not speak TLS")
        self._ssl_context = None
        self._client_flag &= ~_TLS

    async def end(self, sql: str) -> None:
        """Run a COMMIT, which a cancelled task still waits for: else nobody knows what became of it.

        The cancellation goes on behind it, at the task's next await.
        """
        self._ending = True
        try:
            await self.query(sql)
        finally:
            self._ending = False
            cancel_again(self._cancelled)
            self._cancelled = 0

    async def _fill_buffer(self, need: int) -> None:
        if not self._ending:
            if self.patience is None:
                await super()._fill_buffer(need)
                return
            try:  # asyncmy would make a task to wait for every answer
                async with asyncio.timeout(self.patience):
                    await super()._fill_buffer(need)
            except TimeoutError as error:
                raise errors.OperationalError(2013, "no answer in time") from error
            return
        protocol, until = self._proto, None
        while protocol.length - protocol.pos < need:
            if protocol.eof or protocol.exc is not None:
                raise errors.OperationalError(2013, "the server hung up")
            try:
                async with asyncio.timeout_at(until):
                    await protocol.wait_for_data(need)
            except asyncio.CancelledError:
                self._cancelled += 1
                until = until or self._loop.time() + ENDING
            except TimeoutError as error:
                raise errors.OperationalError(2013, "no answer in time") from error

    def close(self) -> None:
        """Close; asyncmy does so too, when a task is cancelled while it reads."""
        if self.session is not None:
            self.session.dead = True
        super().close()

    def abort(self) -> None:
        """Close the connection without a word and without waiting."""
        transport = self._transport
        if transport is not None:
            transport.abort()
        self.close()

    def leave(self) -> None:
        """Tell the server, and close without waiting for it."""
        transport = self._transport
        if self._connected and transport is not None and not transport.is_closing():
            transport.write(b"\x01\x00\x00\x00\x01")  # COM_QUIT, which goes out at once
        self.abort()  # TLS would wait for the other side's goodbye, and the loop may end now

    def cursor(self, cursor: Any = None) -> Any:
        """A cursor; one that streams is ours."""
        return super().cursor(AsyncStreamCursor if cursor is SSCursor else cursor)

    def character_set_name(self) -> None:
        """None, so that SQLAlchemy does not set the character set again: that would change the collation."""


class AsyncStreamCursor(_Cursor):  # type: ignore[misc]
    """Rows as they come.  Another statement on the connection makes it read the rest into memory first."""

    _kept: deque[Any] | None = None
    _failed: BaseException | None = None

    async def _query(self, q: Any) -> int:
        count: int = await super()._query(q)
        self.connection.stream = self
        return count

    async def keep(self) -> None:
        """Read what is left, so that the connection is free."""
        result = self.connection._result if self.connection is not None else None
        if result is None or not result.unbuffered_active:
            return
        self._kept = kept = deque[Any]()
        try:
            while (row := await result._read_rowdata_packet_unbuffered()) is not None:
                kept.append(row)
        except errors.MySQLError as error:  # it is the stream's, not the other statement's
            self._failed = error

    async def read_next(self) -> Any:
        """The next row, or None."""
        if self._kept is None:
            return await super().read_next()
        if self._kept:
            return self._kept.popleft()
        if self._failed is not None:
            raise self._failed
        return None


async def connect(database: DatabaseLike) -> AsyncMariadbConnection:
    """Open a connection; the time limit is for the whole of it, not for its first packet only."""
    connection = AsyncMariadbConnection(**arguments(database), conv=_CONVERSIONS, ssl=tls_context(database))
    connection.prefers_tls = database.tls == "prefer" and database.tls_cert is None
    try:
        async with asyncio.timeout(database.connect_timeout):
            await connection.connect()
            await connection.query(initial_statement(database, scoped=True))
    except TimeoutError as error:
        connection.abort()
        raise errors.OperationalError(2003, "no answer in time") from error
    except BaseException:
        connection.abort()
        raise
    connection.statement_timeout = database.statement_timeout
    if connection.statement_timeout:
        connection.patience = connection.statement_timeout + GRACE
    keep_alive(connection._transport.get_extra_info("socket"))
    return connection


class AsyncMariadbSession:
    """One connection of asyncmy: every statement is one coroutine that the bridge awaits.

    Whatever interrupts the waiting leaves an answer that nobody reads: the connection is then dead.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ("_connection", "_poll", "dead", "timeout", "usual")
    is_pooled = False

    def __init__(self, connection: AsyncMariadbConnection) -> None:
        self._connection = connection
        self._poll = idle_poll(connection._transport.get_extra_info("socket"))
        self.dead = False
        self.timeout = self.usual = connection.statement_timeout or math.inf
        connection.session = self

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        connection = self._connection
        await_(connection.query(filled(sql, params)))
        return list(connection._result.rows or ())

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        return await_(self._connection.query(filled(sql, params)))

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Session``; the rows of an insert go together, about a megabyte at a time."""
        return await_(self._write_all(batches(plan.sql, rows)))

    async def _write_all(self, statements: Iterable[bytes]) -> int:
        return sum([await self._connection.query(statement) for statement in statements])

    def control(self, sql: str) -> None:
        """See ``Session``."""
        run = self._connection.end if sql == "COMMIT" else self._connection.query
        await_(run(sql))

    @property
    def in_transaction(self) -> bool:
        """See ``Session``."""
        return not self.dead and bool(self._connection.server_status & IN_TRANSACTION)

    def is_connected(self) -> bool:
        """See ``Session``; what can be read from an idle connection is its end."""
        if self.dead or self._connection._stream_broken:
            return False
        return self._poll is None or not self._poll.poll(0)

    def limit(self, seconds: float) -> None:
        """See ``Session``."""
        statement, seconds = limiting(seconds, self.usual)
        await_(self._connection.query(statement))
        self.timeout = seconds

    def bind(self, tenant: str) -> None:
        """See ``Session``; it has no such thing."""

    def release(self) -> None:
        """See ``Session``; the next unit of work sets its own limit."""

    def kill(self) -> None:
        """See ``Session``."""
        self._connection.abort()


class AsyncMariadbEngine(MariadbEngine):
    """MariaDB through asyncmy."""

    mode: Mode = "async"
    driver_error: type[Exception] = errors.MySQLError

    def session(self, connection: Any) -> Session:
        """The executor's view of a connection."""
        return AsyncMariadbSession(connection)

    def create(self, database: DatabaseLike, key: str, *, scoped: bool) -> sa.Engine:
        """An engine of SQLAlchemy whose pool waits through the bridge; migrations use PyMySQL."""
        if not scoped:
            return super().create(database, key, scoped=scoped)
        open_: Any = None

        def creator() -> Any:  # what it calls needs the dialect, which the engine makes
            return open_()

        engine = self._pooled("mariadb+asyncmy://", creator, database)
        dialect: Any = engine.dialect
        open_ = self.opener(database, key, dialect)
        # SQLAlchemy would wait for the server's goodbye, and cannot outside of the bridge.
        close: Callable[[Any], None] = lambda adapted: adapted._connection.leave()  # noqa: E731
        end: Callable[[Any], None] = lambda adapted: adapted._connection.abort()  # noqa: E731
        dialect.do_close, dialect.do_terminate = close, end
        return engine

    def opener(self, database: DatabaseLike, key: str, dialect: sa.Dialect) -> Callable[[], Any]:
        """Opens a connection of asyncmy, through the bridge."""
        del key
        adapter: Any = dialect.loaded_dbapi
        return lambda: adapter.connect(async_creator_fn=lambda: connect(database))


MARIADB_ASYNC = AsyncMariadbEngine()
