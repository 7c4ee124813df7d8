"""The server goes down under load and comes back: the application goes on without being started again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.kit import open_shop, orders_in
from tests.faults.load import Load, under_load
from tests.own_server import OwnServer, own_server
from tests.servers import MODES, SERVERS, Database

from prefiq.sql import Disconnected

ENDS: dict[str, Callable[[OwnServer], None]] = {"stop": OwnServer.stop, "kill": OwnServer.kill}
TIMES = 1
TIMES_FULL = 10

_numbers = itertools.count()

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    with own_server(request.param) as started:
        yield started


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("end", ENDS)
def test_everything_acknowledged_survives(server: OwnServer, mode: str, end: str, tmp_path: Path) -> None:
    """Stopped, or killed as by a failing machine."""
    restart(server, mode, ENDS[end], tmp_path, TIMES)


@pytest.mark.full
@pytest.mark.parametrize("mode", MODES)
def test_everything_acknowledged_survives_many(server: OwnServer, mode: str, tmp_path: Path) -> None:
    """Killed again and again."""
    restart(server, mode, OwnServer.kill, tmp_path, TIMES_FULL)


def new_database(server: OwnServer, mode: str) -> Database:
    database = replace(server.database, mode=mode, name=f"prefiq_{next(_numbers)}")
    with closing(server.database.connect()) as connection:
        connection.cursor().execute(f"CREATE DATABASE {database.name}")
    return database


def restart(server: OwnServer, mode: str, end: Callable[[OwnServer], None], folder: Path, times: int) -> None:
    database = new_database(server, mode)

    def disturb(load: Load) -> None:
        load.let_all_write(3)
        for _ in range(times):
            end(server)
            load.let_some_fail()
            server.start()
            load.let_all_write(3)

    with open_shop(database, folder) as shop:
        load = under_load(shop, disturb)
        load.check(database)
        # One cycle of the pool: every connection that it still holds is of use.
        assert shop.gather(*(lambda: shop.use(lambda _: None) for _ in range(10))) == [None] * 10
        shop.works("next")
        assert shop.in_use() == 0
        load.check(database, "next")


@pytest.mark.parametrize("mode", MODES)
def test_server_comes_later_than_the_application(server: OwnServer, mode: str, tmp_path: Path) -> None:
    """It starts without the server, says that it is not there, and works as soon as it is."""
    database = new_database(server, mode)
    with open_shop(database, tmp_path):
        pass
    server.stop()
    try:
        with open_shop(database, tmp_path, fresh=False) as shop:
            with pytest.raises(Disconnected):
                shop.create("in vain")
            server.start()
            shop.works("next")
            assert orders_in(database) == {("acme", "next"): 1}
    finally:
        if server.process is None:
            server.start()
