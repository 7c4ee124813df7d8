"""PostgreSQL: a schema for a tenant, in the application's own database; see ``places``.

Who migrates owns it; who serves may use what is in it, through the one pool that serves everybody.  A tenant
has no account here: a connection of the pool is everybody's.

Source: PostgreSQL, "CREATE SCHEMA"; "ALTER DEFAULT PRIVILEGES"; "Lock Management" (what one transaction may hold).
"""

# ruff: noqa: S608  names are quoted
from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.postgres_changes import quoted
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.errors import TooManyTables
from prefiq.migrations.places import Order
from prefiq.migrations.places_postgres import POSTGRES, join
from prefiq.sql import ConnectionManager

__all__ = ["MANY", "MOST", "SCHEMA"]

logger = logging.getLogger("prefiq")

MANY = 10_000
"""Tables of one database from which on it is warned: each connection keeps some 20 kB for each that it has seen."""
MOST = 50_000
"""No schema is made beyond them."""
_AT_ONCE = 20
"""Tables that one transaction drops: each needs a lock, as its indexes do, and the server has a table of locks."""


class SchemaPlace:
    """A schema that the migrating role owns, and the serving one may use."""

    @contextmanager
    def alone(self, order: Order, connections: ConnectionManager) -> Iterator[None]:
        """As for a database: an advisory lock in the application's own."""
        with POSTGRES.alone(order, connections):
            yield

    def make(self, order: Order, connections: ConnectionManager) -> None:
        """See ``Place``.

        Raises:
            TooManyTables: The database has too many already.
        """
        name, serving = quoted(order.placement.hint), order.database.user
        owner = order.migrating.user
        with order.as_creator(connections) as connection:
            if not _is_there(connection, order.placement.hint):
                _require_room(connection, order)
                if owner and owner != order.creator.user:
                    join(connection, owner)
                owned = f" AUTHORIZATION {quoted(owner)}" if owner else ""
                raw.run(connection, f"CREATE SCHEMA {name}{owned}")
        with _as_migrating(order, connections) as connection:
            raw.run(connection, f"REVOKE ALL ON SCHEMA {name} FROM PUBLIC")
            if serving and serving != owner:
                raw.run(connection, f"GRANT USAGE ON SCHEMA {name} TO {quoted(serving)}")
                raw.run(
                    connection,
                    f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES "
                    f"TO {quoted(serving)}",
                )

    def exists(self, order: Order, connections: ConnectionManager) -> bool:
        """See ``Place``."""
        with _as_migrating(order, connections) as connection:
            return _is_there(connection, order.placement.hint)

    def empty(self, order: Order, connections: ConnectionManager) -> None:
        """Nothing: what was not finished was undone with its transaction."""

    def remove(self, order: Order, connections: ConnectionManager) -> None:
        """See ``Place``; its tables go a few at a time, the one with the mark last."""
        name = order.placement.hint
        with _as_migrating(order, connections) as connection:
            while tables := _tables_of(connection, name):
                listed = ", ".join(f"{quoted(name)}.{quoted(table)}" for table in tables)
                raw.run(connection, f"DROP TABLE {listed} CASCADE")
            raw.run(connection, f"DROP SCHEMA IF EXISTS {quoted(name)} CASCADE")


def _as_migrating(order: Order, connections: ConnectionManager) -> AbstractContextManager[sa.Connection]:
    return dataclasses.replace(order, creator=order.migrating).as_creator(connections)


def _is_there(connection: sa.Connection, name: str) -> bool:
    return bool(raw.run(connection, f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(name)}"))


def _tables_of(connection: sa.Connection, name: str) -> list[str]:
    """Some of its tables, none of which is the one with the mark: what broke off is found to be the tenant's."""
    query = (
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(name)} AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
        f"AND c.relname <> 'prefiq_place' ORDER BY c.oid DESC LIMIT {_AT_ONCE}"
    )
    return [str(table) for (table,) in raw.run(connection, query)]


def _require_room(connection: sa.Connection, order: Order) -> None:
    [(count,)] = raw.run(
        connection,
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'",
    )
    if count >= MOST:
        raise TooManyTables(order.database.database, int(count), MOST)
    if count >= MANY:
        logger.warning(
            "the database has %d tables: every connection keeps memory for those it has seen; "
            "place new tenants by row, or on another database",
            count,
        )


SCHEMA = SchemaPlace()
