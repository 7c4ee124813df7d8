"""A process of its own that writes orders and says which ones it has been promised."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tests.faults.kit import Order, Shop, growing, new_order, open_shop
from tests.servers import Database

from prefiq.contracts import IDomainService, Scope

__all__ = ["Written", "barrier", "writer"]

_processes = multiprocessing.get_context("forkserver")  # a fresh interpreter costs half a second each time
_processes.set_forkserver_preload(["tests.faults.writer"])

Written = tuple[str, int, float]
"""Number and version of an order that is kept, and the seconds that it took."""


@contextmanager
def writer(
    name: str, database: Database, folder: Path, most: int = 0, start: Barrier | None = None
) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A process that writes, and the end of a pipe on which it sends each ``Written``.

    The pipe ends with the process.  The process is killed at the end of the block if it still runs.

    Args:
        name: Its orders are called ``<name>-0``, …
        database: Where to, with tables.
        folder: The application's.
        most: How many orders; 0 for no end.
        start: Where it waits before the first one; of ``barrier``.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    process = _processes.Process(
        target=_write, args=(name, database, folder, most, start, there), daemon=True
    )
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join()
        here.close()
        process.close()


def barrier(parties: int) -> Barrier:
    """For writers that shall start together."""
    return _processes.Barrier(parties)


def _write(
    name: str, database: Database, folder: Path, most: int, start: Barrier | None, acknowledge: Connection
) -> None:
    with open_shop(database, folder, fresh=False) as shop:
        if start is not None:
            start.wait()
        for number in range(most) if most else itertools.count():
            _write_one(shop, f"{name}-{number}", acknowledge, changes=number % 3)


def _write_one(shop: Shop, number: str, acknowledge: Connection, changes: int) -> None:
    def create(scope: Scope) -> Order:
        return scope[IDomainService[Order]].create(new_order(number))

    began = time.perf_counter()
    order = shop.do(create)
    acknowledge.send((number, order.version, time.perf_counter() - began))
    for _ in range(changes):
        began = time.perf_counter()
        order = shop.do(growing(order))
        acknowledge.send((number, order.version, time.perf_counter() - began))
