"""In async mode a scope serves one task at a time: others are told, and nothing is mixed up or waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.kit import Order, Shop, between_statements, new_order, open_shop, orders_in
from tests.servers import Database

from prefiq import IDomain, IDomainService, Scope, await_, call, can, iterate
from prefiq.sql import ScopeInUse


@pytest.fixture(scope="session")
def mode() -> str:
    return "async"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path) as opened:
        yield opened


@pytest.fixture
def pausing() -> Iterator[None]:
    """Every creation waits in its transaction, for something that is no database."""

    def wait(order: Order) -> None:
        await_(asyncio.sleep(0.001))

    between_statements.append(wait)
    yield
    between_statements.remove(wait)


def in_scope(shop: Shop, work: Callable[[Scope], Any]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(30), shop.app.scope("acme", can("*")) as scope:
            return await work(scope)

    return shop.loop.run(main())


def service(scope: Scope) -> IDomainService[Order]:
    return scope[IDomainService[Order]]


@pytest.mark.usefixtures("pausing")
def test_second_task_is_refused(shop: Shop, database: Database) -> None:
    """While the first one's transaction is open; the first keeps what it does, and the scope goes on working."""

    async def work(scope: Scope) -> None:
        numbers = ("a", "b", "c")
        done = await asyncio.gather(
            *(call(service(scope).create, new_order(number)) for number in numbers), return_exceptions=True
        )
        assert isinstance(done[0], Order)
        assert [type(one) for one in done[1:]] == [ScopeInUse, ScopeInUse]
        assert "open a scope for each task" in str(done[1])
        await call(service(scope).create, new_order("d"))

    in_scope(shop, work)
    assert {number for _, number in orders_in(database)} == {"a", "d"}
    assert shop.connections.in_use() == {}


def test_answers_are_not_mixed_up(shop: Shop) -> None:
    """Each task that reads at the same time has its own row, or is refused."""
    ids = [shop.create(f"o{number}").id for number in range(10)]

    async def work(scope: Scope) -> None:
        orders = scope[IDomain[Order]]
        found = await asyncio.gather(*(call(orders.get_by_id, id) for id in ids), return_exceptions=True)
        refused = [one for one in found if not isinstance(one, Order)]
        assert all(isinstance(one, ScopeInUse) for one in refused)
        assert all(one.id == id for one, id in zip(found, ids, strict=True) if isinstance(one, Order))
        assert (await call(orders.get_by_id, ids[-1])).number == "o9"

    in_scope(shop, work)


def test_tasks_after_each_other_and_streams(shop: Shop) -> None:
    """Sharing a scope is no fault as long as one waits for the other, also between the parts of a stream."""
    for number in range(4):
        shop.create(f"o{number}")

    async def work(scope: Scope) -> None:
        orders = scope[IDomain[Order]]
        for _ in range(3):
            assert await asyncio.create_task(call(orders.count)) == 4
        numbers = [one.number async for batch in iterate(orders.stream(batch=2)) for one in batch]
        assert sorted(numbers) == ["o0", "o1", "o2", "o3"]

    in_scope(shop, work)


def test_use_case_within_a_use_case(shop: Shop, database: Database) -> None:
    """What an async hook calls belongs to the same task and the same transaction."""

    async def other(scope: Scope) -> None:
        await call(service(scope).create, new_order("inner"))

    def nested(scope: Scope) -> None:
        def hook(order: Order) -> None:
            if order.number == "outer":
                await_(other(scope))

        between_statements.append(hook)
        try:
            service(scope).create(new_order("outer"))
        finally:
            between_statements.remove(hook)

    shop.do(nested)
    assert {number for _, number in orders_in(database)} == {"inner", "outer"}


@pytest.mark.usefixtures("pausing")
def test_scope_that_is_closed_under_a_task(shop: Shop, database: Database) -> None:
    """Its connection is thrown away with what it had not committed, and the task told."""

    async def main() -> None:
        scope = shop.app.scope("acme", can("*"))
        await scope.__aenter__()
        task = asyncio.create_task(call(service(scope).create, new_order("a")))
        for _ in range(5):
            await asyncio.sleep(0)
        await scope.__aexit__(None, None, None)
        with pytest.raises(Exception):  # noqa: B017  by whatever it meets first
            await task
        assert shop.connections.in_use() == {}
        await shop.later(shop.use, lambda one: service(one).create(new_order("b")))

    shop.loop.run(main())
    assert {number for _, number in orders_in(database)} == {"b"}
