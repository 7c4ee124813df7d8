"""The network between the application and its server is slow, silent, or ends in the middle of an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.kit import Order, Shop, open_shop, open_transactions, orders_in, soon
from tests.faults.proxy import Proxy, proxy_to
from tests.servers import SERVERS, Database

from prefiq.contracts import IDomainService
from prefiq.sql import Disconnected, StatementTimeout

STATEMENT = 1
CONNECT = 2
PATIENCE = 15
"""Seconds after which a request is held for lost."""

pytestmark = pytest.mark.parametrize("engine", SERVERS, scope="session", indirect=True)


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with proxy_to(database.host, database.port) as started:
        yield started


@pytest.fixture(autouse=True)
def _little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time for the server to say by itself that a statement took too long."""
    for module in ("postgres_connect", "mariadb_session", "mariadb_async"):
        monkeypatch.setattr(f"prefiq.sql.dialects.{module}.GRACE", 0.5)


@pytest.fixture
def shop(proxy: Proxy, database: Database, tmp_path: Path) -> Iterator[Shop]:
    behind = replace(database, port=proxy.port)
    times: dict[str, Any] = {"db_statement_timeout": STATEMENT, "db_connect_timeout": CONNECT}
    with open_shop(behind, tmp_path, db_ssl_mode="disable", **times) as opened:
        opened.works("first")
        yield opened


@contextmanager
def black_hole(proxy: Proxy) -> Iterator[None]:
    """Nothing arrives any more; the connections stay."""
    lift = threading.Timer(PATIENCE, proxy.cut_all)  # so that a request that is lost does not stop the test
    lift.start()
    began = time.monotonic()
    proxy.black_hole = True
    try:
        yield
        assert time.monotonic() - began < PATIENCE - 1, "it would have waited for ever"
    finally:
        proxy.black_hole = False
        lift.cancel()
        lift.join()


def test_slow_network(shop: Shop, proxy: Proxy, database: Database) -> None:
    """It only takes longer."""
    proxy.latency = 0.01
    shop.works("slow")
    proxy.latency = 0
    assert_good(shop, database, "first", "slow")


def test_answer_ends_in_the_middle(shop: Shop, proxy: Proxy, database: Database) -> None:
    """Wherever it does, the error is the one that says that the connection is lost."""
    for length in (0, 1, 4, 5, 7, 20, 60):
        proxy.cut_inside_answer(length)
        try:
            found = shop.do(lambda scope: scope[IDomainService[Order]].list())
        except Disconnected:
            continue
        assert len(found.items) == 1, f"cut after {length} bytes"  # a longer answer than the whole is no cut
    assert_good(shop, database, "first")


def test_server_is_silent_while_a_statement_runs(shop: Shop, proxy: Proxy, database: Database) -> None:
    """The server cannot end the statement: the application stops waiting by itself, a little later."""
    with black_hole(proxy), pytest.raises((Disconnected, StatementTimeout)):
        shop.do(lambda scope: scope[IDomainService[Order]].list())
    proxy.cut_all()
    assert_good(shop, database, "first")


def test_server_is_silent_when_connecting(shop: Shop, proxy: Proxy, database: Database) -> None:
    """DB_CONNECT_TIMEOUT is for all of it, not for the first packet alone."""
    proxy.cut_all()
    with black_hole(proxy), pytest.raises(Disconnected):
        shop.do(lambda scope: scope[IDomainService[Order]].list())
    assert_good(shop, database, "first")


def test_everything_is_cut_at_once(shop: Shop, proxy: Proxy, database: Database) -> None:
    """As when a firewall forgets its connections."""
    shop.gather(*(lambda: shop.use(lambda s: s[IDomainService[Order]].list()) for _ in range(5)))
    proxy.cut_all()
    assert_good(shop, database, "first")


def assert_good(shop: Shop, database: Database, *stored: str) -> None:
    for n in range(3):
        shop.works(f"next-{n}")
    assert shop.in_use() == 0
    soon(lambda: open_transactions(database) == 0, "a transaction is open")
    assert orders_in(database) == {("acme", number): 1 for number in (*stored, "next-0", "next-1", "next-2")}
