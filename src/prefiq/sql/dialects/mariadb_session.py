"""MariaDB's connection in sync mode: PyMySQL, and the executor's view of it."""

from __future__ import annotations

import math
import select
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import pymysql
from pymysql import converters
from pymysql.cursors import SSCursor

from prefiq.sql.dialects.engine import DatabaseLike
from prefiq.sql.dialects.mariadb_connect import (
    GRACE,
    arguments,
    initial_statement,
    tls_context,
    unchecked_context,
)
from prefiq.sql.dialects.mariadb_faults import ends_connection, note_table
from prefiq.sql.dialects.mariadb_statements import MOST_BYTES, batches, filled
from prefiq.sql.dialects.mariadb_types import decoders, literal
from prefiq.sql.plan import Plan

__all__ = ["MariadbConnection", "MariadbSession", "connect", "idle_poll", "keep_alive", "limiting"]

IN_TRANSACTION = 1
"""The bit of the server's status."""
_CONVERSIONS = decoders(converters.conversions)


# Half of what is used of them here is missing in their stubs.
_Connection: Any = pymysql.Connection
_Cursor: Any = SSCursor


class MariadbConnection(_Connection):  # type: ignore[misc]
    """PyMySQL's connection, whose state is known also after an error, and whose streams give way."""

    stream: StreamCursor | None = None
    statement_timeout: float = 0.0
    session: MariadbSession | None = None
    escape = staticmethod(literal)
    most_bytes: int = 0
    """What the server takes in one statement; 0 before it was asked."""

    def _create_ssl_ctx(self, sslp: Any) -> Any:
        # Where the driver decides, it checks nothing.
        return super()._create_ssl_ctx(sslp) if sslp else unchecked_context()

    def connect(self, sock: Any = None) -> None:
        """Connect; PyMySQL leaves a Unix socket open that leads to no server."""
        if sock is None and self.unix_socket:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.settimeout(self.connect_timeout)
                sock.connect(self.unix_socket)
            except OSError as error:
                sock.close()
                raise pymysql.OperationalError(2002, "no server at the socket") from error
            self._secure = True
        super().connect(sock)

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """Run a statement.

        An error's answer does not say whether the server has ended the transaction with it: a ping's does.
        """
        if isinstance(sql, str):
            sql = sql.encode()
        if len(sql) > MOST_BYTES:
            self._require_room(sql)
        try:
            return cast("int", super().query(sql, unbuffered))
        except pymysql.MySQLError as error:
            note_table(error, sql)
            if not ends_connection(error) and self.server_status & IN_TRANSACTION:
                self.refresh()
            raise
        except BaseException:  # the answer was not read to its end
            self._force_close()
            raise

    def _require_room(self, sql: Any) -> None:
        """Refuse what the server would: it hangs up on a statement that is too long."""
        if not self.most_bytes:
            super().query("SELECT @@max_allowed_packet")
            self.most_bytes = self._result.rows[0][0]
        if len(sql) >= self.most_bytes:
            raise pymysql.OperationalError(1153, "longer than max_allowed_packet")

    def refresh(self) -> None:
        """Ask the server for its status; a connection that does not answer is closed."""
        try:
            self.ping()
        except pymysql.MySQLError:
            self._force_close()

    def _execute_command(self, command: int, sql: Any) -> None:
        stream = self.stream
        if stream is not None:
            self.stream = None
            stream.keep()
        super()._execute_command(command, sql)

    def _force_close(self) -> None:
        if self.session is not None:
            self.session.dead = True
        if self.stream is not None:
            self.stream.lose()
        super()._force_close()

    def cursor(self, cursor: Any = None) -> Any:
        """A cursor; one that streams is ours."""
        return super().cursor(StreamCursor if cursor is SSCursor else cursor)

    def character_set_name(self) -> None:
        """None, so that SQLAlchemy does not set the character set again: that would change the collation."""

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """Nothing: the initial statement sets it."""


