"""Scopes that go on after what they did was interrupted: nothing that they write then is lost or refused."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.engines.cancellation import Steps, When
from tests.faults.kit import Note, Shop, open_shop, query
from tests.servers import SERVERS, Database

from prefiq.bridge import call
from prefiq.contracts import IDomain, Scope
from prefiq.foundation import can
from prefiq.sql import Executor, Tables

pytestmark = pytest.mark.parametrize("engine", SERVERS, scope="session")


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path, db_pool_size=1) as opened:
        yield opened


def in_transaction(scope: Scope) -> None:
    with scope[Executor].tx():
        scope[IDomain[Note]].save(Note(text="interrupted"))


def in_savepoint(scope: Scope) -> None:
    with scope[Executor].tx():
        scope[IDomain[Note]].count()
        in_transaction(scope)


def plain(scope: Scope) -> None:
    scope[IDomain[Note]].save(Note(text="interrupted"))


def reading(scope: Scope) -> None:
    scope[Executor].query(sa.select(scope[Tables][Note]))


def save(scope: Scope, text: str) -> None:
    """One statement, whose answer says that it is kept."""
    scope[IDomain[Note]].save(Note(text=text))


def write(scope: Scope, text: str) -> None:
    """The same by a statement of SQLAlchemy's."""
    values = {"id": Note(text=text).id, "version": 1, "text": text}
    assert scope[Executor].exec(sa.insert(scope[Tables][Note]), values) == 1


def save_in_transaction(scope: Scope, text: str) -> None:
    with scope[Executor].tx():
        save(scope, text)


def is_kept(database: Database, text: str) -> bool:
    return query(database, "SELECT COUNT(*) FROM shop_note WHERE text = %s", (text,)) == [(1,)]


@pytest.mark.parametrize("mode", ["async"], scope="session")
@pytest.mark.parametrize("when", ["waiting", "answered"])
@pytest.mark.parametrize("interrupted", [in_transaction, in_savepoint, plain, reading])
def test_what_is_written_after_a_cancellation_is_kept(
    shop: Shop, database: Database, interrupted: Callable[[Scope], None], when: When
) -> None:
    """BEGIN may have been answered although its task was cancelled: the next write must not be a part of it."""

    async def attempt(at: int, after: Callable[[Scope, str], None]) -> bool:
        text = f"{at} {after.__name__}"
        async with shop.app.scope("acme", can("*")) as scope:
            await call(reading, scope)  # has its connection
            steps = Steps(call(interrupted, scope), at, when)

            async def cancelled() -> None:
                await steps

            await asyncio.wait([asyncio.create_task(cancelled())])
            await call(after, scope, text)
        assert is_kept(database, text), f"cancelled at await {at}"
        with closing(database.connect()) as connection:
            connection.cursor().execute("DELETE FROM shop_note")
            connection.commit()
        return steps.reached

    async def every_await() -> None:
        for after in (save, write, save_in_transaction):
            at = 1
            while await attempt(at, after):
                at += 1

    shop.loop.run(every_await())


@pytest.mark.parametrize("mode", ["sync"], scope="session")
@pytest.mark.parametrize("after", [save, write, save_in_transaction])
@pytest.mark.parametrize("transaction", [False, True])
def test_what_is_written_after_ctrl_c_is_kept(
    shop: Shop, database: Database, after: Callable[[Scope, str], None], *, transaction: bool
) -> None:
    """As in the shell, where a scope outlives what was broken off in it."""

    def change(scope: Scope) -> None:
        scope[Executor].exec(sa.update(scope[Tables][Note]).values(version=2))

    def change_in_transaction(scope: Scope) -> None:
        with scope[Executor].tx():
            change(scope)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    shop.do(lambda scope: save(scope, "locked"))
    with closing(database.connect()) as other, shop.app.scope("acme", can("*")) as scope:
        other.cursor().execute("BEGIN")
        other.cursor().execute("UPDATE shop_note SET version = 3")
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(KeyboardInterrupt):
                (change_in_transaction if transaction else change)(scope)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        other.cursor().execute("ROLLBACK")
        after(scope, "after")
    assert is_kept(database, "after")
