"""Use cases that meet in the wrong order on a real server: one of them is run again, and both are kept."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests import servers
from tests.servers import MODES, SERVERS, Database

from prefiq import (
    Entity,
    EntityChanged,
    IDomain,
    IDomainService,
    ITransactions,
    ProviderBase,
    action,
    can,
    field,
    on,
    subscribe,
)
from prefiq.bridge import await_, call, in_bridge
from prefiq.foundation import attempts
from prefiq.sql.errors import Deadlock, SerializationFailure
from prefiq.testing import make_application

WAIT = 20


class Account(Entity):
    """Whoever touches one touches its partner after it."""

    name: str = field(max_length=20)
    partner_id: UUID | None = field(default=None)
    touched: int = field(default=0)

    @action
    def touch(self) -> None:
        self.touched += 1


class Meeting:
    """Two that wait for each other once, in threads or tasks."""

    def __init__(self) -> None:
        self.barrier: Any = asyncio.Barrier(2) if in_bridge() else threading.Barrier(2)
        self.came: set[str] = set()
        self.runs: list[str] = []

    def wait(self, name: str) -> None:
        if name in self.came:
            return
        self.came.add(name)
        if in_bridge():
            await_(asyncio.wait_for(self.barrier.wait(), WAIT))
        else:
            self.barrier.wait(WAIT)


meetings: list[Meeting] = []
told: list[str] = []


@on.before(Account.touch)
def count(account: Account) -> None:
    """Each try comes by here, also one that finds its own row changed and gets no further."""
    meetings[-1].runs.append(account.name)


@on.after(Account.touch)
def touch_partner(account: Account, accounts: IDomain[Account]) -> None:
    meetings[-1].wait(account.name)
    assert account.partner_id is not None
    partner = accounts.get_by_id(account.partner_id)
    partner.touched += 1
    accounts.update(partner)


@subscribe(EntityChanged, model=Account, action="touch", after_commit=True)
def tell(event: EntityChanged) -> None:
    told.append(event.entity.name)


class BankProvider(ProviderBase):
    models = (Account,)
    hooks = (count, touch_partner)
    subscribers = (tell,)


@pytest.fixture(params=[f"{engine}-{mode}" for engine in SERVERS for mode in MODES])
def place(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database(place: str) -> Iterator[Database]:
    engine, mode = place.split("-")
    with servers.database(engine, mode) as made:
        yield made


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Iterator[Any]:
    app = make_application(tmp_path, modules=[BankProvider], **database.variables())
    yield app
    app.close()


@pytest.fixture
def pair(app: Any) -> tuple[UUID, UUID]:
    """Two accounts that are each other's partners."""
    meetings.append(Meeting())
    told.clear()
    with app.scope("acme", can("*")) as scope:
        accounts = scope[IDomainService[Account]]
        first = accounts.create(Account(name="first"))
        second = accounts.create(Account(name="second", partner_id=first.id))
        first.partner_id = second.id
        accounts.update(first)
    return first.id, second.id


def both(work: Callable[[UUID], Any], pair: tuple[UUID, UUID]) -> list[Any]:
    """What becomes of both, at the same time: results or errors."""
    if in_bridge():

        async def gathered() -> list[Any]:
            return await asyncio.gather(*(call(work, id) for id in pair), return_exceptions=True)

        return await_(gathered())
    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(work, id) for id in pair]
        return [one.exception() or one.result() for one in done]


def test_one_of_two_that_wait_for_each_other_is_run_again(
    app: Any, pair: tuple[UUID, UUID], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, nothing is there twice, and nobody is told of the deadlock.

    The second try may read before the winner's commit; then there is a third one.
    """

    def touch(id: UUID) -> int:
        with app.scope("acme", can("*")) as scope:
            return int(scope[IDomainService[Account]].run(Account.touch, id).version)

    with caplog.at_level(logging.INFO, attempts.__name__):
        results = both(touch, pair)
    assert not [result for result in results if isinstance(result, BaseException)], results
    again = [record.getMessage() for record in caplog.records if record.name == attempts.__name__]
    assert "is run again after Deadlock: try 2" in again[0]
    assert all("is run again after ConcurrencyError: try" in message for message in again[1:])
    assert len(meetings[-1].runs) == 2 + len(again)
    assert sorted(told) == ["first", "second"]
    with app.scope("acme", can("*")) as scope:
        accounts = scope[IDomainService[Account]]
        assert [accounts.get(id).touched for id in pair] == [2, 2]
        assert [[e.action for e in accounts.history(id)].count("touch") for id in pair] == [1, 1]


def test_a_transaction_of_ones_own_is_not(app: Any, pair: tuple[UUID, UUID]) -> None:
    """The error names what happened, and the connection serves again."""

    def touch(id: UUID) -> None:
        with app.scope("acme", can("*")) as scope, scope[ITransactions].tx():
            scope[IDomainService[Account]].run(Account.touch, id)

    results = both(touch, pair)
    assert [type(result) for result in results if result is not None] == [Deadlock]
    with app.scope("acme", can("*")) as scope:
        accounts = scope[IDomainService[Account]]
        assert [accounts.get(id).touched for id in pair] == [1, 1]


def test_a_serialization_failure_is_named(app: Any, place: str, pair: tuple[UUID, UUID]) -> None:
    """Where PostgreSQL is asked to see that transactions could have run one after the other."""
    if not place.startswith("postgres"):
        pytest.skip("MariaDB locks what is read in a serializable transaction, and finds a deadlock")
    meeting = Meeting()

    def read_both_and_write(id: UUID) -> None:
        with app.scope("acme", can("*")) as scope, scope[ITransactions].tx(isolation="serializable"):
            accounts = scope[IDomain[Account]]
            entities = accounts.get_many(pair)
            meeting.wait(str(id))
            entities[id].touched = sum(entity.touched for entity in entities.values()) + 1
            accounts.update(entities[id])

    results = both(read_both_and_write, pair)
    assert [type(result) for result in results if result is not None] == [SerializationFailure]


class Cut(Meeting):
    """The server ends every connection, once."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database

    def wait(self, name: str) -> None:
        if len(self.runs) == 1:
            servers._cut_off(self.database.engine, self.database.name)


def test_a_connection_that_breaks_before_the_commit_is_no_end(
    app: Any, database: Database, pair: tuple[UUID, UUID], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was kept of the first try; the second one is on another connection."""
    meetings.append(Cut(database))
    with app.scope("acme", can("*")) as scope, caplog.at_level(logging.INFO, attempts.__name__):
        accounts = scope[IDomainService[Account]]
        assert accounts.run(Account.touch, pair[0]).touched == 1
        assert "bank.Account.run is run again after Disconnected: try 2" in caplog.text
        assert [accounts.get(id).touched for id in pair] == [1, 1]
    assert meetings[-1].runs == ["first", "first"]
    assert told == ["first"]
