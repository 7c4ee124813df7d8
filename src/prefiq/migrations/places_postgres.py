"""PostgreSQL: a database for a tenant, and a role where tenants have their own; see ``places``.

Source: PostgreSQL, "CREATE DATABASE"; "CREATE ROLE"; "ALTER DEFAULT PRIVILEGES"; "PQencryptPasswordConn".
"""

# ruff: noqa: S608  names are quoted
from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.postgres_changes import quoted
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.errors import ForeignPlace
from prefiq.migrations.patience import WAIT, Patience
from prefiq.migrations.places import Order
from prefiq.sql import ConnectionManager

__all__ = ["POSTGRES", "join"]

ROLE_MARK = "prefiq: a tenant's own"


class PostgresPlace:
    """A database that the migrating role owns, and the serving one may enter."""

    @contextmanager
    def alone(self, order: Order, connections: ConnectionManager) -> Iterator[None]:
        """An advisory lock in the application's own database, polled: two cannot make one database at once."""
        digest = hashlib.sha256(b"prefiq place " + order.placement.hint.encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        patience = Patience(WAIT, time.sleep, "PostgreSQL")
        with order.as_creator(connections) as connection:
            while not raw.run(connection, f"SELECT pg_try_advisory_lock({number})")[0][0]:
                patience.pause()
            yield  # the lock ends with the connection

    def make(self, order: Order, connections: ConnectionManager) -> None:
        """See ``Place``."""
        name, serving = order.placement.hint, order.database.user
        with order.as_creator(connections) as connection:
            if order.password is not None:
                serving = name
                _role(connection, name, order.password.reveal())
            owner = order.migrating.user
            if not self._is_there(connection, name):
                if owner and owner != order.creator.user:
                    join(connection, owner)
                owned = f" OWNER {quoted(owner)}" if owner else ""
                raw.run(
                    connection, f"CREATE DATABASE {quoted(name)}{owned} ENCODING 'UTF8' TEMPLATE template0"
                )
            raw.run(connection, f"REVOKE ALL ON DATABASE {quoted(name)} FROM PUBLIC")
            if owner:
                raw.run(connection, f"GRANT CONNECT, TEMPORARY ON DATABASE {quoted(name)} TO {quoted(owner)}")
            if serving and serving != owner:
                raw.run(connection, f"GRANT CONNECT ON DATABASE {quoted(name)} TO {quoted(serving)}")
        if serving and serving != order.migrating.user:
            self._open_to(order, connections, serving)

    @staticmethod
    def _open_to(order: Order, connections: ConnectionManager, serving: str) -> None:
        """Rows of all tables that the migrating role will make."""
        values: Any = order.migrating
        inside = dataclasses.replace(values, database=order.placement.hint)
        with dataclasses.replace(order, creator=inside).as_creator(connections) as connection:
            raw.run(connection, f"GRANT USAGE ON SCHEMA public TO {quoted(serving)}")
            raw.run(
                connection,
                "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES "
                f"TO {quoted(serving)}",
            )

    def exists(self, order: Order, connections: ConnectionManager) -> bool:
        """See ``Place``."""
        with order.as_creator(connections) as connection:
            return self._is_there(connection, order.placement.hint)

    @staticmethod
    def _is_there(connection: sa.Connection, name: str) -> bool:
        return bool(raw.run(connection, f"SELECT 1 FROM pg_database WHERE datname = {literal(name)}"))

    def empty(self, order: Order, connections: ConnectionManager) -> None:
        """Nothing: what was not finished was undone with its transaction."""

    def remove(self, order: Order, connections: ConnectionManager) -> None:
        """See ``Place``; connections that are still open are ended."""
        name = order.placement.hint
        with order.as_creator(connections) as connection:
            raw.run(connection, f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
            if order.password is not None and _is_ours(connection, name):
                raw.run(connection, f"DROP ROLE IF EXISTS {quoted(name)}")


def join(connection: sa.Connection, owner: str) -> None:
    """Who is no superuser gives a database to a role only as a member of it."""
    is_member = f"rolsuper OR pg_has_role(current_user, {literal(owner)}, 'MEMBER')"
    [(may,)] = raw.run(connection, f"SELECT {is_member} FROM pg_roles WHERE rolname = current_user")
    if not may:
        raw.run(connection, f"GRANT {quoted(owner)} TO CURRENT_USER")


def _role(connection: sa.Connection, name: str, password: str) -> None:
    if raw.run(connection, f"SELECT 1 FROM pg_roles WHERE rolname = {literal(name)}"):
        if not _is_ours(connection, name):
            raise ForeignPlace(name, "account")
    else:  # with its mark, or not at all
        raw.run(connection, "BEGIN")
        raw.run(connection, f"CREATE ROLE {quoted(name)} NOINHERIT LOGIN")
        raw.run(connection, f"COMMENT ON ROLE {quoted(name)} IS {literal(ROLE_MARK)}")
        raw.run(connection, "COMMIT")
    driver: Any = connection.connection.driver_connection
    verifier = driver.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    raw.run(connection, f"ALTER ROLE {quoted(name)} PASSWORD {literal(verifier)}")


def _is_ours(connection: sa.Connection, name: str) -> bool:
    text = f"SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = {literal(name)}"
    return [tuple(row) for row in raw.run(connection, text)] == [(ROLE_MARK,)]


POSTGRES = PostgresPlace()
