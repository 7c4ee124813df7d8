"""A tenant that has a database of its own goes with it, wherever the deletion breaks off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import servers
from tests.faults.kit import Shop, ShopProvider, creating
from tests.servers import Database

from prefiq import TenantState, UnknownTenant
from prefiq.application import tenant_deletion, tenant_places
from prefiq.testing import make_application

ROWS = {"prefiq_history_entry": 1, "shop_line": 3, "shop_order": 1}


class Died(Exception):
    """The process ends here."""


@pytest.fixture
def shop(engine: str, mode: str, tmp_path: Path) -> Iterator[Shop]:
    """Acme has a database of its own, globex stands in the common tables; both have an order."""
    with servers.database(engine, mode, folder=tmp_path, reuse=False) as database:
        yield from opened(database, tmp_path)


def opened(database: Database, folder: Path) -> Iterator[Shop]:
    made = Shop(make_application(folder, modules=[ShopProvider], tenants=(), **database.variables()))
    try:
        made.run(lambda: made.app.tenants.create("acme", mode="database"))
        made.run(made.app.tenants.create, "globex")
        for tenant in ("acme", "globex"):
            made.do(creating("o-1"), tenant)
        yield made
    finally:
        made.run(lambda: made.app.tenants.delete("acme", now=True))
        made.close()


def test_database_goes_with_its_tenant(shop: Shop) -> None:
    """Counted before, gone afterwards; the export comes from it, and others keep their rows."""
    tenants = shop.app.tenants
    assert shop.run(tenants.count_rows, "acme") == ROWS
    done = shop.run(lambda: tenants.delete("acme", now=True))
    assert (done.tenant.state, done.receipt["rows"], done.receipt["mode"]) == (
        TenantState.GONE,
        ROWS,
        "database",
    )
    assert shop.run(tenants.count_rows, "acme") == {}
    assert shop.run(tenants.count_rows, "globex") == ROWS
    shop.works("o-2", "globex")


@pytest.mark.parametrize("step", ["unprovision", "_finish"])
def test_deletion_that_was_killed_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Before or after the database went: the next call finishes, and the receipt counts what was there."""

    def dies(*arguments: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(tenant_places if step == "unprovision" else tenant_deletion, step, dies)
        with pytest.raises(Died):
            shop.run(lambda: shop.app.tenants.delete("acme", now=True))
    with pytest.raises(UnknownTenant):
        shop.do(creating("o-2"))
    done = shop.run(shop.app.tenants.delete, "acme")
    assert (done.tenant.state, done.receipt["rows"]) == (TenantState.GONE, ROWS)


def test_place_that_was_never_made(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant whose creation broke off can be deleted, and was never served."""

    def dies(*arguments: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(tenant_places, "provision", dies)
        with pytest.raises(Died):
            shop.run(lambda: shop.app.tenants.create("late", mode="database"))
    with pytest.raises(UnknownTenant):
        shop.do(creating("o-1"), "late")
    done = shop.run(lambda: shop.app.tenants.delete("late", now=True))
    assert (done.tenant.state, done.receipt["rows"]) == (TenantState.GONE, {})
