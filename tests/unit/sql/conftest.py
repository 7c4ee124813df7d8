"""A small database with two tenants, whose rows look alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

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


@pytest.fixture
def tables() -> Tables:
    return Tables(Catalog.build({"shop": (Currency, Order, Note)}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def connections(tables: Tables, path: Path) -> Iterator[ConnectionManager]:
    """Two tenants with the same ids and numbers; what belongs to globex says so in every text."""
    manager = ConnectionManager([DatabaseConfig(path=path, busy_timeout=0.05, pool_timeout=0.2)], tables)
    with manager.schema_connection() as connection:
        tables.create_all(connection)
        orders, notes, lines = tables[Order], tables[Note], tables[Line]
        connection.execute(tables[Currency].insert(), [{"id": IDS[0], "version": 1, "code": "EUR"}])
        for tenant, first in (("acme", 1), ("globex", 100)):
            for number, id in enumerate(IDS):
                own = {"tenant_id": tenant, "id": id}
                connection.execute(
                    orders.insert(),
                    [{**own, "version": 1, "number": f"{tenant}-{number}", "total": first + number}],
                )
                connection.execute(
                    lines.insert(),
                    [{**own, "order_id": id, "position": 0, "text": f"{tenant} line {number}"}],
                )
                connection.execute(
                    notes.insert(),
                    [
                        {
                            **own,
                            "version": 1,
                            "order_id": id,
                            "currency_id": IDS[0],
                            "body": f"{tenant} {number}",
                        }
                    ],
                )
            # One more order than notes: an outer join has something to miss.
            extra = {
                "tenant_id": tenant,
                "id": UUID(int=9),
                "version": 1,
                "number": f"{tenant}-9",
                "total": 9,
            }
            connection.execute(orders.insert(), [extra])
    yield manager
    manager.close()


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
def stored(path: Path) -> Callable[..., list[Any]]:
    """Rows as they are in the file, past every door."""

    def read(sql: str, *params: Any) -> list[Any]:
        connection = sqlite3.connect(path)
        try:
            return connection.execute(sql, params).fetchall()
        finally:
            connection.close()

    return read
