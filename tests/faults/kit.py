"""A shop whose orders have lines and a history, to break things under, and eyes to look behind its back."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from tests.servers import Database

from prefiq.application import Application
from prefiq.bridge import call
from prefiq.contracts import IDomainService, Scope
from prefiq.foundation import can
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.hooks import on
from prefiq.lowcode import ModelMeta, children, field
from prefiq.plugins import ProviderBase
from prefiq.settings import Settings
from prefiq.sql import ConnectionManager
from prefiq.testing import make_application
from prefiq.web import create_asgi, make_token

__all__ = [
    "Line",
    "Note",
    "Order",
    "Shop",
    "ShopProvider",
    "backends",
    "between_statements",
    "kill_backend",
    "new_order",
    "open_shop",
    "open_transactions",
    "orders_in",
    "query",
    "soon",
    "waiting_backends",
]

T = TypeVar("T")
EVERYTHING = can("*")


class Line(Child):
    """A line of an order."""

    text: str = field(max_length=40)
    amount: int


class Order(Entity):
    """A document that says itself how it is when it is whole: how many lines, and their sum."""

    number: str = field(max_length=40, unique=True)
    size: int = field(ge=0)
    total: int = field(ge=0)
    lines: list[Line] = children(Line)

    meta = ModelMeta(order_by="number")


class Note(Entity):
    """A row alone: writing it in a store is one statement, which needs no transaction."""

    text: str = field(max_length=40, unique=True)

    meta = ModelMeta(audit=False)


between_statements: list[Callable[[Order], None]] = []
"""Called in the transaction that creates an order, after its rows and before its history are written."""


@on.after_create(Order)
def interrupt(order: Order) -> None:
    """Let a test do something there."""
    for interruption in between_statements:
        interruption(order)


class ShopProvider(ProviderBase):
    """The shop's module."""

    name = "shop"
    models = (Order, Note)
    hooks = (interrupt,)


def new_order(number: str, count: int = 3) -> Order:
    """A whole order."""
    lines = [Line(text=f"{number} line {i}", amount=i + 1) for i in range(count)]
    return Order(number=number, size=count, total=sum(line.amount for line in lines), lines=lines)


def grow(order: Order) -> Order:
    """Change an order and its lines: one goes, one changes, two are new."""
    order.lines = [*order.lines[1:], *(Line(text=f"{order.number} more", amount=7) for _ in range(2))]
    order.lines[0].amount += 1
    order.size = len(order.lines)
    order.total = sum(line.amount for line in order.lines)
    return order


class Shop:
    """An application, and how to use it in its mode; ``open_shop`` makes and closes it.

    Args:
        app: Booted, with ``ShopProvider``.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self.mode = app.settings.database.mode
        self.loop = asyncio.Runner()
        """One event loop for all that the test does: in async mode every loop has a pool of its own."""

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """Call it as this mode does: directly, or on the event loop."""
        if self.mode == "sync":
            return work(*args)
        return self.loop.run(call(work, *args))

    async def later(self, work: Callable[..., T], *args: Any) -> T:
        """As ``run``, for coroutines; with ``DB_MODE=sync`` on a thread."""
        if self.mode == "sync":
            return await asyncio.to_thread(work, *args)
        return await call(work, *args)

    def gather(self, *works: Callable[[], T]) -> list[T | BaseException]:
        """Call them side by side, on threads or as tasks; what each returned or raised."""

        async def main() -> list[T | BaseException]:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(len(works)))
            return await asyncio.gather(*map(self.later, works), return_exceptions=True)

        return self.loop.run(main())

    @asynccontextmanager
    async def client(self, tenant: str = "acme") -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client in the same loop, with a token that may do everything."""
        asgi = create_asgi(self.app)
        token = make_token(self.app.settings, tenant=tenant, actor="ann", permissions=("*",))
        async with (
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(asgi),
                base_url="http://testserver/api/shop",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            ) as client,
            asgi.router.lifespan_context(asgi),
        ):
            yield client

    def use(self, work: Callable[[Scope], T], tenant: str = "acme", deadline: datetime | None = None) -> T:
        """Run work in a scope of its own; in async mode for callers that are in the bridge."""
        with self.app.scope(tenant, EVERYTHING, deadline=deadline) as scope:
            return work(scope)

    def do(self, work: Callable[[Scope], T], tenant: str = "acme", deadline: datetime | None = None) -> T:
        """Run work in a scope of its own, from outside."""
        result: T = self.run(self.use, work, tenant, deadline)
        return result

    def create(self, number: str, tenant: str = "acme") -> Order:
        """Create an order, from outside."""
        return self.do(creating(number), tenant)

    def works(self, number: str, tenant: str = "acme") -> None:
        """The next request writes and reads as if nothing had been."""
        made = self.create(number, tenant)
        found = self.do(lambda scope: scope[IDomainService[Order]].get(made.id), tenant)
        assert found == made

    @property
    def connections(self) -> ConnectionManager:
        """What holds its pools."""
        manager: ConnectionManager = self.app.container.resolve(None, ConnectionManager)
        return manager

    def in_use(self) -> int:
        """Connections that somebody holds now, in this thread's event loop."""
        pool: Any = self.run(lambda: self.connections.engine().pool)
        return int(pool.checkedout())

    def close(self) -> None:
        """Close the application and the loop."""
        try:
            self.run(self.app.close)
        finally:
            self.loop.close()