class StreamCursor(_Cursor):  # type: ignore[misc]
    """Rows as they come.  Another statement on the connection makes it read the rest into memory first."""

    _kept: deque[Any] | None = None
    _failed: BaseException | None = None

    def _query(self, q: Any) -> int:
        count: int = super()._query(q)
        self.connection.stream = self
        return count

    def keep(self) -> None:
        """Read what is left, so that the connection is free."""
        result = self._result
        if result is None or not result.unbuffered_active:
            return
        self._kept = kept = deque[Any]()
        try:
            while (row := result._read_rowdata_packet_unbuffered()) is not None:
                kept.append(row)
        except pymysql.MySQLError as error:  # it is the stream's, not the other statement's
            self._failed = error

    def lose(self) -> None:
        """The connection is closed: who reads on is told so, instead of that this was the end."""
        if self._result is not None and self._result.unbuffered_active:
            self._result.unbuffered_active = False
            self._kept = self._kept or deque()
            self._failed = pymysql.OperationalError(2013, "the connection was closed")

    def read_next(self) -> Any:
        """The next row, or None."""
        if self._kept is None:
            return super().read_next()
        if self._kept:
            return self._kept.popleft()
        if self._failed is not None:
            raise self._failed
        return None


def connect(database: DatabaseLike, *, scoped: bool) -> MariadbConnection:
    """Open a connection; the time limit is for the whole of it, not for its first packet only."""
    options: dict[str, Any] = arguments(database)
    if database.tls == "disable" or database.host.startswith("/"):
        options["ssl_disabled"] = True
    elif database.tls != "prefer" or database.tls_cert is not None:
        options["ssl"] = tls_context(database)
    connection = MariadbConnection(
        **options,
        conv=_CONVERSIONS,
        read_timeout=database.connect_timeout,
        write_timeout=database.connect_timeout,
        init_command=initial_statement(database, scoped=scoped),
    )
    if scoped:
        connection.statement_timeout = database.statement_timeout
    limit = connection.statement_timeout + GRACE if connection.statement_timeout else None
    connection._read_timeout = limit
    connection._write_timeout = limit
    keep_alive(connection._sock)
    return connection


def keep_alive(sock: Any) -> None:
    """Let the system notice within a minute that the other side is gone, where it knows how."""
    options = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
    for name, value in options.items():
        option = getattr(socket, name, None)
        if option is not None and getattr(sock, "family", None) in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class MariadbSession:
    """One connection of PyMySQL.

    Args:
        connection: In driver autocommit.
    """

    __slots__ = ("_connection", "_poll", "dead", "timeout", "usual")
    is_pooled = False

    def __init__(self, connection: MariadbConnection) -> None:
        self._connection = connection
        self._poll = idle_poll(connection._sock)
        self.dead = False
        self.timeout = self.usual = connection.statement_timeout or math.inf
        connection.session = self

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """See ``Session``."""
        connection = self._connection
        connection.query(filled(sql, params))
        return list(connection._result.rows or ())

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """See ``Session``."""
        return self._connection.query(filled(sql, params))

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Session``; the rows of an insert go together, about a megabyte at a time."""
        query = self._connection.query
        return sum(query(statement) for statement in batches(plan.sql, rows))

    def control(self, sql: str) -> None:
        """See ``Session``."""
        self._connection.query(sql)

    @property
    def in_transaction(self) -> bool:
        """See ``Session``."""
        return not self.dead and bool(self._connection.server_status & IN_TRANSACTION)

    def is_connected(self) -> bool:
        """See ``Session``; what can be read from an idle connection is its end."""
        return not self.dead and (self._poll is None or not self._poll.poll(0))

    def limit(self, seconds: float) -> None:
        """See ``Session``."""
        statement, seconds = limiting(seconds, self.usual)
        self._connection.query(statement)
        self.timeout = seconds

    def bind(self, tenant: str) -> None:
        """See ``Session``; it has no such thing."""

    def release(self) -> None:
        """See ``Session``; the next unit of work sets its own limit."""

    def kill(self) -> None:
        """See ``Session``."""
        self._connection._force_close()


def idle_poll(sock: Any) -> Any:
    """What tells whether there is something to read from a socket; None where the system has no such thing."""
    if sock is None or not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return poll


def limiting(seconds: float, usual: float) -> tuple[str, float]:
    """The statement that ends other statements after so many seconds, and the seconds: never above the usual."""
    seconds = min(seconds, usual)
    allowed = 0 if seconds == math.inf else max(seconds, 0.001)  # 0 is no end
    return f"SET max_statement_time = {allowed:f}", seconds
