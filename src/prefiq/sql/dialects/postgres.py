"""PostgreSQL through psycopg, in both modes: exact types, text by code point, instants in UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGCompiler

from prefiq.contracts.transactions import Isolation
from prefiq.sql.dialects import postgres_types
from prefiq.sql.dialects.engine import DatabaseLike, Fault, Mode, RawGuard
from prefiq.sql.errors import DatabaseError
from prefiq.sql.types import Codec, FieldType

__all__ = ["POSTGRES", "POSTGRES_ASYNC", "PostgresEngine"]


class PostgresEngine:
    """PostgreSQL in one mode; its connections are in driver autocommit: only our own BEGIN begins."""

    name = "postgres"
    driver_error: type[Exception] = psycopg.Error
    statement_compiler: type[Any] = PGCompiler
    table_functions = frozenset({"generate_series", "unnest"})

    def __init__(self, mode: Mode = "sync") -> None:
        self.mode: Mode = mode

    def begin(self, *, read_only: bool, isolation: Isolation | None) -> tuple[str, ...]:
        """READ COMMITTED, whatever the server's own default is; a reading one sees one snapshot."""
        if read_only:
            level = "SERIALIZABLE" if isolation == "serializable" else "REPEATABLE READ"
            return (f"BEGIN ISOLATION LEVEL {level} READ ONLY",)
        return (f"BEGIN ISOLATION LEVEL {(isolation or 'read committed').upper()} READ WRITE",)

    def session(self, connection: Any, database: DatabaseLike) -> Any:
        """The executor's view of a connection."""
        raise NotImplementedError

    def storage(self, type_: FieldType) -> sa.types.TypeEngine[Any]:
        """PostgreSQL's own type for each kind."""
        return postgres_types.storage(type_)

    def codec(self, type_: FieldType) -> Codec:
        """The conversions of one kind."""
        return postgres_types.codec(type_)

    def create(self, database: DatabaseLike, key: str, *, scoped: bool) -> sa.Engine:
        """An engine of SQLAlchemy; nothing is opened."""
        del key
        url = sa.URL.create(
            "postgresql+psycopg",
            username=database.user or None,
            password=database.password.reveal() if database.password else None,
            host=database.host or None,
            port=database.port or None,
            database=database.database or None,
        )
        return sa.create_engine(url, paramstyle="format", hide_parameters=True)

    def anchor(self, database: DatabaseLike, key: str) -> None:
        """A server keeps its databases by itself."""
        del database, key

    def guard(self, connection: Any, allows: RawGuard) -> Callable[[], None] | None:
        """None: PostgreSQL has no such wall in a connection; ``TenantScope.check_raw`` reads the text."""
        del connection, allows
        return None

    def contains(self, column: Any, value: Any, *, fold: bool) -> Any:
        """``strpos``, which knows no wildcards."""
        if fold:
            column = sa.func.lower(sa.collate(column, "und-x-icu"), type_=sa.Text())
        return sa.func.strpos(column, value, type_=sa.Integer()) > 0

    def startswith(self, column: Any, value: Any) -> Any:
        """``starts_with``, which knows no wildcards."""
        return sa.func.starts_with(column, value, type_=sa.Boolean())

    def order(self, column: Any, *, descending: bool) -> Any:
        """NULL is the smallest; PostgreSQL's own order has it as the greatest."""
        key = column.desc() if descending else column.asc()
        if getattr(column, "nullable", True):
            return key.nulls_last() if descending else key.nulls_first()
        return key

    def explain(self, error: BaseException, database: str) -> Fault:
        """By SQLSTATE."""
        return Fault("other", error=DatabaseError(database, getattr(error, "sqlstate", None) or ""))


POSTGRES = PostgresEngine()
POSTGRES_ASYNC = PostgresEngine("async")
