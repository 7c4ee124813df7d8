"""A connection carries the tenant that it serves, and nothing left over from the last one is trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Unit
from tests.servers import MODES
from tests.tenancy.walled import ACME, OTHER, Currency, Owner, Thing, WalledShop, walled_shop

from prefiq.contracts import System, Tenancy
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.sql import DatabaseError, Disconnected
from prefiq.sql.dialects import postgres_session


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(mode: str) -> Iterator[WalledShop]:
    """With one connection, so that every unit of work gets the one that was used last."""
    with walled_shop(mode, pool_size=1) as made:
        yield made


def seen(unit: Unit) -> list[str]:
    """What the server shows the connection of a unit of work, past every predicate of ours."""
    from prefiq.bridge import await_

    unit.executor.query(sa.select(sa.literal(1)))
    cursor = unit.driver.cursor()
    ran: Any = cursor.execute("SELECT code FROM shop_thing ORDER BY code")
    if hasattr(ran, "__await__"):
        await_(ran)
        return [code for (code,) in await_(cursor.fetchall())]
    return [code for (code,) in cursor.fetchall()]


def both_write(shop: WalledShop) -> None:
    for tenancy in (ACME, OTHER):
        with shop.scope(tenancy) as scope:
            Unit(shop, scope).things.save(Thing(code=f"of {tenancy.tenant}"))


def as_(shop: WalledShop, tenancy: Tenancy, use: Callable[[Unit], Any] = seen) -> Any:
    with shop.scope(tenancy) as scope:
        return use(Unit(shop, scope))


def test_units_of_work_see_their_own_tenant_on_one_connection(shop: WalledShop) -> None:
    """One after the other, a thousand times over what a pool could mix up: there is but one connection."""

    def use() -> None:
        both_write(shop)
        for _ in range(3):
            assert as_(shop, ACME) == ["of acme"]
            assert as_(shop, OTHER) == ["of acme-"]
            assert as_(shop, OTHER) == ["of acme-"]
        backends = {
            as_(shop, tenancy, lambda unit: (seen(unit), unit.backend)[1]) for tenancy in (ACME, OTHER)
        }
        assert len(backends) == 1

    shop.run(use)


def test_the_system_is_shown_no_tenants_rows(shop: WalledShop) -> None:
    """Whoever used the connection before; shared tables are not behind the wall."""

    def use() -> None:
        both_write(shop)

        def shared(unit: Unit) -> int:
            currencies = RepositoryQuery.of(Currency)(unit.executor, shop.tables)
            currencies.save(Currency(code="EUR"))
            return currencies.count()

        assert as_(shop, System("rates"), shared) == 1
        assert as_(shop, System("rates")) == []
        assert as_(shop, ACME) == ["of acme"]
        assert as_(shop, System("rates")) == []

    shop.run(use)


def test_nobody_is_shown_anything_before_it_is_stamped(shop: WalledShop) -> None:
    """A connection that nobody bound fails in place of showing rows; so a guard that is forgotten is found."""

    def use() -> None:
        both_write(shop)
        shop.manager.close()
        with pytest.raises(Exception, match="unrecognized configuration parameter"):
            as_(shop, System("look"))

    shop.run(use)


def test_the_same_tenant_is_not_stamped_twice(shop: WalledShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No round trip where the stamp is the wanted one."""

    def use() -> None:
        both_write(shop)
        assert as_(shop, ACME) == ["of acme"]
        monkeypatch.setattr(postgres_session, "_BIND", "SELECT no_such_function(%s)")
        assert as_(shop, ACME) == ["of acme"]
        with pytest.raises(DatabaseError):
            as_(shop, OTHER)
        with pytest.raises(DatabaseError):  # nobody relies on how that ended
            as_(shop, ACME)
        monkeypatch.undo()
        assert as_(shop, OTHER) == ["of acme-"]

    shop.run(use)


class Interrupted:
    """A cursor whose user is cancelled while the server works; it does what it was told."""

    rowcount = 0

    def __init__(self, cursor: Any, *, late: bool) -> None:
        self.cursor, self.late = cursor, late

    def execute(self, *arguments: Any) -> Any:
        ran = self.cursor.execute(*arguments) if self.late else None
        if hasattr(self.cursor, "__aenter__"):
            return self.interrupt(ran)
        raise asyncio.CancelledError

    async def interrupt(self, ran: Any) -> None:
        if ran is not None:
            await ran
        raise asyncio.CancelledError


@pytest.mark.parametrize("late", [False, True])
def test_a_stamp_that_was_interrupted_is_not_trusted(shop: WalledShop, *, late: bool) -> None:
    """Neither the old one nor the new: the unit of work gets no connection, and the next one stamps anew."""

    def use() -> None:
        both_write(shop)
        session: Any = as_(shop, ACME, lambda unit: (seen(unit), unit.executor._session)[1])
        with shop.scope(OTHER) as scope:
            unit = Unit(shop, scope)
            cursor = session._cursor
            session._cursor = Interrupted(cursor, late=late)
            with pytest.raises(asyncio.CancelledError):
                seen(unit)
            session._cursor = cursor
            assert seen(unit) == ["of acme-"]
            assert unit.executor._session is session
        assert as_(shop, ACME) == ["of acme"]

    shop.run(use)


def test_another_connection_is_stamped_too(shop: WalledShop) -> None:
    """A unit of work whose connection dies while it is idle goes on with another one, as the same tenant."""

    def use() -> None:
        both_write(shop)
        assert as_(shop, OTHER) == ["of acme-"]
        with shop.scope(ACME) as scope:
            unit = Unit(shop, scope)
            assert unit.things.count() == 1
            backend = unit.backend
            shop.do("SELECT pg_terminate_backend(%s, 5000)", backend)
            assert [thing.code for thing in unit.things.list().items] == ["of acme"]
            assert unit.backend != backend
            assert seen(unit) == ["of acme"]
            with pytest.raises(Disconnected), unit.executor.tx():  # noqa: PT012
                unit.things.save(Thing(code="lost"))
                shop.do("SELECT pg_terminate_backend(%s, 5000)", unit.backend)
                unit.things.count()
            assert seen(unit) == ["of acme"]
        assert as_(shop, OTHER) == ["of acme-"]

    shop.run(use)


def test_the_wall_holds_what_the_predicate_would_not(shop: WalledShop) -> None:
    """Every write of a foreign row is refused by the server itself, inserts of many rows included."""

    def use() -> None:
        both_write(shop)

        def write(unit: Unit) -> None:
            unit.owners.save_many([Owner(name=str(number)) for number in range(1000)])
            assert unit.owners.count() == 1000

        as_(shop, ACME, write)
        assert as_(shop, OTHER, lambda unit: unit.owners.count()) == 0

    shop.run(use)
    assert shop.do("SELECT DISTINCT tenant_id FROM shop_owner") == [("acme",)]
