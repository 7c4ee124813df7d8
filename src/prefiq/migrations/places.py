"""The place of a tenant that has a database or schema of its own: made, marked as its, and taken away.

Each step can be done again, and finds out by itself what is done: whoever comes after a crash begins at the
beginning.  A database that is there and does not bear the tenant's mark is somebody else's, unless it is empty;
it is never touched.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from prefiq.contracts import Placement
from prefiq.migrations import history, raw
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.errors import ForeignPlace
from prefiq.settings.secret import Secret
from prefiq.sql import ConnectionManager
from prefiq.sql.dialects.engine import DatabaseLike

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MARKS", "Mark", "Order", "Place", "mark", "marked", "place_for", "put_mark"]

MARKS = sa.Table(
    "prefiq_place",
    sa.MetaData(),
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("home", sa.String(255), nullable=False),
    sa.Column("made_at", sa.String(32), nullable=False),
)
"""In each tenant's database: whose it is, of which application, and since when it is whole."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands in a place.

    Args:
        tenant: Whose it is.
        home: The application's own database.
        made_at: Since when it is whole; empty while it is being made.
    """

    tenant: str
    home: str
    made_at: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A place that is wanted.

    Args:
        tenant: Key of the tenant.
        placement: Where it shall be.
        database: The named database on whose server, or in whose folder.
        creator: The same as who may create databases there.
        migrating: The same as who changes tables.
        password: Of the tenant's own account, or None where it has none.
    """

    tenant: str
    placement: Placement
    database: DatabaseLike
    creator: DatabaseLike
    migrating: DatabaseLike
    password: Secret | None = None

    @property
    def mark(self) -> Mark:
        """What the place bears while it is being made."""
        return Mark(self.tenant, self.database.database)

    @contextmanager
    def as_creator(self, connections: ConnectionManager) -> Iterator[sa.Connection]:
        """A connection to the server as who may create databases."""
        manager = ConnectionManager([self.creator], connections.tables)
        try:
            with manager.schema_connection(self.creator.name) as connection:
                yield connection
        finally:
            manager.close()


class Place(Protocol):
    """How an engine makes and removes a database or schema, and who may enter it."""

    def alone(self, order: Order, connections: ConnectionManager) -> AbstractContextManager[None]:
        """Nobody else makes or removes this place meanwhile, where that would do harm.

        Raises:
            MigrationLocked: Somebody else takes too long.
        """
        ...

    def make(self, order: Order, connections: ConnectionManager) -> None:
        """Make the database, its account and their rights, as far as they are missing.

        Raises:
            ForeignPlace: There is an account that is not the tenant's.
        """
        ...

    def exists(self, order: Order, connections: ConnectionManager) -> bool:
        """Whether there is such a database."""
        ...

    def empty(self, order: Order, connections: ConnectionManager) -> None:
        """Take away what a broken attempt has left in it."""
        ...

    def remove(self, order: Order, connections: ConnectionManager) -> None:
        """Take the database away with all that is in it, and the account."""
        ...


def place_for(order: Order) -> Place:
    """How the engine does it."""
    engine = order.database.engine
    if order.placement.mode == "schema":
        from prefiq.migrations.places_schema import SCHEMA

        return SCHEMA
    if engine == "mariadb":
        from prefiq.migrations.places_mariadb import MARIADB

        return MARIADB
    if engine == "postgres":
        from prefiq.migrations.places_postgres import POSTGRES

        return POSTGRES
    from prefiq.migrations.places_sqlite import SQLITE

    return SQLITE


def marked(connection: sa.Connection) -> Mark | None:
    """The mark that a database bears, or None."""
    renderer = renderer_for(connection.dialect.name)
    if not renderer.has_table(connection, MARKS.name):
        return None
    for row in raw.run(connection, history.words_of(sa.select(MARKS), renderer.dialect)):
        return Mark(*row)
    return None


def mark(connection: sa.Connection, order: Order) -> Mark | None:
    """The mark of the tenant's place; None where it is empty and may be marked.

    Args:
        connection: To it.
        order: The place.

    Raises:
        ForeignPlace: It holds something, and is not marked as this tenant's.
    """
    found = marked(connection)
    if found is None and set(sa.inspect(connection).get_table_names()) <= {MARKS.name}:
        return None
    if found is None or (found.tenant, found.home) != (order.tenant, order.mark.home):
        raise ForeignPlace(order.placement.hint, order.placement.mode)
    return found


def put_mark(connection: sa.Connection, order: Order, made_at: str = "") -> None:
    """Write the mark, inside of a transaction where the engine can."""
    renderer = renderer_for(connection.dialect.name)
    values: dict[str, Any] = {"tenant": order.tenant, "home": order.mark.home, "made_at": made_at}
    raw.run(connection, history.table_text(MARKS, renderer))
    raw.run(connection, history.words_of(sa.delete(MARKS), renderer.dialect))
    raw.run(connection, history.words_of(sa.insert(MARKS).values(values), renderer.dialect))
