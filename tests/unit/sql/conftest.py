"""A small database with two tenants, whose rows look alike.

It is SQLite's; a module whose tests run on each engine says
``pytestmark = pytest.mark.parametrize("engine", ENGINES, scope="session")``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests import servers
from tests.servers import Database

from prefiq.contracts import Bound, Scope, System, Tenancy
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Catalog, ModelMeta, children, field, ref
from prefiq.sql import ConnectionManager, DatabaseConfig, Executor, Tables


class Currency(Entity):
    code: str = field(max_length=3, unique=True)

    meta = ModelMeta(scope="shared")


class Line(Child):
    text: str


class Order(Entity):
    number: str = field(max_length=20, unique=True)
    total: int = 0
    lines: list[Line] = children(Line)


class Note(Entity):
    order_id: UUID | None = ref(Order, default=None)
    currency_id: UUID | None = ref(Currency, default=None)
    body: str


IDS = [UUID(int=number) for number in range(1, 4)]


def resolve(scope: Scope, contract: Any) -> Any:
    raise AssertionError("nothing is resolved here")


@pytest.fixture(scope="session")
def models() -> SimpleNamespace:
    return SimpleNamespace(Currency=Currency, Order=Order, Line=Line, Note=Note)


@pytest.fixture(scope="session")
def engine() -> str:
    return "sqlite"


def made_tables() -> Tables:
    return Tables(Catalog.build({"shop": (Currency, Order, Note)}))


@pytest.fixture
def tables() -> Tables:
    return made_tables()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture(scope="module")
def server_database(engine: str) -> Iterator[Database | None]:
    """Servers: one database for the tests of a module, with the tables; each test begins with the same rows."""
    if engine == "sqlite":
        yield None
        return
    with servers.database(engine) as made:
        manager = ConnectionManager([made.config()], made_tables())
        with manager.schema_connection() as connection:
            manager.tables.create_all(connection)
        manager.close()
        yield made


@pytest.fixture
def connections(tables: Tables, path: Path, server_database: Database | None) -> Iterator[ConnectionManager]:
    """Two tenants with the same ids and numbers; what belongs to globex says so in every text."""
    limits = {"busy_timeout": 0.05, "pool_timeout": 0.2}
    if server_database is None:
        manager = ConnectionManager([DatabaseConfig(path=path, **limits)], tables)
    else:
        manager = ConnectionManager([server_database.config(**limits)], tables)
    with manager.schema_connection() as connection:
        if server_database is None:
            tables.create_all(connection)
        fill(connection, tables)
    yield manager
    manager.close()


def fill(connection: sa.Connection, tables: Tables) -> None:
    currencies, orders, notes, lines = (tables[model] for model in (Currency, Order, Note, Line))
    for table in (lines, notes, orders, currencies):
        connection.execute(table.delete())
    connection.execute(currencies.insert(), [{"id": IDS[0], "version": 1, "code": "EUR"}])
    for tenant, first in (("acme", 1), ("globex", 100)):
        for number, id in enumerate(IDS):
            own = {"tenant_id": tenant, "id": id}
            order = {**own, "version": 1, "number": f"{tenant}-{number}", "total": first + number}
            connection.execute(orders.insert(), [order])
            line = {**own, "order_id": id, "position": 0, "text": f"{tenant} line {number}"}
            connection.execute(lines.insert(), [line])
            note = {**own, "version": 1, "order_id": id, "currency_id": IDS[0], "body": f"{tenant} {number}"}
            connection.execute(notes.insert(), [note])
        # One more order than notes: an outer join has something to miss.
        extra = {"tenant_id": tenant, "id": UUID(int=9), "version": 1, "number": f"{tenant}-9", "total": 9}
        connection.execute(orders.insert(), [extra])


@pytest.fixture
def open_scope() -> Iterator[Callable[[Tenancy], Scope]]:
    opened: list[Scope] = []

    def open_(tenancy: Tenancy) -> Scope:
        opened.append(Scope(tenancy, resolve=resolve))
        return opened[-1]

    yield open_
    for scope in reversed(opened):
        scope.close()


@pytest.fixture
def open_executor(
    connections: ConnectionManager, tables: Tables, open_scope: Callable[[Tenancy], Scope]
) -> Callable[[Tenancy], Executor]:
    return lambda tenancy: Executor(connections, open_scope(tenancy), tables)


@pytest.fixture
def acme(open_executor: Callable[[Tenancy], Executor]) -> Executor:
    return open_executor(Bound("acme"))


@pytest.fixture
def globex(open_executor: Callable[[Tenancy], Executor]) -> Executor:
    return open_executor(Bound("globex"))


@pytest.fixture
def system(open_executor: Callable[[Tenancy], Executor]) -> Executor:
    return open_executor(System("test"))


@pytest.fixture
def stored(path: Path, server_database: Database | None) -> Callable[..., list[Any]]:
    """Rows as they are in the database, past every door."""

    def read(sql: str, *params: Any) -> list[Any]:
        database = server_database or Database(engine="sqlite", path=path)
        connection = database.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(sql if server_database is None else sql.replace("?", "%s"), params)
            return [tuple(row) for row in cursor.fetchall()]
        finally:
            connection.close()

    return read
