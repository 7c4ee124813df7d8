"""A shop on PostgreSQL, used alike in both modes: what a test does runs in one scope, through the bridge where needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from tests.servers import Database

from prefiq import bridge
from prefiq.contracts import Bound, Placement, Scope, Tenancy
from prefiq.foundation.entity import Entity
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog, ModelMeta, field, ref
from prefiq.sql import ConnectionManager, Executor, Tables

T = TypeVar("T")
ALONE = Bound("acme", Placement("single"))


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Thing(Entity):
    """Every kind of field, and each of them empty, too."""

    code: str = field(max_length=40, unique=True)
    long: str = field(default="", text=True)
    whole: int = field(default=0, sort=True, filter=True)
    flag: bool = field(default=False)
    money: Decimal = field(default=Decimal(0), precision=18, scale=6)
    ratio: float = field(default=0.0)
    day: date = field(default=date(2026, 1, 2))
    moment: datetime = field(default=datetime(2026, 1, 2, tzinfo=UTC))
    key: UUID = field(default=UUID(int=7))
    colour: Colour = field(default=Colour.RED)
    document: dict[str, Any] = field(default_factory=dict)
    word: str | None = field(default=None, max_length=80, sort=True, filter=True)
    number: int | None = field(default=None)
    price: Decimal | None = field(default=None, precision=9, scale=3)
    share: float | None = field(default=None)
    due: date | None = field(default=None)
    seen: datetime | None = field(default=None)
    other: UUID | None = field(default=None)
    tone: Colour | None = field(default=None)

    meta = ModelMeta(order_by="code")


class Owner(Entity):
    thing_id: UUID | None = ref(Thing, default=None)
    name: str = field(max_length=40)


MODELS = (Thing, Owner)


class Shop:
    """One database with the tables of ``MODELS``.

    Args:
        database: Where.
        options: For ``DatabaseConfig``.
    """

    def __init__(self, database: Database, **options: Any) -> None:
        self.database = database
        self.tables = Tables(Catalog.build({"shop": MODELS}))
        self.manager = ConnectionManager([database.config(**options)], self.tables)

    def create(self) -> Shop:
        """Make the tables."""
        with self.manager.schema_connection() as connection:
            self.tables.create_all(connection)
        return self

    def run(self, use: Callable[[], T]) -> T:
        """Run what uses the database; in async mode on a loop of its own."""
        try:
            return use() if self.database.mode == "sync" else bridge.run(self._and_close, use)
        finally:
            self.manager.close()

    def _and_close(self, use: Callable[[], T]) -> T:
        try:
            return use()
        finally:
            self.manager.close()  # the connections belong to this loop

    def in_scope(self, use: Callable[[Unit], T], tenancy: Tenancy | None = None) -> T:
        """Run it with one unit of work."""

        def opened() -> T:
            with self.scope(tenancy) as scope:
                return use(Unit(self, scope))

        return self.run(opened)

    def scope(self, tenancy: Tenancy | None = None, seconds: float | None = None) -> Scope:
        """A scope of a tenant, who is alone unless one is named: then tests may ask the server by raw SQL."""
        deadline = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return Scope(tenancy or ALONE, resolve=_resolve, deadline=deadline)

    def executor(self, scope: Scope) -> Executor:
        """The scope's door."""
        return Executor(self.manager, scope, self.tables)


class Unit:
    """An executor and repositories of one scope."""

    def __init__(self, shop: Shop, scope: Scope) -> None:
        self.shop = shop
        self.executor = shop.executor(scope)
        self.things = RepositoryQuery.of(Thing)(self.executor, shop.tables)
        self.owners = RepositoryQuery.of(Owner)(self.executor, shop.tables)
        self.thing = shop.tables[Thing]
        self.owner = shop.tables[Owner]

    @property
    def driver(self) -> Any:
        """The driver's connection."""
        connection = self.executor._connection
        assert connection is not None
        return connection.connection.driver_connection

    @property
    def backend(self) -> int:
        """Number of the server's process; asks no server."""
        return int(self.driver.info.backend_pid)


def _resolve(scope: Scope, contract: Any) -> Any:
    raise AssertionError("nothing is resolved here")
