"""Connections to the databases of tenants: few for each, one budget for all, the least recently used make room."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import StaticPool

from prefiq.sql.tenant_pools import IDLE, MOST_UNUSED, PER_TENANT, TenantPools


class Counter:
    """Opens connections, and knows how many are open."""

    def __init__(self) -> None:
        self.open = self.most = self.opened = 0
        self.lock = threading.Lock()
        counter = self

        class Connection(sqlite3.Connection):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                with counter.lock:
                    counter.open += 1
                    counter.opened += 1
                    counter.most = max(counter.most, counter.open)

            def close(self) -> None:
                super().close()
                with counter.lock:
                    counter.open -= 1

        self._kind = Connection

    def opener(self) -> Callable[[], Any]:
        return lambda: sqlite3.connect(
            ":memory:", factory=self._kind, isolation_level=None, check_same_thread=False
        )


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def model() -> Iterator[sa.Engine]:
    engine = sa.create_engine(
        "sqlite://", poolclass=StaticPool, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True
    )
    yield engine
    engine.dispose()


Take = Callable[[TenantPools, str], sa.Connection]


@pytest.fixture
def take(counter: Counter) -> Take:
    """A connection to a tenant's database."""

    def take(pools: TenantPools, tenant: str) -> sa.Connection:
        with pools.engine(tenant, counter.opener) as engine:
            return engine.connect()

    return take


def test_a_connection_is_used_again(model: sa.Engine, counter: Counter, take: Take) -> None:
    """The second unit of work of a tenant opens none."""
    pools = TenantPools(model, 5, 1.0)
    for _ in range(3):
        take(pools, "acme").close()
    assert (counter.opened, pools.open, pools.in_use) == (1, 1, 0)
    pools.close()
    assert counter.open == 0


def test_the_least_recently_used_makes_room(model: sa.Engine, counter: Counter, take: Take) -> None:
    """With a budget of two, the third tenant takes the place of the one that was idle for the longest time."""
    pools = TenantPools(model, 2, 1.0)
    for tenant in ("acme", "globex", "acme", "initech"):
        take(pools, tenant).close()
    assert (counter.opened, counter.open) == (3, 2)
    take(pools, "acme").close()
    assert counter.opened == 3, "the one of globex was closed"
    take(pools, "globex").close()
    assert (counter.opened, counter.most) == (4, 2)
    pools.close()


def test_what_is_in_use_is_never_closed(model: sa.Engine, counter: Counter, take: Take) -> None:
    """A full budget lets the next one wait, and then says so; nobody loses a connection."""
    pools = TenantPools(model, 2, 0.05)
    held = [take(pools, "acme"), take(pools, "globex")]
    with pytest.raises(sa.exc.TimeoutError, match="budget"):
        take(pools, "initech")
    assert [connection.scalar(sa.select(sa.literal(1))) for connection in held] == [1, 1]
    held.pop().close()
    take(pools, "initech").close()
    assert counter.most == 2
    held.pop().close()
    pools.close()


def test_one_tenant_does_not_take_all(model: sa.Engine, counter: Counter, take: Take) -> None:
    """However many requests of one tenant there are, the others find a connection."""
    pools = TenantPools(model, 5, 0.05)
    with ExitStack() as stack:
        for _ in range(PER_TENANT):
            stack.enter_context(take(pools, "acme"))
        with pytest.raises(sa.exc.TimeoutError):
            take(pools, "acme")
        stack.enter_context(take(pools, "globex"))
    pools.close()


def test_idle_connections_are_closed(model: sa.Engine, counter: Counter, take: Take) -> None:
    """What nobody used for a minute is closed when anybody comes."""
    now = [0.0]
    pools = TenantPools(model, 5, 1.0, clock=lambda: now[0])
    take(pools, "acme").close()
    now[0] = IDLE - 1
    pools.sweep()
    assert counter.open == 1
    now[0] = IDLE + 1
    pools.sweep()
    assert counter.open == 0


def test_a_connection_that_was_thrown_away_is_not_kept(
    model: sa.Engine, counter: Counter, take: Take
) -> None:
    """A dead one takes no place."""
    pools = TenantPools(model, 1, 0.05)
    connection = take(pools, "acme")
    connection.invalidate()
    connection.close()
    assert (pools.open, pools.in_use) == (0, 0)
    take(pools, "globex").close()
    pools.close()


def test_a_database_that_cannot_be_opened_costs_no_place(model: sa.Engine, take: Take) -> None:
    """Its turn goes to the next one."""

    def broken() -> Any:
        raise sqlite3.OperationalError("no")

    pools = TenantPools(model, 1, 0.05)
    for _ in range(3):
        with pools.engine("acme", lambda: broken) as engine, pytest.raises(sa.exc.OperationalError):
            engine.connect()
    assert (pools.open, pools.in_use) == (0, 0)
    take(pools, "globex").close()
    pools.close()


def test_pools_without_connections_are_forgotten(model: sa.Engine, take: Take) -> None:
    """Memory does not grow with the number of tenants."""
    pools = TenantPools(model, 3, 0.05)
    for number in range(3 * MOST_UNUSED):
        take(pools, f"tenant{number}").close()
    assert len(pools.pools()) <= MOST_UNUSED + 4
    pools.close()


def test_one_dialect_and_one_cache_serve_all(model: sa.Engine, counter: Counter) -> None:
    """A statement is compiled once for all tenants."""
    pools = TenantPools(model, 3, 0.05)
    engines: list[Any] = []
    for tenant in ("acme", "globex"):
        with pools.engine(tenant, counter.opener) as engine:
            engines.append(engine)
    assert engines[0] is not engines[1]
    assert engines[0].dialect is engines[1].dialect is model.dialect
    assert engines[0]._compiled_cache is engines[1]._compiled_cache
    pools.close()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), st.booleans()), max_size=40),
)
def test_the_budget_holds_whatever_happens(most: int, steps: list[tuple[str, bool, bool]]) -> None:
    """Taken, given back, thrown away in any order: never more are open, and at the end none is in use."""
    counter = Counter()
    engine = sa.create_engine(
        "sqlite://", poolclass=StaticPool, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True
    )
    pools = TenantPools(engine, most, 0.0)
    held: list[sa.Connection] = []
    for tenant, give_back, dies in steps:
        if give_back and held:
            connection = held.pop(0)
            if dies:
                connection.invalidate()
            connection.close()
            continue
        try:
            with pools.engine(tenant, counter.opener) as own:
                held.append(own.connect())
        except sa.exc.TimeoutError:
            assert len(held) == most or sum(1 for _ in held) >= PER_TENANT
        assert counter.most <= most
        assert counter.open <= pools.open
    for connection in held:
        connection.close()
    assert pools.in_use == 0
    pools.close()
    assert counter.open == 0
    engine.dispose()


def test_threads_share_the_budget(model: sa.Engine, counter: Counter, take: Take) -> None:
    """Eight threads over fifty tenants never hold more, and each gets its turn."""
    pools = TenantPools(model, 4, 30.0)
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(150):
                with take(pools, f"tenant{(first * 7 + number * 3) % 50}") as connection:
                    connection.scalar(sa.select(sa.literal(1)))
        except BaseException as error:  # noqa: BLE001  told to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert counter.most <= 4
    assert (pools.in_use, counter.open) == (0, pools.open)
    pools.close()
    assert counter.open == 0
