"""Who is told of statements: the log of all, the log of slow ones, and OpenTelemetry.

Observers get the text of a statement, never its values.  Where there is none, a statement pays for one
comparison.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from prefiq.sql.errors import DatabaseError

if TYPE_CHECKING:
    from prefiq.sql.dialects.engine import DatabaseLike
    from prefiq.sql.plan import Plan

__all__ = ["Observed", "Observer", "Watch", "watch_for"]

T = TypeVar("T")

SYSTEMS = {"postgres": "postgresql"}
"""Engines that OpenTelemetry calls otherwise than ``DB_ENGINE``."""
MOST_TABLES = 4

_clock = time.perf_counter

logger = logging.getLogger("prefiq.sql")

_LITERAL = re.compile(r"""[xbne]?'(?:[^']|'')*'|\b\d[\w.]*""", re.IGNORECASE)
_LITERAL_OR_QUOTED = re.compile(rf"""{_LITERAL.pattern}|"(?:[^"]|"")*\"""", re.IGNORECASE)
_STEP = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY)\b", re.IGNORECASE)
_TABLE = re.compile(r'\b(?:FROM|JOIN|INTO|UPDATE|COPY)\s+["`]?([A-Za-z_][A-Za-z_0-9]*)["`]?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Observed:
    """A statement that was run.

    Args:
        sql: Its text, without values.
        seconds: How long it took.
        database: Name of the database.
        error: What the driver raised, or None.
        rows: How many rows of values it was run with.
        is_control: Whether it begins or ends a transaction or savepoint.
    """

    sql: str
    seconds: float
    database: str
    error: BaseException | None = None
    rows: int = 1
    is_control: bool = False


Observer = Callable[[Observed], None]


class Watch:
    """Runs statements and tells observers of them.

    Args:
        observers: Each with the seconds from which on it is told.
    """

    __slots__ = ("_least", "_observers")

    def __init__(self, observers: Iterable[tuple[float, Observer]]) -> None:
        self._observers = tuple(observers)
        self._least = min((least for least, _ in self._observers), default=float("inf"))

    def run(self, run: Callable[[str, Any], T], sql: str, params: Any, database: str) -> T:
        """What ``run(sql, params)`` gives or raises.

        Args:
            run: Runs the statement.
            sql: Its text.
            params: Its values.
            database: Name of the database.
        """
        began = _clock()
        try:
            result = run(sql, params)
        except BaseException as error:
            self._tell(began, sql, database, error)
            raise
        if _clock() - began >= self._least:
            self._tell(began, sql, database)
        return result

    def run_many(self, run: Callable[[Plan, Any], T], plan: Plan, rows: Sequence[Any], database: str) -> T:
        """The same of a plan for each row of values."""
        began = _clock()
        try:
            result = run(plan, rows)
        except BaseException as error:
            self._tell(began, plan.sql, database, error, len(rows))
            raise
        self._tell(began, plan.sql, database, None, len(rows))
        return result

    def control(self, run: Callable[[str], None], sql: str, database: str) -> None:
        """The same of what begins or ends a transaction or savepoint."""
        began = _clock()
        try:
            run(sql)
        except BaseException as error:
            self._tell(began, sql, database, error, 1, is_control=True)
            raise
        self._tell(began, sql, database, None, 1, is_control=True)

    def _tell(
        self,
        began: float,
        sql: str,
        database: str,
        error: BaseException | None = None,
        rows: int = 1,
        *,
        is_control: bool = False,
    ) -> None:
        seconds = _clock() - began
        if seconds >= self._least:
            self.tell(Observed(sql, seconds, database, error, rows, is_control))

    def tell(self, observed: Observed) -> None:
        """Tell those who want to know of a statement that took so long; none of them can fail it."""
        for least, observer in self._observers:
            if observed.seconds >= least:
                try:
                    observer(observed)
                except Exception:
                    logger.exception("an observer of statements failed")


def watch_for(databases: Iterable[DatabaseLike], slow_query: float) -> Watch | None:
    """The observers that this process wants, or None.

    Args:
        databases: Of the application.
        slow_query: Seconds from which on a statement is logged; 0 for never.
    """
    wanted: list[tuple[float, Observer]] = []
    if logger.isEnabledFor(logging.DEBUG):
        wanted.append((0.0, log_statement))
    if slow_query > 0:
        wanted.append((slow_query, log_slow))
    # Only where somebody has set it up: this process then has loaded it, and others do not.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        wanted.append((0.0, _Spans(databases, trace)))
    return Watch(wanted) if wanted else None


def log_statement(observed: Observed) -> None:
    """Log any statement, at DEBUG."""
    logger.debug("%s", " ".join(observed.sql.split()), extra=_extra(observed))


def log_slow(observed: Observed) -> None:
    """Log a slow statement, at WARNING."""
    text = " ".join(observed.sql.split())
    logger.warning("slow statement, %.3f s: %s", observed.seconds, text, extra=_extra(observed))


def _extra(observed: Observed) -> dict[str, Any]:
    more: dict[str, Any] = {"seconds": round(observed.seconds, 6), "database": observed.database}
    if observed.rows != 1:
        more["rows"] = observed.rows
    if observed.error is not None:
        more["error"] = type(observed.error).__name__
    return more


def without_literals(sql: str, engine: str = "") -> str:
    """SQL that somebody wrote as text, with a question mark for each literal.

    Args:
        sql: The text.
        engine: As in ``DB_ENGINE``: to MariaDB double quotes are a text's, to others a name's.
    """
    if "\\" in sql or "$" in sql:  # where a literal ends there depends on engine and mode
        return f"{sql.split(maxsplit=1)[0]} …" if sql.strip() else ""
    return (_LITERAL_OR_QUOTED if engine == "mariadb" else _LITERAL).sub("?", sql)


class _Spans:
    """A client span for each statement, by OpenTelemetry's conventions for databases."""

    def __init__(self, databases: Iterable[DatabaseLike], trace: Any) -> None:
        self._tracer = trace.get_tracer("prefiq.sql")
        self._client = trace.SpanKind.CLIENT
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._attributes = {database.name: _attributes(database) for database in databases}

    def __call__(self, observed: Observed) -> None:
        if observed.is_control:
            return
        ended = time.time_ns()
        operation, summary = _summary(observed.sql)
        attributes = dict(self._attributes[observed.database])
        attributes["db.query.text"] = observed.sql
        if operation:
            attributes["db.operation.name"] = operation
            attributes["db.query.summary"] = summary
        if observed.rows > 1:
            attributes["db.operation.batch.size"] = observed.rows
        error = observed.error
        if error is not None:
            code = str(getattr(error, "sqlstate", "") or getattr(error, "sqlite_errorname", "") or "")
            if not code and isinstance(error, DatabaseError):
                code = error.code
            if code:
                attributes["db.response.status_code"] = code
            attributes["error.type"] = code or type(error).__qualname__
        span = self._tracer.start_span(
            summary or attributes["db.system.name"],
            kind=self._client,
            attributes=attributes,
            start_time=ended - int(observed.seconds * 1e9),
        )
        if error is not None:
            span.set_status(self._failed)
        span.end(ended)


def _attributes(database: DatabaseLike) -> dict[str, Any]:
    found: dict[str, Any] = {"db.system.name": SYSTEMS.get(database.engine, database.engine)}
    if database.engine == "sqlite":
        found["db.namespace"] = database.path.name if database.path is not None else ":memory:"
        return found
    found["db.namespace"] = database.database
    found["server.address"] = database.host
    if database.port and not database.host.startswith("/"):
        found["server.port"] = database.port
    return found


@functools.lru_cache(1024)
def _summary(sql: str) -> tuple[str, str]:
    """Operation, and operation with the tables: few different ones, whatever is asked."""
    step = _STEP.search(sql)
    if step is None:
        return "", ""
    operation = step.group().upper()
    tables = list(dict.fromkeys(_TABLE.findall(sql)))[:MOST_TABLES]
    return operation, " ".join([operation, *tables])