def creating(number: str) -> Callable[[Scope], Order]:
    """Work that creates an order."""
    return lambda scope: scope[IDomainService[Order]].create(new_order(number))


def growing(order: Order) -> Callable[[Scope], Order]:
    """Work that changes an order and its lines."""
    return lambda scope: scope[IDomainService[Order]].update(grow(scope[IDomainService[Order]].get(order.id)))


@contextmanager
def open_shop(database: Database, folder: Path, *, fresh: bool = True, **settings: Any) -> Iterator[Shop]:
    """A shop that keeps its data in the database.

    Args:
        database: Empty, or with the tables of another shop.
        folder: The application's.
        fresh: Whether tables and tenants are to be made.
        settings: More variables of the application.
    """
    values = {**database.variables(), **settings}
    if fresh:
        app = make_application(folder, modules=[ShopProvider], tenants=(), **values)
    else:
        app = Application.boot(Settings.for_test(folder, APPS=[], **values), modules=[ShopProvider])
    shop = Shop(app)
    try:
        if fresh:
            for key in ("acme", "globex"):
                shop.run(app.tenants.create, key)
        yield shop
    finally:
        shop.close()


# ---- looking behind its back, with the plain driver

_ORDERS = """
SELECT o.tenant_id, o.number, o.version, o.size, o.total,
    (SELECT COUNT(*) FROM shop_line l WHERE l.tenant_id = o.tenant_id AND l.order_id = o.id),
    (SELECT COALESCE(SUM(l.amount), 0) FROM shop_line l WHERE l.tenant_id = o.tenant_id AND l.order_id = o.id),
    (SELECT COUNT(*) FROM prefiq_history_entry h
        WHERE h.tenant_id = o.tenant_id AND h.model = 'shop.Order' AND h.entity_id = o.id)
FROM shop_order o
"""
_TOTALS = """
SELECT (SELECT COUNT(*) FROM shop_line), (SELECT COUNT(*) FROM prefiq_history_entry
    WHERE model = 'shop.Order' AND entity_id NOT IN (
        SELECT entity_id FROM prefiq_history_entry WHERE model = 'shop.Order' AND action = 'deleted'))
"""


def query(database: Database, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows, by the plain driver on a connection of its own."""
    with closing(database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql, params)
        return [tuple(row) for row in cursor.fetchall()]


def orders_in(database: Database) -> dict[tuple[str, str], int]:
    """The version of every order, by tenant and number; every one is whole, and nothing is without its order."""
    found: dict[tuple[str, str], int] = {}
    lines = entries = 0
    for tenant, number, version, size, total, has, amounts, history in query(database, _ORDERS):
        assert (has, amounts) == (size, total), f"{number} of {tenant} has other lines than it says"
        assert history == version, (
            f"{number} of {tenant} has {history} entries of history for {version} writes"
        )
        found[tenant, number] = version
        lines += has
        entries += history
    assert query(database, _TOTALS) == [(lines, entries)], "there are lines or histories without an order"
    if database.engine == "sqlite":
        assert query(database, "PRAGMA integrity_check") == [("ok",)]
    return found


THREAD = re.compile(r"MariaDB thread id (\d+)")


def backends(database: Database) -> list[int]:
    """Connections of others to the database, as the server numbers them."""
    if database.engine == "postgres":
        sql = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    else:
        sql = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    return [number for (number,) in query(database, sql)]


def waiting_backends(database: Database) -> list[int]:
    """Those that wait for a lock of another one."""
    if database.engine == "postgres":
        sql = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return [number for (number,) in query(database, sql)]
    return [number for number, waits in innodb_transactions(database).items() if waits]


def open_transactions(database: Database) -> int:
    """How many transactions others have open in the database."""
    if database.engine == "postgres":
        sql = (
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%%')"
        )
        return int(query(database, sql)[0][0])
    return len(innodb_transactions(database))


def innodb_transactions(database: Database) -> dict[int, bool]:
    """The connections to the database that have a transaction, and whether it waits for a lock.

    From InnoDB's monitor, not from ``information_schema.innodb_trx``: that one tells old news for as long as
    anybody on the server asks it more often than every 100 ms.
    """
    ((_, _, status),) = query(database, "SHOW ENGINE INNODB STATUS")
    found = {
        int(thread[1]): "LOCK WAIT" in transaction
        for transaction in status.split("---TRANSACTION ")[1:]
        if "ACTIVE" in transaction.partition("\n")[0] and (thread := THREAD.search(transaction))
    }
    return {number: waits for number, waits in found.items() if number in backends(database)}


def kill_backend(database: Database, number: int) -> None:
    """End one connection on the server, and wait until it has ended."""
    with closing(database.connect()) as connection:
        cursor = connection.cursor()
        if database.engine == "postgres":
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [number])
            return
        cursor.execute(f"KILL CONNECTION {number}")
        while True:
            cursor.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", [number])
            if not cursor.fetchall():
                return


def soon(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait for what happens by itself on a server that was not asked."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end, otherwise
        time.sleep(0.005)
