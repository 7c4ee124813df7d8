"""The client's process is killed while it writes: what it was promised is there, and nothing is half-there."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from tests.faults.kit import open_shop, orders_in
from tests.faults.writer import Written, writer
from tests.servers import Database

KILLS = 8
KILLS_FULL = 100


def test_everything_acknowledged_is_there(database: Database, tmp_path: Path) -> None:
    """Some kills, on each engine."""
    kill(database, tmp_path, KILLS)


@pytest.mark.full
def test_everything_acknowledged_is_there_after_many_kills(database: Database, tmp_path: Path) -> None:
    """A hundred kills, on each engine."""
    kill(database, tmp_path, KILLS_FULL)


def kill(database: Database, folder: Path, times: int) -> None:
    acknowledged = 0
    known: dict[tuple[str, str], int] = {}
    with open_shop(database, folder) as shop:
        for attempt in range(times):
            promised, last = kill_one(f"w{attempt}", database, folder)
            acknowledged += len(promised)
            stored = orders_in(database)
            for number, version in promised.items():
                # What was committed just before the kill could not be acknowledged any more.
                may_be = {version, version + 1} if number == last else {version}
                assert stored.pop(("acme", number)) in may_be, number
            more = stored.keys() - known.keys()
            assert len(more) <= 1, more
            assert known.items() <= stored.items(), "a kill changed what others have written"
            shop.works(f"after-{attempt}")
            known = orders_in(database)
    assert acknowledged > 2 * times, "the writers hardly wrote"


def kill_one(name: str, database: Database, folder: Path) -> tuple[dict[str, int], str]:
    """Let it write and kill it at some moment: what it has acknowledged, and the order that it spoke of last."""
    promised: dict[str, int] = {}
    last = ""

    def note(written: Written) -> None:
        nonlocal last
        last, promised[written[0]], _ = written

    with writer(name, database, folder) as (process, acknowledged):
        for _ in range(random.randint(1, 12)):  # no moment of its life is spared
            note(acknowledged.recv())
        time.sleep(random.uniform(0, 0.01))
        process.kill()
        try:
            while True:
                note(acknowledged.recv())
        except EOFError:
            return promised, last
