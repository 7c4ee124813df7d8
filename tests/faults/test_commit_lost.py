"""The connection is lost in the commit: nobody knows whether it was kept, and nobody does it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.faults.kit import (
    Note,
    Order,
    Shop,
    between_statements,
    creating,
    grow,
    new_order,
    open_shop,
    open_transactions,
    orders_in,
    query,
    soon,
)
from tests.faults.proxy import Proxy, proxy_to
from tests.servers import SERVERS, Database

from prefiq.contracts import ConcurrencyError, IDomain, IDomainService, Scope
from prefiq.sql import CommitUnknown, Executor, Tables

pytestmark = pytest.mark.parametrize("engine", SERVERS, scope="session", indirect=True)


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with proxy_to(database.host, database.port) as started:
        yield started


@pytest.fixture
def shop(proxy: Proxy, database: Database, tmp_path: Path) -> Iterator[Shop]:
    """Its connections go through the proxy, which could not read what is encrypted."""
    behind = replace(database, port=proxy.port)
    with open_shop(behind, tmp_path, db_ssl_mode="disable") as opened:
        opened.works("first")
        yield opened


@pytest.fixture
def commit(engine: str) -> bytes:
    """The command on the wire; READ COMMITTED is another word."""
    return {"postgres": b"COMMIT\0", "mariadb": b"\x03COMMIT"}[engine]


@pytest.fixture
def calls() -> list[Order]:
    """The orders that the use case was run for, as often as it was."""
    seen: list[Order] = []
    between_statements.append(seen.append)
    return seen


def test_lost_before_the_answer(
    shop: Shop, proxy: Proxy, commit: bytes, database: Database, calls: list[Order]
) -> None:
    """The server has kept it, whole; it was written once."""
    proxy.cut_after(commit)
    with pytest.raises(CommitUnknown):
        shop.create("unknown")
    assert (proxy.cuts, len(calls)) == (1, 1)
    assert orders_in(database) == {("acme", "first"): 1, ("acme", "unknown"): 1}
    assert_good(shop, database)


def test_lost_on_the_way(
    shop: Shop, proxy: Proxy, commit: bytes, database: Database, calls: list[Order]
) -> None:
    """The server has kept nothing; the application cannot know it, so it is the same for the caller."""
    proxy.cut_before(commit)
    with pytest.raises(CommitUnknown):
        shop.create("unknown")
    assert (proxy.cuts, len(calls)) == (1, 1)
    assert orders_in(database) == {("acme", "first"): 1}
    assert_good(shop, database)


def test_update_lost_before_the_answer_is_seen_by_its_version(
    shop: Shop, proxy: Proxy, commit: bytes, database: Database
) -> None:
    """Who repeats it by hand with what they hold is refused: it does not happen twice."""
    order = shop.create("wanted")
    proxy.cut_after(commit)
    with pytest.raises(CommitUnknown):
        shop.do(lambda scope: scope[IDomainService[Order]].update(grow(order)))
    with pytest.raises(ConcurrencyError):
        shop.do(lambda scope: scope[IDomainService[Order]].update(order))
    assert shop.do(lambda scope: scope[IDomainService[Order]].get(order.id)).version == 2
    assert orders_in(database) == {("acme", "first"): 1, ("acme", "wanted"): 2}
    assert_good(shop, database)


def test_nested_use_cases_are_one_commit(shop: Shop, proxy: Proxy, commit: bytes, database: Database) -> None:
    """Of several in one transaction all are kept, or none."""

    def work(scope: Scope) -> None:
        with scope[Executor].tx():
            for n in range(3):
                creating(f"n{n}")(scope)

    proxy.cut_before(commit)
    with pytest.raises(CommitUnknown):
        shop.do(work)
    assert len(orders_in(database)) == 1
    proxy.cut_after(commit)
    with pytest.raises(CommitUnknown):
        shop.do(work)
    assert len(orders_in(database)) == 4
    assert_good(shop, database)


@pytest.mark.parametrize("kept", [False, True])
def test_write_outside_a_transaction(shop: Shop, proxy: Proxy, database: Database, kept: bool) -> None:
    """Such a statement is its own commit: it is not repeated either, nor said to be undone."""
    (proxy.cut_after if kept else proxy.cut_before)(b"INSERT INTO shop_note")
    with pytest.raises(CommitUnknown):
        shop.do(lambda scope: scope[IDomain[Note]].save(Note(text="unknown")))
    assert query(database, "SELECT COUNT(*) FROM shop_note") == [(int(kept),)]
    assert_good(shop, database)


def test_statement_of_core_outside_a_transaction(shop: Shop, proxy: Proxy, database: Database) -> None:
    """The same for those that are written by hand; one that reads is asked again."""
    shop.do(lambda scope: scope[IDomain[Note]].save(Note(text="there")))
    notes = shop.app.container.resolve(None, Tables)[Note]
    proxy.cut_after(b"DELETE FROM shop_note")
    with pytest.raises(CommitUnknown):
        shop.do(lambda scope: scope[Executor].exec(sa.delete(notes)))
    assert query(database, "SELECT COUNT(*) FROM shop_note") == [(0,)]
    proxy.cut_after(b"FROM shop_note")
    assert shop.do(lambda scope: scope[Executor].query(sa.select(notes.c.text))) == []
    assert proxy.cuts == 2
    assert_good(shop, database)


def test_nothing_is_called_after_an_unknown_commit(shop: Shop, proxy: Proxy, commit: bytes) -> None:
    """What shall happen after the commit does not; what shall be undone after a rollback is."""
    said: list[str] = []

    def work(scope: Scope) -> None:
        with scope[Executor].tx():
            scope[Executor].after_commit(lambda: said.append("kept"))
            scope[Executor].on_rollback(lambda: said.append("undone"))
            scope[IDomainService[Order]].create(new_order("unknown"))

    proxy.cut_after(commit)
    with pytest.raises(CommitUnknown):
        shop.do(work)
    assert said == ["undone"]


def test_http_says_that_it_is_not_known(
    shop: Shop, proxy: Proxy, commit: bytes, database: Database, calls: list[Order]
) -> None:
    """503 with a code of its own, so that a client looks before it repeats."""
    body = {"number": "unknown", "size": 1, "total": 5, "lines": [{"text": "a", "amount": 5}]}

    async def main() -> None:
        async with shop.client() as client:
            proxy.cut_after(commit)
            answer = await client.post("/orders", json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, CommitUnknown.code)
            answer = await client.get("/orders", params={"number": "unknown"})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["items"]) == 1

    shop.loop.run(main())
    assert len(calls) == 1
    assert orders_in(database) == {("acme", "first"): 1, ("acme", "unknown"): 1}


def assert_good(shop: Shop, database: Database) -> None:
    shop.works("next")
    assert shop.in_use() == 0
    soon(lambda: open_transactions(database) == 0, "a transaction is open")
