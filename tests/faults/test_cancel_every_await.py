"""A use case is cancelled at every single await: it is done or not done, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg.waiting
import pytest
from tests.faults.cancellation import cancelled_everywhere
from tests.faults.kit import (
    Order,
    Shop,
    backends,
    grow,
    new_order,
    open_shop,
    open_transactions,
    orders_in,
    soon,
)
from tests.servers import Database

from prefiq.contracts import IDomain, IDomainService, Page, Scope, current_scope_or_none, where
from prefiq.sql import Executor

pytestmark = pytest.mark.parametrize("mode", ["async"], scope="session", indirect=True)

Work = Callable[[IDomainService[Order], Scope], Any]


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path, db_pool_size=1) as opened:
        yield opened


def first(orders: IDomainService[Order]) -> Order:
    return orders.list(Page(limit=1)).items[0]


def in_one(orders: IDomainService[Order], scope: Scope) -> None:
    with scope[Executor].tx():
        orders.create(new_order("new-1"))
        orders.update(grow(first(orders)))
        orders.create(new_order("new-2"))


def stream(orders: IDomainService[Order], scope: Scope) -> None:
    for batch in scope[IDomain[Order]].stream(batch=1):
        assert len(batch) == 1


def stream_and_leave(orders: IDomainService[Order], scope: Scope) -> None:
    batches = scope[IDomain[Order]].stream(batch=1)
    assert len(next(iter(batches))) == 1
    orders.create(new_order("new"))


WORKS: dict[str, Work] = {
    "get": lambda orders, _: orders.get(first(orders).id),
    "list": lambda orders, _: orders.list(Page(limit=2), where(size__gte=1)),
    "create": lambda orders, _: orders.create(new_order("new")),
    "create many": lambda orders, _: orders.create_many([new_order(f"new-{n}") for n in range(3)]),
    "create lots": lambda orders, _: orders.create_many([new_order(f"new-{n}", 1) for n in range(250)]),
    "update": lambda orders, _: orders.update(grow(first(orders))),
    "delete": lambda orders, _: orders.delete(first(orders).id),
    "in one transaction": in_one,
    "stream": stream,
    "stream and leave": stream_and_leave,
}


@pytest.mark.parametrize("name", ["get", "in one transaction"])
def test_cancelled(shop: Shop, database: Database, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a warm connection, the only one: whoever comes next needs it."""
    cancel(shop, database, monkeypatch, WORKS[name], 1)


@pytest.mark.full
@pytest.mark.parametrize("times", [1, 1000])
@pytest.mark.parametrize("name", WORKS)
def test_every_use_case_cancelled(
    shop: Shop, database: Database, name: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for all of them; also cancelled at each await from there on."""
    cancel(shop, database, monkeypatch, WORKS[name], times)


def test_cancelled_while_it_connects(shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is empty, and its only place must not be lost."""
    cancel(shop, database, monkeypatch, WORKS["get"], 1, before=lambda: shop.connections.engine().dispose())


def cancel(
    shop: Shop,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    work: Work,
    times: int,
    before: Callable[[], Any] = lambda: None,
) -> None:
    """Cancel it at each await, and look at what is left."""
    if times == 1:
        # psycopg gives way where it need not wait, too, as on a loop that was busy for long.  It survives a
        # second cancellation there as well, but Python complains of a generator that could not be closed.
        monkeypatch.setattr(psycopg.waiting, "MAX_BUSY_TIME", -1.0)
    ends: list[str] = []

    def whole(scope: Scope) -> Any:
        return work(scope[IDomainService[Order]], scope)

    async def main() -> None:
        await shop.later(reset, shop, database)
        await shop.later(shop.use, whole)  # what is asked once only has been asked
        done = orders_in(database)
        await shop.later(reset, shop, database)
        undone = orders_in(database)
        await shop.later(before)
        async for place, end in cancelled_everywhere(lambda: shop.later(shop.use, whole), times):
            ends.append(end)
            assert current_scope_or_none() is None
            pool: Any = await shop.later(lambda: shop.connections.engine().pool)
            assert pool.checkedout() == 0, f"await {place} leaves a connection"
            if database.engine != "sqlite":
                # A server needs a moment to notice that a client is gone.
                soon(lambda: open_transactions(database) == 0, f"await {place} leaves a transaction")
                soon(lambda: len(backends(database)) <= 1, f"await {place} leaves a connection on the server")
            found = orders_in(database)
            assert found in ((undone, done) if end == "cancelled" else (done,)), f"await {place}: half done"
            await shop.later(reset, shop, database)  # the next one works
            await shop.later(before)

    shop.loop.run(main())
    if database.engine != "sqlite":  # which itself is called without waiting
        assert "cancelled" in ends


def reset(shop: Shop, database: Database) -> None:
    """Two orders, with a history of one entry each."""

    with closing(database.connect()) as connection:
        for table in ("shop_line", "shop_order", "prefiq_history_entry"):
            connection.cursor().execute(f"DELETE FROM {table}")
    shop.use(lambda scope: scope[IDomainService[Order]].create_many([new_order("a"), new_order("b")]))
