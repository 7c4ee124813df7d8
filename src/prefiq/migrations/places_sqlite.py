"""SQLite: a tenant's place is a file, copied from one that has all tables; see ``places``."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager, nullcontext

from prefiq.migrations.places import Order
from prefiq.sql import ConnectionManager
from prefiq.sql.tenant_places import file_of

__all__ = ["SQLITE"]


class SqlitePlace:
    """A file; it appears whole, or not at all."""

    def alone(self, order: Order, connections: ConnectionManager) -> AbstractContextManager[None]:
        """Not needed: what was begun is never taken away, and all tables come at once."""
        del order, connections
        return nullcontext()

    def make(self, order: Order, connections: ConnectionManager) -> None:
        """Nothing: the file is made where it is opened, and nobody else needs rights to it."""

    def exists(self, order: Order, connections: ConnectionManager) -> bool:
        """Whether there is the file."""
        del connections
        return file_of(order.database, order.placement.hint).exists()

    def empty(self, order: Order, connections: ConnectionManager) -> None:
        """Nothing: what was not finished was undone with its transaction."""

    def remove(self, order: Order, connections: ConnectionManager) -> None:
        """The file goes first: its logs mean nothing without it."""
        del connections
        path = file_of(order.database, order.placement.hint)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).unlink()


SQLITE = SqlitePlace()
