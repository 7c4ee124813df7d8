"""Every connection is in use: who comes next waits, but not for ever, and is told what it was."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pymysql
import pytest
from tests.faults.kit import EVERYTHING, Order, Shop, backends, creating, open_shop, orders_in, soon
from tests.own_server import own_server
from tests.servers import SERVERS, Database

from prefiq.contracts import IDomainService
from prefiq.sql import ConnectionsExhausted

POOL = 2
WAIT = 0.4


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path, db_pool_size=POOL, db_pool_timeout=WAIT) as opened:
        opened.works("first")
        yield opened


def take_all(shop: Shop) -> ExitStack:
    """Scopes that hold every connection."""
    held = ExitStack()
    for _ in range(POOL):
        scope = held.enter_context(shop.app.scope("acme", EVERYTHING))
        scope[IDomainService[Order]].list()
    return held


def test_wait_is_bounded_and_says_what_it_was(shop: Shop) -> None:
    """Not before the time is over, and not long after it; then it works again."""

    def ask() -> float:
        with take_all(shop):
            began = time.monotonic()
            with pytest.raises(ConnectionsExhausted):
                shop.use(creating("one too many"))
            return time.monotonic() - began

    waited = shop.run(ask)
    assert WAIT * 0.9 <= waited < WAIT + 2
    assert shop.in_use() == 0
    shop.works("next")


def test_who_waits_gets_the_next_one(shop: Shop, database: Database) -> None:
    """Many more than there are connections, none of them refused."""
    results = shop.gather(*(lambda n=n: shop.use(creating(f"n{n}")) for n in range(POOL * 5)))
    assert [type(result) for result in results] == [Order] * POOL * 5
    assert shop.in_use() == 0
    assert len(orders_in(database)) == POOL * 5 + 1


def test_http_says_when_to_come_back(shop: Shop, database: Database) -> None:
    """503 with Retry-After for everyone who waited in vain; nothing was written for them."""
    body = {"number": "in vain", "size": 1, "total": 5, "lines": [{"text": "a", "amount": 5}]}

    async def main() -> None:
        async with shop.client() as client:
            held = await shop.later(take_all, shop)
            began = time.monotonic()
            answers = await asyncio.gather(*(client.post("/orders", json=body) for _ in range(6)))
            assert time.monotonic() - began < WAIT * 4, "they waited one after the other"
            for answer in answers:
                assert (answer.status_code, answer.json()["code"]) == (503, ConnectionsExhausted.code)
                assert int(answer.headers["retry-after"]) >= 1
            await shop.later(held.close)
            answer = await client.post("/orders", json={**body, "number": "now"})
            assert answer.status_code == 201, answer.text

    shop.loop.run(main())
    assert shop.in_use() == 0
    assert {number for _, number in orders_in(database)} == {"first", "now"}


@pytest.mark.slow
@pytest.mark.parametrize("engine", SERVERS)
def test_server_has_fewer_than_the_pool(engine: str, mode: str, tmp_path: Path) -> None:
    """Its own limit is told as the pool's is; once somebody leaves, it works again."""
    limit = {"postgres": ("-c", "max_connections=5"), "mariadb": ("--max-connections=10",)}[engine]
    with own_server(engine, *limit) as server, ExitStack() as others:
        here = replace(server.database, mode=mode)
        with open_shop(here, tmp_path, db_pool_size=5) as shop:
            shop.works("first")
            shop.run(shop.connections.close)
            with contextlib.suppress(psycopg.OperationalError, pymysql.err.OperationalError):
                while True:
                    others.enter_context(closing(here.connect()))
            with pytest.raises(ConnectionsExhausted):
                shop.create("in vain")
            others.close()
            soon(lambda: not backends(here), "the others stay")
            shop.works("next")
            assert {number for _, number in orders_in(here)} == {"first", "next"}
