"""PostgreSQL through psycopg, in both modes: exact types, text by code point, instants in UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg

from prefiq.contracts.transactions import Isolation
from prefiq.sql.dialects import postgres_connect, postgres_faults, postgres_types
from prefiq.sql.dialects.engine import DatabaseLike, Fault, Mode, RawGuard
from prefiq.sql.dialects.postgres_session import PostgresAsyncSession, PostgresSession
from prefiq.sql.dialects.session import Session
from prefiq.sql.types import Codec, FieldType

__all__ = ["POSTGRES", "POSTGRES_ASYNC", "PostgresEngine"]

FOLDING = "und-x-icu"
"""Unicode's own rules for lower case, of no language; in every server that was built with ICU."""


class PostgresEngine:
    """PostgreSQL in one mode; its connections are in driver autocommit: only our own BEGIN begins."""

    name = "postgres"
    driver_error: type[Exception] = psycopg.Error
    statement_compiler: type[Any] = PGCompiler_psycopg
    table_functions = frozenset({
        "generate_series", "generate_subscripts", "json_array_elements", "json_array_elements_text", "json_each",
        "json_each_text", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_each", "jsonb_each_text",
        "regexp_matches", "regexp_split_to_table", "string_to_table", "unnest",
    })  # fmt: skip

    def __init__(self, mode: Mode = "sync") -> None:
        self.mode: Mode = mode

    def begin(self, *, read_only: bool, isolation: Isolation | None) -> tuple[str, ...]:
        """READ COMMITTED, whatever the server's own default is; a reading one sees one snapshot."""
        if read_only:
            level = "SERIALIZABLE" if isolation == "serializable" else "REPEATABLE READ"
            return (f"BEGIN ISOLATION LEVEL {level} READ ONLY",)
        return (f"BEGIN ISOLATION LEVEL {(isolation or 'read committed').upper()}",)

    def session(self, connection: Any) -> Session:
        """The executor's view of a connection."""
        if connection.is_pooled:
            from prefiq.sql.dialects import postgres_pooled

            if self.mode == "sync":
                return postgres_pooled.PooledPostgresSession(connection)
            return postgres_pooled.PooledPostgresAsyncSession(connection)
        return PostgresSession(connection) if self.mode == "sync" else PostgresAsyncSession(connection)

    def storage(self, type_: FieldType) -> sa.types.TypeEngine[Any]:
        """PostgreSQL's own type for each kind."""
        return postgres_types.storage(type_)

    def codec(self, type_: FieldType) -> Codec:
        """The conversions of one kind."""
        return postgres_types.codec(type_)

    def create(self, database: DatabaseLike, key: str, *, scoped: bool) -> sa.Engine:
        """An engine of SQLAlchemy; nothing is opened."""
        del key
        return postgres_connect.create(database, self.mode, scoped=scoped)

    def opener(self, database: DatabaseLike, key: str, dialect: sa.Dialect) -> Callable[[], Any]:
        """Opens a connection of psycopg, in async mode through the bridge."""
        del key
        return postgres_connect.opener(database, self.mode, dialect)

    def anchor(self, database: DatabaseLike, key: str) -> None:
        """None: a server keeps its databases by itself."""
        del database, key

    def guard(self, connection: Any, allows: RawGuard) -> Callable[[], None] | None:
        """None: there is no such wall inside a connection; ``TenantScope.check_raw`` reads the text."""
        del connection, allows
        return None

    def contains(self, column: Any, value: Any, *, fold: bool) -> Any:
        """``strpos``, which knows no wildcards; lower case as Python has it, not as the database's locale."""
        if fold:
            column = sa.collate(sa.func.lower(sa.collate(column, FOLDING), type_=sa.Text()), postgres_types.C)
        return sa.func.strpos(column, value, type_=sa.Integer()) > 0

    def startswith(self, column: Any, value: Any) -> Any:
        """``starts_with``, which knows no wildcards, and which an index serves from release 15 on."""
        return sa.func.starts_with(column, value, type_=sa.Boolean())

    def order(self, column: Any, *, descending: bool) -> Any:
        """PostgreSQL's own order has NULL as the greatest; said only where there can be one."""
        key = column.desc() if descending else column.asc()
        if getattr(column, "nullable", True):
            return key.nulls_last() if descending else key.nulls_first()
        return key

    def explain(self, error: BaseException, database: str) -> Fault:
        """By SQLSTATE."""
        return postgres_faults.explain(error, database)


POSTGRES = PostgresEngine()
POSTGRES_ASYNC = PostgresEngine("async")
