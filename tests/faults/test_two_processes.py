"""Several processes write one SQLite file: each gets its turn within the busy timeout, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from pathlib import Path

import pytest
from tests.faults.kit import Order, Shop, between_statements, creating, open_shop, orders_in
from tests.faults.writer import Written, barrier, writer
from tests.servers import Database

from prefiq.bridge import await_
from prefiq.contracts import IDomainService

BUSY = 5.0
ORDERS = 60
ORDERS_FULL = 500

sqlite = pytest.mark.parametrize("engine", ["sqlite"], scope="session", indirect=True)
asynchronous = pytest.mark.parametrize("mode", ["async"], scope="session", indirect=True)


@sqlite
def test_two_processes_write_side_by_side(database: Database, tmp_path: Path) -> None:
    """Neither is told that the file is locked, and each write is done within the time to wait for others."""
    write_together(database, tmp_path, 2, ORDERS)


@sqlite
@pytest.mark.full
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_write_fairly_for_long(database: Database, tmp_path: Path, processes: int) -> None:
    """In the long run each gets its share, too."""
    share = write_together(database, tmp_path, processes, ORDERS_FULL)
    assert share > 0.1, "one waited until another one was done"


def write_together(database: Database, folder: Path, processes: int, orders: int) -> float:
    """Let them write at once; how much of its orders the slowest one had when the first one was done."""
    start = barrier(processes)
    with ExitStack() as stack:
        shop = stack.enter_context(open_shop(database, folder, db_busy_timeout=BUSY))
        ends = [
            stack.enter_context(writer(f"p{n}", database, folder, orders, start))[1] for n in range(processes)
        ]
        said, share = follow(ends, orders)
        assert max(seconds for written in said for _, _, seconds in written) < BUSY
        promised = {("acme", number): version for written in said for number, version, _ in written}
        assert len(promised) == processes * orders, "one was refused"
        assert orders_in(database) == promised
        shop.works("next")
    return share


def follow(ends: list[Connection], orders: int) -> tuple[list[list[Written]], float]:
    """What each has said; and the least share of its orders that one had when the first one was done."""
    said: list[list[Written]] = [[] for _ in ends]
    share = 0.0
    speaking = dict(zip(ends, said, strict=True))
    while speaking:
        for end in wait(list(speaking)):
            assert isinstance(end, Connection)
            try:
                speaking[end].append(end.recv())
            except EOFError:
                if len(speaking) == len(ends):
                    share = min(len({number for number, *_ in written}) for written in said) / orders
                del speaking[end]
    return said, share


@sqlite
@asynchronous
def test_a_writer_that_awaits_stops_no_other_task(shop: Shop, database: Database) -> None:
    """Its transaction is open meanwhile: readers go on, and other writers wait without stopping the loop."""

    async def main() -> None:
        inside, go_on = asyncio.Event(), asyncio.Event()

        def pause(order: Order) -> None:
            if order.number == "slow":
                inside.set()
                await_(go_on.wait())

        between_statements.append(pause)
        slow = asyncio.create_task(shop.later(shop.use, creating("slow")))
        await inside.wait()
        others = [asyncio.create_task(shop.later(shop.use, creating(f"other-{n}"))) for n in range(3)]
        began = time.monotonic()
        found = await shop.later(shop.use, lambda scope: scope[IDomainService[Order]].list())
        assert found.items == []
        assert time.monotonic() - began < 1, "the loop stood still"
        go_on.set()
        made = [await task for task in (slow, *others)]
        assert {order.number for order in made} == {"slow", "other-0", "other-1", "other-2"}

    shop.loop.run(main())
    assert len(orders_in(database)) == 4
    assert shop.in_use() == 0
