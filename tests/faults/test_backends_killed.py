"""The server ends connections: in the pool, inside a statement, between the statements of a transaction."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.faults.kit import (
    Note,
    Order,
    Shop,
    backends,
    between_statements,
    creating,
    growing,
    kill_backend,
    open_shop,
    open_transactions,
    orders_in,
    query,
    soon,
    waiting_backends,
)
from tests.faults.load import Load, under_load
from tests.servers import SERVERS, Database

from prefiq.contracts import IDomain, IDomainService, Scope
from prefiq.sql import Disconnected, Executor

KILLS = 20
KILLS_FULL = 100

pytestmark = pytest.mark.parametrize("engine", SERVERS, scope="session", indirect=True)


def kill_all(database: Database) -> int:
    """End every connection of the application; how many there were."""
    found = backends(database)
    for number in found:
        kill_backend(database, number)
    return len(found)


class KillOnce:
    """Ends the transaction's connection the first time, between its statements."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calls = 0

    def __call__(self, order: Order) -> None:
        self.calls += 1
        if self.calls == 1:
            assert kill_all(self.database) >= 1


def test_killed_while_idle_in_the_pool(shop: Shop, database: Database) -> None:
    """Nobody notices: neither who writes next, nor who reads next."""
    order = shop.create("first")
    for n in range(3):
        assert kill_all(database) >= 1
        shop.create(f"n{n}")
        assert kill_all(database) >= 1
        assert shop.do(lambda scope: scope[IDomainService[Order]].get(order.id)) == order
    assert len(orders_in(database)) == 4
    assert shop.in_use() == 0


def test_killed_while_idle_before_a_write_outside_a_transaction(shop: Shop, database: Database) -> None:
    """Which could not be sent again: that the connection is dead is seen before."""
    for n in range(3):
        shop.do(lambda scope, n=n: scope[IDomain[Note]].save(Note(text=f"n{n}")))  # type: ignore[misc]
        assert kill_all(database) >= 1
    assert query(database, "SELECT COUNT(*) FROM shop_note") == [(3,)]


def test_killed_between_the_statements_of_a_use_case(shop: Shop, database: Database) -> None:
    """The use case is run again as a whole, and is done once."""
    kill = KillOnce(database)
    between_statements.append(kill)
    order = shop.create("wanted")
    assert kill.calls == 2
    assert order.version == 1
    assert orders_in(database) == {("acme", "wanted"): 1}
    assert_good(shop, database)


def test_killed_between_the_statements_of_a_transaction(shop: Shop, database: Database) -> None:
    """Who holds the transaction is told, and repeats it or not; nothing of it is kept."""
    between_statements.append(KillOnce(database))

    def work(scope: Scope) -> None:
        with scope[Executor].tx():
            creating("one")(scope)
            creating("two")(scope)

    with pytest.raises(Disconnected):
        shop.do(work)
    assert orders_in(database) == {}
    shop.do(work)
    assert orders_in(database) == {("acme", "one"): 1, ("acme", "two"): 1}
    assert_good(shop, database)


def test_killed_between_two_reads_of_a_scope(shop: Shop, database: Database) -> None:
    """At most one of them fails: the scope gets another connection."""
    shop.create("first")

    def work(scope: Scope) -> None:
        orders = scope[IDomainService[Order]]
        assert len(orders.list().items) == 1
        kill_all(database)
        try:
            assert len(orders.list().items) == 1
        except Disconnected:
            assert len(orders.list().items) == 1

    shop.do(work)
    assert_good(shop, database)


def test_killed_inside_a_statement_of_a_use_case(shop: Shop, database: Database) -> None:
    """It waits for a lock, loses its connection, and is run again when the lock is free."""
    order = shop.create("wanted")
    changed = inside(shop, database, lambda: shop.do(growing(order)), release=True)
    assert changed.version == 2
    assert orders_in(database) == {("acme", "wanted"): 2}
    assert_good(shop, database)


def test_killed_inside_a_statement_of_a_transaction(shop: Shop, database: Database) -> None:
    """Nothing of the transaction is kept."""
    order = shop.create("wanted")

    def work(scope: Scope) -> None:
        with scope[Executor].tx():
            creating("before")(scope)
            growing(order)(scope)

    with pytest.raises(Disconnected):
        inside(shop, database, lambda: shop.do(work), release=False)
    assert orders_in(database) == {("acme", "wanted"): 1}
    assert_good(shop, database)


def inside(shop: Shop, database: Database, work: Callable[[], Any], *, release: bool) -> Any:
    """Run work that waits for a lock, and kill its connection there."""
    with closing(database.connect()) as connection, ThreadPoolExecutor(1) as thread:
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute("UPDATE shop_order SET total = total + 1")
        try:
            future = thread.submit(work)
            killed = waiting_one(database, future)
            kill_backend(database, killed)
            if release:
                # Only now: whoever waits for the lock has it at once, and could be killed in its COMMIT.
                waiting_one(database, future, other_than=killed)
                cursor.execute("ROLLBACK")
            return future.result(30)
        finally:
            cursor.execute("ROLLBACK")


def waiting_one(database: Database, future: Future[Any], *, other_than: int | None = None) -> int:
    """The backend that waits for a lock, as soon as there is one."""
    while True:
        assert not future.done(), future.exception()
        for waiting in waiting_backends(database):
            if waiting != other_than:
                return waiting


def test_killed_at_any_moment(shop: Shop, database: Database) -> None:
    """Some kills under load."""
    kill_under_load(shop, database, KILLS)


@pytest.mark.full
def test_killed_at_any_moment_for_long(shop: Shop, database: Database) -> None:
    """Many kills under load."""
    kill_under_load(shop, database, KILLS_FULL)


def kill_under_load(shop: Shop, database: Database, times: int) -> None:
    """Every failure is one that says that the connection was lost; what was promised is there."""
    pause = threading.Event()

    def disturb(load: Load) -> None:
        for _ in range(times):
            if found := backends(database):
                kill_backend(database, random.choice(found))
            pause.wait(random.uniform(0, 0.02))  # no moment is spared
        load.let_all_write()

    load = under_load(shop, disturb)
    load.check(database)
    assert len(load.acknowledged) > times / 2
    assert_good(shop, database)


def assert_good(shop: Shop, database: Database) -> None:
    for n in range(3):
        shop.works(f"next-{n}")
    assert shop.in_use() == 0
    soon(lambda: open_transactions(database) == 0, "a transaction is open")


def test_error_says_nothing_of_the_server(database: Database, tmp_path: Path) -> None:
    """Over HTTP: 503, with the time to come back, and no word of hosts and drivers."""
    with open_shop(database, tmp_path) as shop:

        def kill(_: Order) -> None:
            kill_all(database)

        between_statements.append(kill)
        body = {"number": "in vain", "size": 1, "total": 5, "lines": [{"text": "a", "amount": 5}]}

        async def main() -> None:
            async with shop.client() as client:
                answer = await client.post("/orders", json=body)
                assert (answer.status_code, answer.json()["code"]) == (503, Disconnected.code)
                assert int(answer.headers["retry-after"]) >= 1
                assert not {"psycopg", "pymysql", "asyncmy", "127.0.0.1", "server closed"} & set(
                    answer.text.split()
                )
                between_statements.clear()
                answer = await client.post("/orders", json=body)
                assert answer.status_code == 201, answer.text

        shop.loop.run(main())
        assert orders_in(database) == {("acme", "in vain"): 1}
