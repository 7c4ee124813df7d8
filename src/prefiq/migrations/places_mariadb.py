"""MariaDB: a database for a tenant, and an account where tenants have their own; see ``places``.

Source: MariaDB, "CREATE DATABASE"; "CREATE USER"; "GRANT"; "SHOW CREATE USER".
"""

# ruff: noqa: S608  names are quoted
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.mariadb_tables import quoted
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.errors import ForeignPlace, MigrationLocked
from prefiq.migrations.patience import WAIT
from prefiq.migrations.places import Order
from prefiq.sql import ConnectionManager

__all__ = ["MARIADB"]

ROWS = "SELECT, INSERT, UPDATE, DELETE"
TABLES = (
    f"{ROWS}, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW, LOCK TABLES, "
    "CREATE TEMPORARY TABLES"
)


class MariadbPlace:
    """A database whose rights are those of its name: what is granted on it holds for tables to come."""

    @contextmanager
    def alone(self, order: Order, connections: ConnectionManager) -> Iterator[None]:
        """A lock of the server: a second one would take the first one's unfinished work, or its tenant's rows, away."""
        name = "prefiq_place_" + hashlib.sha256(order.placement.hint.encode()).hexdigest()[:40]
        with order.as_creator(connections) as connection:
            [(has,)] = raw.run(connection, f"SELECT GET_LOCK({literal(name)}, {WAIT:.0f})")
            if has != 1:
                raise MigrationLocked("MariaDB", WAIT)
            yield  # the lock ends with the connection

    def make(self, order: Order, connections: ConnectionManager) -> None:
        """See ``Place``."""
        name = order.placement.hint
        with order.as_creator(connections) as connection:
            raw.run(
                connection,
                f"CREATE DATABASE IF NOT EXISTS {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
            )
            if order.password is not None:
                _account(connection, name, order.password.reveal())
            for statement in _rights(connection, order):
                raw.run(connection, statement)

    def exists(self, order: Order, connections: ConnectionManager) -> bool:
        """See ``Place``."""
        named = literal(order.placement.hint)
        with order.as_creator(connections) as connection:
            text = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {named}"
            return bool(raw.run(connection, text))

    def empty(self, order: Order, connections: ConnectionManager) -> None:
        """Here every table is kept by itself: the whole database is made anew."""
        with order.as_creator(connections) as connection:
            raw.run(connection, f"DROP DATABASE IF EXISTS {quoted(order.placement.hint)}")
        self.make(order, connections)

    def remove(self, order: Order, connections: ConnectionManager) -> None:
        """See ``Place``."""
        name = order.placement.hint
        with order.as_creator(connections) as connection:
            raw.run(connection, f"DROP DATABASE IF EXISTS {quoted(name)}")
            if order.password is not None and _is_ours(connection, name, order.password.reveal()):
                raw.run(connection, f"DROP USER IF EXISTS {quoted(name)}@'%'")


def _verifier(password: str) -> str:
    """What the server checks a password with; the password itself would stand in its log.

    Source: MariaDB, "Authentication Plugin - mysql_native_password".
    """
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def _account(connection: sa.Connection, name: str, password: str) -> None:
    if raw.run(connection, f"SELECT 1 FROM mysql.user WHERE User = {literal(name)}"):
        if not _is_ours(connection, name, password):
            raise ForeignPlace(name, "account")
        return
    # With its password at once: there is no moment in which it lets everybody in.
    raw.run(connection, f"CREATE USER {quoted(name)}@'%' IDENTIFIED BY PASSWORD '{_verifier(password)}'")


def _is_ours(connection: sa.Connection, name: str, password: str) -> bool:
    there = f"SELECT 1 FROM mysql.user WHERE User = {literal(name)} AND Host = '%'"
    if not raw.run(connection, there):
        return False
    [(shown,)] = raw.run(connection, f"SHOW CREATE USER {quoted(name)}@'%'")
    return _verifier(password) in shown


def _rights(connection: sa.Connection, order: Order) -> Iterator[str]:
    # In a grant _ and % of a database's name stand for other characters.
    escaped = order.placement.hint.replace("_", "\\_")
    on = f"ON {quoted(escaped)}.*"
    migrating, serving = order.migrating.user, order.database.user
    if migrating and migrating != order.creator.user:
        for account in _accounts(connection, migrating):
            yield f"GRANT {TABLES} {on} TO {account}"
    if order.password is not None:
        yield f"GRANT {ROWS} {on} TO {quoted(order.placement.hint)}@'%'"
    elif serving and serving not in {migrating, order.creator.user}:
        for account in _accounts(connection, serving):
            yield f"GRANT {ROWS} {on} TO {account}"


def _accounts(connection: sa.Connection, user: str) -> list[str]:
    """The accounts of a user as the server writes them: ``'shop'@'localhost'`` is another one than ``'shop'@'%'``."""
    rows = raw.run(connection, "SELECT DISTINCT grantee FROM information_schema.user_privileges ORDER BY 1")
    return [str(text) for (text,) in rows if str(text).startswith(f"'{user}'@'")]


MARIADB = MariadbPlace()
