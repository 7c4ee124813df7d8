"""Requests are cancelled at any moment: no connection, no transaction and no tenant is left behind."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.kit import (
    Order,
    Shop,
    backends,
    creating,
    growing,
    open_shop,
    open_transactions,
    orders_in,
    soon,
)
from tests.servers import Database

from prefiq.bridge import await_
from prefiq.contracts import ConcurrencyError, IDomain, IDomainService, Page, Scope, current_scope_or_none
from prefiq.sql import Executor

TASKS = 500
TASKS_FULL = 5000
AT_ONCE = 25
POOL = 5
TENANTS = ("acme", "globex")

pytestmark = pytest.mark.parametrize("mode", ["async"], scope="session", indirect=True)


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path, db_pool_size=POOL, db_pool_timeout=20) as opened:
        for tenant in TENANTS:
            for n in range(5):
                opened.create(f"{tenant}-{n}", tenant)
        yield opened


def test_storm(shop: Shop, database: Database) -> None:
    """Some hundred tasks."""
    Storm(shop, database).run(TASKS)


@pytest.mark.full
def test_storm_of_thousands(shop: Shop, database: Database) -> None:
    """Five thousand."""
    Storm(shop, database).run(TASKS_FULL)


class Storm:
    """Tasks of two tenants, of which most are cancelled."""

    def __init__(self, shop: Shop, database: Database) -> None:
        self.shop = shop
        self.database = database
        self.acknowledged: set[tuple[str, str]] = set()
        self.ends: Counter[str] = Counter()
        self.usual = 0.01
        """Seconds that a task takes at present."""

    def run(self, tasks: int) -> None:
        self.shop.loop.run(self.blow(tasks))
        cancelled = self.ends["cancelled"] / tasks
        assert self.ends.keys() <= {"cancelled", "done"}, self.ends
        # SQLite itself is called without waiting: what can be cancelled is the waiting for its turn.
        assert (0.05 if self.database.engine == "sqlite" else 0.5) < cancelled < 0.95, self.ends
        assert self.shop.in_use() == 0
        if self.database.engine != "sqlite":
            soon(lambda: open_transactions(self.database) == 0, "a transaction is open")
            soon(lambda: len(backends(self.database)) <= POOL, "more connections than the pool has")
        stored = orders_in(self.database)
        assert self.acknowledged <= stored.keys()
        mixed = {key for key in stored if not key[1].startswith(key[0])}
        assert not mixed, "a row of the other tenant"
        results = self.shop.gather(
            *(
                lambda n=n, tenant=tenant: self.shop.use(creating(f"{tenant}-next-{n}"), tenant)
                for n in range(10)
                for tenant in TENANTS
            )
        )
        assert [type(result) for result in results] == [Order] * 20

    async def blow(self, tasks: int) -> None:
        waiting = asyncio.Semaphore(AT_ONCE)
        async with asyncio.timeout(60 + tasks / 10), asyncio.TaskGroup() as group:
            for n in range(tasks):
                await waiting.acquire()
                group.create_task(self.one(n, waiting))

    async def one(self, n: int, waiting: asyncio.Semaphore) -> None:
        tenant = TENANTS[n % 2]
        task = asyncio.create_task(self.work(n, tenant))
        handle = None
        if random.random() < 0.9:  # some are done before it comes to that
            handle = asyncio.get_running_loop().call_later(random.uniform(0, self.usual), task.cancel)
        began = time.monotonic()
        try:
            await task
            self.ends["done"] += 1
            self.usual += (1.2 * (time.monotonic() - began) - self.usual) / 20
        except asyncio.CancelledError:
            self.ends["cancelled"] += 1
        except ConcurrencyError:  # two have changed one order
            self.ends["done"] += 1
        except Exception as error:  # noqa: BLE001  whatever it is, it is counted
            self.ends[repr(error)] += 1
        finally:
            if handle is not None:
                handle.cancel()
            waiting.release()

    async def work(self, n: int, tenant: str) -> None:
        number = f"{tenant}-task-{n}"

        def create(scope: Scope) -> None:
            creating(number)(scope)

        def create_two(scope: Scope) -> None:
            with scope[Executor].tx():
                creating(number)(scope)
                # As a call of another service: what SQLite's own statements never do, to wait, this does.
                await_(asyncio.sleep(random.uniform(0, 0.005)))
                creating(f"{number}-more")(scope)

        def change(scope: Scope) -> None:
            page = scope[IDomainService[Order]].list(Page(limit=50))
            growing(random.choice(page.items))(scope)

        def read(scope: Scope) -> None:
            page = scope[IDomainService[Order]].list(Page(limit=20))
            assert all(order.number.startswith(scope.tenant) for order in page.items)

        def stream(scope: Scope) -> None:
            for batch in scope[IDomain[Order]].stream():
                assert all(order.number.startswith(scope.tenant) for order in batch)

        work: Callable[[Scope], None] = (create, create_two, change, read, stream)[n % 5]
        await self.shop.later(self.shop.use, work, tenant)
        assert current_scope_or_none() is None
        if work in {create, create_two}:
            self.acknowledged.add((tenant, number))
