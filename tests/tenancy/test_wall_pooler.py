"""Behind a real PgBouncer in transaction mode, with one connection to the server that two tenants share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Unit
from tests.engines.postgres.test_bulk import things
from tests.pooler import pooler
from tests.servers import MODES
from tests.tenancy.walled import ACME, OTHER, Owner, Thing, WalledShop, walled_shop

from prefiq.bridge import call
from prefiq.contracts import System, UniqueViolation
from prefiq.sql import ConnectionManager
from prefiq.sql.dialects.postgres_session import COPY_FROM
from prefiq.sql.errors import DeadlineExceeded, PoolerInTheWay, StatementTimeout


@pytest.fixture(scope="session")
def engine() -> str:
    return "postgres"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(mode: str) -> Iterator[WalledShop]:
    """Two connections of ours to the pooler, which has one to the server."""
    with walled_shop(mode) as made, pooler(made.database, [made.serving, made.across]) as pooled:
        made.manager.close()
        config = pooled.config(pool_size=2, pooler="transaction", statement_timeout=20.0)
        made.manager = ConnectionManager([config], made.tables)
        yield made
        made.manager.close()


def both(shop: WalledShop) -> tuple[Any, Any]:
    scopes = shop.scope(ACME), shop.scope(OTHER)
    return tuple((Unit(shop, scope), scope) for scope in scopes)  # type: ignore[return-value]


def test_two_tenants_share_one_connection(shop: WalledShop) -> None:
    """Statement by statement, transaction by transaction: each sees its own rows."""

    def use() -> None:
        (acme, one), (other, two) = both(shop)
        with one, two:
            acme.things.save(Thing(code="a"))
            other.things.save(Thing(code="b"))
            for _ in range(10):
                for unit, code in ((acme, "a"), (other, "b")):
                    assert [thing.code for thing in unit.things.list().items] == [code]
                    assert unit.executor.scalar(sa.select(unit.thing.c.code)) == code
                    assert unit.executor.query("SELECT code FROM shop_thing") == [(code,)]
            with acme.executor.tx():
                acme.things.save(Thing(code="a2"))
                with acme.executor.tx():
                    assert acme.things.count() == 2
            assert other.things.count() == 1
            with other.executor.tx(read_only=True):
                assert [thing.code for thing in other.things.list().items] == ["b"]
            assert [len(rows) for rows in acme.executor.stream(sa.select(acme.thing.c.code), batch=1)] == [
                1,
                1,
            ]
            with other.executor.tx():
                assert [len(rows) for rows in other.executor.stream(sa.select(other.thing.c.code))] == [1]
        with shop.scope(System("look")) as scope:
            assert shop.executor(scope).scalar(sa.select(sa.literal(1))) == 1

    shop.run(use)


def test_nothing_is_left_on_the_connection(shop: WalledShop) -> None:
    """Neither a tenant nor a prepared statement nor a limit: the next client of the pooler finds none."""

    def use() -> None:
        (acme, one), (other, two) = both(shop)
        with one, two:
            for number in range(12):  # psycopg would prepare from the fifth time on
                acme.things.save(Thing(code=f"a{number}"))
                other.things.save(Thing(code=f"b{number}"))
                assert acme.things.get_by("code", f"a{number}").code == f"a{number}"
                assert other.things.get_by("code", f"a{number}") is None

    shop.run(use)
    ask = "SELECT current_setting('prefiq.tenant', true), current_setting('statement_timeout'), (SELECT count(*) FROM pg_prepared_statements)"
    database = shop.manager.database()
    import psycopg

    with psycopg.connect(
        host=database.host, port=database.port, user=database.user, dbname=database.database, autocommit=True
    ) as stranger:
        assert stranger.execute(ask, prepare=False).fetchone() == ("", "0", 0)
        assert stranger.execute("SELECT count(*) FROM shop_thing", prepare=False).fetchone() == (0,)


def test_errors_leave_the_tenants_apart(shop: WalledShop) -> None:
    """A statement that fails is rolled back, and so is what it was told."""

    def use() -> None:
        (acme, one), (other, two) = both(shop)
        with one, two:
            acme.things.save(Thing(code="a"))
            with pytest.raises(UniqueViolation):
                acme.things.save(Thing(code="a"))
            assert other.things.count() == 0
            with pytest.raises(UniqueViolation), other.executor.tx():  # noqa: PT012
                other.things.save(Thing(code="b"))
                other.things.save(Thing(code="b"))
            assert acme.things.count() == 1
            assert other.things.count() == 0

    shop.run(use)


def test_many_rows_and_every_kind_of_value(shop: WalledShop) -> None:
    """Instants too, whatever time zone the server has."""
    shop.do(f"ALTER ROLE {shop.serving} SET timezone = 'Asia/Kathmandu'")
    made = things(COPY_FROM)

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many(made)
        for thing in made[:20]:
            assert unit.things.get_by_id(thing.id) == thing

    shop.in_scope(use, ACME)


def test_times_end_statements(shop: WalledShop) -> None:
    """The limit is said in each transaction; a deadline ends one earlier."""

    def use() -> None:
        with shop.scope(ACME) as scope:
            Unit(shop, scope).owners.save_many([Owner(name=str(number)) for number in range(300)])
        table = shop.tables[Owner]
        slow = sa.select(sa.func.count()).select_from(table)
        for _ in range(3):
            slow = slow.join(table.alias(), sa.true())
        with shop.scope(ACME, seconds=0.3) as scope, pytest.raises((StatementTimeout, DeadlineExceeded)):
            shop.executor(scope).scalar(slow)
        with shop.scope(ACME) as scope:
            assert Unit(shop, scope).things.count() == 0

    shop.run(use)


def test_many_at_once(shop: WalledShop, mode: str) -> None:
    """Threads or tasks of two tenants, all through one connection of the server."""

    def work(number: int) -> None:
        tenancy = (ACME, OTHER)[number % 2]
        for turn in range(5):
            with shop.scope(tenancy) as scope:
                unit = Unit(shop, scope)
                unit.owners.save(Owner(name=tenancy.tenant))
                names = {owner.name for batch in unit.owners.stream() for owner in batch}
                assert names == {tenancy.tenant}, (number, turn)

    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  told below
            failed.append(error)

    if mode == "sync":
        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:

        async def all_of_them() -> None:
            await asyncio.gather(*(call(guarded, number) for number in range(6)))
            shop.manager.close()

        asyncio.run(all_of_them())
    assert failed == []
    assert shop.do("SELECT tenant_id, count(*) FROM shop_owner GROUP BY 1 ORDER BY 1") == [
        ("acme", 15),
        ("acme-", 15),
    ]


@pytest.mark.parametrize("mode", ["sync"])
def test_without_the_setting_tenants_would_meet(shop: WalledShop) -> None:
    """What the setting is for: the server's connection keeps the stamp, and another client finds it."""
    database = shop.manager.database()
    import psycopg

    def connect() -> Any:
        return psycopg.connect(
            host=database.host,
            port=database.port,
            user=database.user,
            dbname=database.database,
            autocommit=True,
        )

    with connect() as first, connect() as second:
        first.execute("SELECT set_config('prefiq.tenant', 'acme', false)", prepare=False)
        asked = second.execute("SELECT current_setting('prefiq.tenant', true)", prepare=False)
        assert asked.fetchone() == ("acme",)


def test_migrations_say_that_they_need_the_server(shop: WalledShop) -> None:
    """Their locks and settings belong to a session."""
    with pytest.raises(PoolerInTheWay), shop.manager.schema_connection():
        pass
