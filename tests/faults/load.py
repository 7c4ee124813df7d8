"""Writers side by side, while something happens to the server; what they were told, and whether it was true."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults.kit import Shop, creating, orders_in
from tests.servers import Database

from prefiq.errors import PrefiqError
from prefiq.sql import CommitUnknown, Disconnected

__all__ = ["Load", "under_load"]

PATIENCE = 30
"""Seconds after which the application is held for dead."""


class Load:
    """What writers have been told so far; the thread that disturbs them waits here.

    Args:
        writers: How many.
    """

    def __init__(self, writers: int) -> None:
        self.writers = writers
        self.acknowledged: set[str] = set()
        self.failed: dict[str, BaseException] = {}
        self.stopped = False
        self._each = [0] * writers
        self._news = threading.Condition()

    def note(self, writer: int, number: str, error: BaseException | None) -> None:
        """A writer was told how it ended."""
        with self._news:
            if error is None:
                self.acknowledged.add(number)
                self._each[writer] += 1
            else:
                self.failed[number] = error
            self._news.notify_all()

    def let_all_write(self, more: int = 1) -> None:
        """Wait until every writer was given so many more acknowledgements."""
        with self._news:
            aims = [count + more for count in self._each]
            done = self._news.wait_for(
                lambda: all(count >= aim for count, aim in zip(self._each, aims, strict=True)), PATIENCE
            )
            assert done, f"writers were stuck: {Counter(type(e).__name__ for e in self.failed.values())}"

    def let_some_fail(self) -> None:
        """Wait until somebody was told of a failure that came from now on."""
        with self._news:
            failed = len(self.failed)
            assert self._news.wait_for(lambda: len(self.failed) > failed, PATIENCE), "nobody has noticed"

    def check(self, database: Database, *also: str) -> None:
        """What was acknowledged is there, what was refused is not, what is unknown is whole or not there.

        Args:
            database: Where it was written to.
            also: Orders of others.
        """
        allowed = (Disconnected, CommitUnknown)
        strange = {number: error for number, error in self.failed.items() if type(error) not in allowed}
        assert not strange, strange
        stored = {number for _, number in orders_in(database)}
        assert self.acknowledged <= stored, "acknowledged, and lost"
        unknown = {number for number, error in self.failed.items() if type(error) is CommitUnknown}
        assert stored <= self.acknowledged | unknown | set(also), "refused, and kept"


def under_load(shop: Shop, disturb: Callable[[Load], None], writers: int = 4) -> Load:
    """Let writers create orders until what disturbs them is done.

    Args:
        shop: Where.
        disturb: Called in a thread of its own.
        writers: Threads or tasks.
    """
    load = Load(writers)

    async def write(writer: int) -> None:
        for n in itertools.count():
            if load.stopped:
                return
            number = f"w{writer}-{n}"
            try:
                await shop.later(shop.use, creating(number))
            except PrefiqError as error:
                load.note(writer, number, error)
                await asyncio.sleep(0.005)  # a server that is down refuses very fast
            else:
                load.note(writer, number, None)

    async def disturbed() -> None:
        try:
            await asyncio.to_thread(disturb, load)
        finally:
            load.stopped = True

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(writers + 1))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(disturbed())
            for writer in range(writers):
                tasks.create_task(write(writer))

    shop.loop.run(main())
    return load
