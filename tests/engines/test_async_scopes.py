"""Scopes of async mode that end where nothing can be awaited: their connection is back, or thrown away."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.kit import Order, Shop, creating, new_order, open_shop, open_transactions, orders_in
from tests.servers import Database

from prefiq import Bound, IDomain, NoBridge, Scope, call, can
from prefiq.bridge import pause
from prefiq.sql import Executor


@pytest.fixture(scope="session")
def mode() -> str:
    return "async"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path, db_pool_size=1) as opened:
        yield opened


def reading(scope: Scope) -> None:
    scope[IDomain[Order]].count()


def writing(scope: Scope) -> None:
    scope[Executor].tx().__enter__()
    scope[IDomain[Order]].save(new_order("left"))


def close(scopes: list[Scope]) -> None:
    """In a coroutine, without ``call``: to roll back would have to wait."""
    try:
        scopes.pop().close()
    except NoBridge as error:
        assert f"{__file__}:" in error.where  # noqa: PT017  it need not be raised


def forget(scopes: list[Scope]) -> None:
    scopes.pop()
    gc.collect()


def test_no_scope_is_passed_by(shop: Shop) -> None:
    """Where more of them want a connection than there are, who comes again waits behind who came before."""
    turns: list[int] = []

    def slowly(scope: Scope) -> None:
        reading(scope)
        pause(0)

    def work(number: int) -> None:
        for _ in range(4):
            shop.use(slowly)
            turns.append(number)

    async def main() -> None:
        await asyncio.gather(*(call(work, number) for number in range(6)))

    shop.loop.run(main())
    assert turns == list(range(6)) * 4


@pytest.mark.filterwarnings("ignore:The garbage collector is trying to clean up")
@pytest.mark.parametrize("work", [reading, writing])
@pytest.mark.parametrize("end", [close, forget])
def test_scope_that_ends_outside_of_the_bridge(
    shop: Shop, database: Database, work: Callable[[Scope], None], end: Callable[[list[Scope]], None]
) -> None:
    """What it wrote is undone; the next one has a connection at once, though there is only one."""

    def open_() -> Scope:
        # Past the test kit, which keeps the scopes that it opens.
        scope = Scope(Bound("acme"), can("*"), shop.app.container.resolve).__enter__()
        work(scope)
        return scope

    async def main() -> None:
        scopes = [await asyncio.create_task(call(open_))]
        await asyncio.sleep(0)  # the loop forgets the task
        assert shop.connections.in_use() == {"default": 1}
        end(scopes)
        await asyncio.sleep(0)
        assert shop.connections.in_use() == {}
        await shop.later(shop.use, creating("next"))

    shop.loop.run(main())
    assert {number for _, number in orders_in(database)} == {"next"}
    limit = time.monotonic() + 10
    while database.engine != "sqlite" and open_transactions(database):
        assert time.monotonic() < limit
        time.sleep(0.01)
