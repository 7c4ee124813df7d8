"""PostgreSQL: a migration is one transaction, and no statement waits for a lock long enough to hold up readers.

A statement that alters a table waits for everybody who uses it, and everybody who comes after waits behind it.
So each gives up after a fraction of a second; then all of the migration is undone, which frees every lock it
had, and is done again a little later.

Indexes of large tables are made, and references from them looked at, after that transaction, while others read
and write; a journal says what of it is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import pq

from prefiq.migrations import raw
from prefiq.migrations.dialects import postgres_catalog as catalog
from prefiq.migrations.dialects import postgres_walls
from prefiq.migrations.dialects.plain import ServerRenderer
from prefiq.migrations.dialects.postgres_changes import (
    DIALECT,
    create_index,
    create_table,
    quoted,
    references,
    steps_of,
)
from prefiq.migrations.dialects.renderer import causes
from prefiq.migrations.patience import Patience
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.steps import Later, Sql
from prefiq.migrations.walls import Breach, Walls

__all__ = ["POSTGRES", "PostgresRenderer"]

LOCK_TIMEOUT = 200
"""Milliseconds that a statement waits for a lock, and that readers may wait behind it."""
_LOCK = int.from_bytes(b"prefiq", "big")
"""The advisory lock of migrations; such locks belong to one database."""
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
T = TypeVar("T")


class PostgresRenderer(ServerRenderer):
    """PostgreSQL's words."""

    name = "postgres"
    title = "PostgreSQL"
    opening: tuple[str, ...] = (
        "BEGIN",
        "SET LOCAL standard_conforming_strings = on",  # a backslash in a literal is one, as in Prefiq's sessions
        "SET LOCAL prefiq.tenant = ''",
        "SET LOCAL prefiq.migrating = on",
    )
    closing: tuple[str, ...] = ("COMMIT",)
    table_options = ""
    dialect: sa.Dialect = DIALECT
    atomic = True

    def exclusively(
        self, connection: sa.Connection, work: Callable[[], T], *, wait: float, sleep: Callable[[float], None]
    ) -> T:
        """An advisory lock, polled, and one transaction, repeated while others hold what it needs."""
        patience = Patience(wait, sleep, self.title)
        with self.alone(connection, wait=wait, sleep=sleep):
            while True:
                try:
                    return self._attempt(connection, work)
                except Exception as error:
                    if not any(self.is_busy(cause) for cause in causes(error)):
                        raise
                    patience.pause(error)

    @contextmanager
    def alone(
        self, connection: sa.Connection, *, wait: float, sleep: Callable[[float], None]
    ) -> Iterator[None]:
        """An advisory lock of the connection, polled; who has it may take it once more."""
        patience = Patience(wait, sleep, self.title)
        while not raw.run(connection, f"SELECT pg_try_advisory_lock({_LOCK})")[0][0]:
            patience.pause()
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error):  # a connection that is lost has lost its lock
                raw.run(connection, f"SELECT pg_advisory_unlock({_LOCK})")

    def finish(self, connection: sa.Connection, later: Later, *, wait: float) -> None:
        """Others read and write meanwhile; it waits for transactions that were there before it."""
        if catalog.is_finished(connection, later):
            return
        raw.run(connection, f"SET lock_timeout = {max(1, int(wait * 1000))}")
        raw.run(connection, "SET statement_timeout = 0")
        try:
            # One that was broken off is there, is written to, and serves nobody.
            if later.kind == "index":
                raw.run(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(later.name)}")
            try:
                raw.run(connection, later.text)
            except psycopg.Error:
                if later.kind == "index":
                    with contextlib.suppress(psycopg.Error):
                        raw.run(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(later.name)}")
                raise
        finally:
            with contextlib.suppress(psycopg.Error):
                raw.run(connection, "RESET lock_timeout")
                raw.run(connection, "RESET statement_timeout")

    def _attempt(self, connection: sa.Connection, work: Callable[[], T]) -> T:
        transaction = connection.begin()
        try:
            raw.run(connection, f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}")
            raw.run(connection, "SET LOCAL statement_timeout = 0")
            raw.run(connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
            result = work()
            transaction.commit()
        except BaseException:
            with contextlib.suppress(psycopg.Error, sa.exc.DBAPIError):
                if transaction.is_active:  # a step may have ended it
                    transaction.rollback()
                if self.in_transaction(connection):
                    _driver(connection).rollback()
            raise
        return result

    def in_transaction(self, connection: sa.Connection) -> bool:
        """As the driver sees it."""
        return _driver(connection).info.transaction_status != pq.TransactionStatus.IDLE

    def define(self, connection: sa.Connection, step: Sql, *, may_block: bool) -> None:
        """Run it; nobody reads a table whose rows are all written anew."""
        if step.copies and not may_block:
            self.require_small(connection, step)
        raw.run(connection, step.text)

    def is_busy(self, error: BaseException) -> bool:
        """Whether it waited for a lock too long, or ended a deadlock."""
        return isinstance(error, _BUSY)

    def reason(self, error: BaseException) -> str:
        """``UniqueViolation`` and the like, as SQLSTATE has it."""
        return type(error).__name__

    def definition(self, connection: sa.Connection, table: str) -> str:
        """What the catalog says, as text."""
        return "\n".join(
            f"{part}: {said}" for part, said in sorted(self.fingerprint(connection, table).items())
        )

    def wall_of(self, table: str, walls: Walls) -> list[str]:
        """Row-level security, forced, and its policies."""
        return postgres_walls.wall_of(table, across=walls.across)

    def breaches(self, connection: sa.Connection, schema: Schema, walls: Walls) -> list[Breach]:
        """Where row-level security is off, or its policies are others."""
        return postgres_walls.breaches(connection, schema, walls)

    def expected(self, connection: sa.Connection, schema: Schema) -> dict[str, dict[str, str]]:
        """What it says of temporary tables, which nobody else sees and which a rollback takes away."""
        transaction = connection.begin()
        try:
            for model in schema.with_stand_ins:
                raw.run(connection, create_table(model, kind="TEMPORARY TABLE", references=False))
            for model in schema.tables:
                for text in (*references(model), *(create_index(model, index) for index in model.indexes)):
                    raw.run(connection, text)
            return {model.table: catalog.fingerprint(connection, model.table) for model in schema.tables}
        finally:
            transaction.rollback()


def _driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection), "migrations use the sync driver in both modes"
    return driver


POSTGRES = PostgresRenderer(catalog, steps_of)
