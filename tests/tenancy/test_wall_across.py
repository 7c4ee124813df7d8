"""``Across``: another executor reads the rows of all tenants that share tables, says so, and writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests import servers
from tests.engines.postgres.shop import Shop, Unit
from tests.servers import ENGINES, MODES
from tests.tenancy.walled import ACME, OTHER, Owner, Thing, WalledShop, walled_shop

from prefiq.contracts import Across, Actor, Forbidden, System, TenantNotBound
from prefiq.sql import ConnectionManager
from prefiq.sql.errors import AcrossBlocked, AcrossOnlyReads, RawSqlRefused, StatementRefused
from prefiq.testing import make_application

REPORT = Across("monthly report")
PLACES = [(engine, mode) for engine in ENGINES for mode in MODES]


@pytest.fixture(params=PLACES, ids="-".join)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """On every engine; on PostgreSQL behind its wall, with a user that reads across it."""
    engine, mode = request.param
    if engine == "postgres":
        with walled_shop(mode) as walled:
            reading_as(walled, walled.across)
            yield walled
        return
    with servers.database(engine, mode) as at:
        yield Shop(at).create()


def reading_as(shop: WalledShop, role: str) -> None:
    serving = shop.database.config()
    reading = shop.connect_as(role).database()
    shop.manager.close()
    shop.manager = ConnectionManager([serving], shop.tables, reading=reading)


def both_write(shop: Shop) -> None:
    for number, tenancy in enumerate((ACME, OTHER)):
        with shop.scope(tenancy) as scope:
            unit = Unit(shop, scope)
            thing = Thing(code="same", word=tenancy.tenant, whole=number)
            unit.things.save(thing)
            unit.owners.save(Owner(name=tenancy.tenant, thing_id=thing.id))


def test_it_reads_the_rows_of_all_tenants(shop: Shop) -> None:
    """By repositories and by Core, joined and counted; the plans of tenants' own scopes stay theirs."""

    def use() -> None:
        both_write(shop)
        with shop.scope(ACME) as scope:
            assert Unit(shop, scope).things.count() == 1
        with shop.scope(REPORT) as scope:
            unit = Unit(shop, scope)
            things = sorted(unit.things.list().items, key=lambda thing: thing.whole)
            assert [thing.word for thing in things] == ["acme", "acme-"]
            assert unit.things.get_by_id(things[1].id).word == "acme-"
            assert unit.things.count() == 2
            assert {owner.name for batch in unit.owners.stream() for owner in batch} == {"acme", "acme-"}
            joined = (
                sa.select(unit.thing.c.tenant_id, sa.func.count())
                .join(unit.owner, (unit.owner.c.thing_id == unit.thing.c.id))
                .group_by(unit.thing.c.tenant_id)
                .order_by(unit.thing.c.tenant_id)
            )
            assert [tuple(row) for row in unit.executor.query(joined)] == [("acme", 1), ("acme-", 1)]
            with unit.executor.tx():
                assert unit.executor.scalar(sa.select(sa.func.count()).select_from(unit.owner)) == 2
        for tenancy in (ACME, OTHER):
            with shop.scope(tenancy) as scope:
                assert [thing.word for thing in Unit(shop, scope).things.list().items] == [tenancy.tenant]

    shop.run(use)


def test_it_writes_nothing(shop: Shop) -> None:
    """Neither by a repository nor by a statement, nor hidden in one that reads."""

    def use() -> None:
        both_write(shop)
        with shop.scope(REPORT) as scope:
            unit = Unit(shop, scope)
            thing = unit.things.list().items[0]
            thing.whole = 99
            inserting = sa.insert(unit.owner).values(id=thing.id, version=1, name="x")
            hidden = sa.select(sa.update(unit.thing).values(whole=9).returning(unit.thing.c.id).cte().c.id)
            for write in (
                lambda: unit.things.save(Thing(code="new")),
                lambda: unit.things.update(thing),
                lambda: unit.things.delete(thing.id),
                lambda: unit.things.save_many([Thing(code="new")]),
                lambda: unit.executor.exec(inserting),
                lambda: unit.executor.exec(sa.update(unit.thing).values(whole=9)),
                lambda: unit.executor.exec(sa.delete(unit.thing)),
                lambda: unit.executor.query(hidden),
                lambda: unit.executor.bulk(
                    sa.insert(unit.owner), [{"id": thing.id, "version": 1, "name": "x"}]
                ),
            ):
                with pytest.raises(AcrossOnlyReads):
                    write()
            with pytest.raises(RawSqlRefused):
                unit.executor.query("SELECT * FROM shop_thing")
            with pytest.raises(StatementRefused):
                unit.executor.query(sa.select(sa.text("1")).select_from(unit.thing))
        with shop.scope(ACME) as scope:
            assert [thing.whole for thing in Unit(shop, scope).things.list().items] == [0]
            assert Unit(shop, scope).owners.count() == 1

    shop.run(use)


def test_who_is_confined_himself_reads_nothing() -> None:
    """Without ACROSS_DB_USER the wall stands for this, too; that is an error, not an empty report."""
    with walled_shop() as shop:
        both_write(shop)
        with shop.scope(REPORT) as scope, pytest.raises(AcrossBlocked) as caught:
            Unit(shop, scope).things.count()
        assert "ACROSS_DB_USER" in caught.value.fix
        reading_as(shop, shop.across)
        with shop.scope(REPORT) as scope:
            assert Unit(shop, scope).things.count() == 2
        shop.manager.close()


def test_its_connections_serve_nobody_else() -> None:
    """An administrator's view of all tenants is never a tenant's connection afterwards."""
    with walled_shop(pool_size=1) as shop:
        reading_as(shop, shop.across)
        both_write(shop)

        def user(tenancy: Any) -> str:
            with shop.scope(tenancy) as scope:
                unit = Unit(shop, scope)
                unit.executor.query(sa.select(sa.literal(1)))
                return str(unit.driver.info.user)

        assert [user(t) for t in (ACME, REPORT, System("look"), OTHER, REPORT)] == [
            shop.serving, shop.across, shop.serving, shop.serving, shop.across,
        ]  # fmt: skip
        shop.manager.close()


def test_an_application_asks_for_a_permission_and_says_who(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """At WARNING, with the operator and the reason, also where it is refused."""
    with make_application(tmp_path) as app:
        admin = Actor("ada", ("prefiq.across",))
        with caplog.at_level(logging.WARNING, "prefiq"):
            with app.scope(across="monthly report", actor=admin) as scope:
                assert scope.tenancy == REPORT
                with pytest.raises(TenantNotBound):
                    scope.tenant  # noqa: B018
            for actor in (None, Actor("eve", ("projects.*",))):
                with pytest.raises(Forbidden):
                    app.scope(across="curiosity", actor=actor)
            for wrong in ({"tenant": "acme"}, {"as_system": "seed"}):
                with pytest.raises(TypeError):
                    app.scope(across="both", actor=admin, **wrong)
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
            ("WARNING", "ada reads across tenants: monthly report"),
            ("WARNING", "refused to let anonymous read across tenants: curiosity"),
            ("WARNING", "refused to let eve read across tenants: curiosity"),
        ]
        assert caplog.records[0].__dict__["operator"] == "ada"
