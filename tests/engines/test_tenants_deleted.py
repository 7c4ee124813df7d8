"""The rows of a deleted tenant go from every table, and nobody else's, on every engine and in both modes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.faults.kit import Shop
from tests.servers import Database

from prefiq import (
    Application,
    Child,
    Entity,
    IDomain,
    IDomainService,
    ModelMeta,
    ProviderBase,
    Scope,
    TenantState,
    UnknownTenant,
    can,
    children,
    field,
    ref,
)
from prefiq.foundation import TenantDomain
from prefiq.settings import Settings
from prefiq.sql import tenant_rows
from prefiq.testing import make_application


class Unit(Entity):
    """What amounts are in; all tenants share them."""

    code: str = field(max_length=8, unique=True)

    meta = ModelMeta(scope="shared")


class Part(Child):
    """A part of a thing."""

    text: str = field(max_length=40)


class Thing(Entity):
    """It may stand in another one, has parts, and a favourite box."""

    name: str = field(max_length=40)
    parent_id: UUID | None = ref("stock.Thing", default=None)
    box_id: UUID | None = ref("stock.Box", default=None)
    unit_id: UUID = ref("stock.Unit")
    parts: list[Part] = children(Part)


class Box(Entity):
    """It belongs to a thing, so that both refer to each other."""

    thing_id: UUID = ref("stock.Thing")


class Slip(Entity):
    """Refers to a box and keeps it from being deleted."""

    box_id: UUID = ref("stock.Box")


class Stock(ProviderBase):
    """The stock."""

    name = "stock"
    models = (Unit, Thing, Box, Slip)


COUNTED = {
    "stock_thing": 4, "stock_part": 8, "stock_box": 4, "stock_slip": 4, "prefiq_history_entry": 12,
    "billing_invoice": 3, "archived_log": 1,
}  # fmt: skip
FOREIGN = """
CREATE TABLE billing_invoice (tenant_id varchar(63) NOT NULL, id int NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE archived_log (tenant_id varchar(63) NOT NULL, line varchar(40));
CREATE TABLE numbered (tenant_id int NOT NULL, id int NOT NULL);
INSERT INTO billing_invoice VALUES ('acme', 1), ('acme', 2), ('acme', 3), ('globex', 1);
INSERT INTO archived_log VALUES ('acme', 'x'), ('globex', 'x');
INSERT INTO numbered VALUES (0, 1), (7, 2)
"""


def fill(app: Application) -> None:
    with app.scope(as_system="test") as scope:
        unit = scope[IDomainService[Unit]].create(Unit(code="kg"))
        for tenant in ("acme", "globex"):
            host = f"www.{tenant}.example"
            scope[IDomainService[TenantDomain]].create(TenantDomain(host=host, tenant_key=tenant))
    for tenant in ("acme", "globex"):
        with app.scope(tenant, can("*")) as scope:
            fill_tenant(scope, unit)


def fill_tenant(scope: Scope, unit: Unit) -> None:
    """A chain of things in which the first one refers to the last, which is newer."""
    things = scope[IDomainService[Thing]]
    made: list[Thing] = []
    for number in range(4):
        parent = made[-1].id if made else None
        parts = [Part(text="a"), Part(text="b")]
        made.append(things.create(Thing(name=f"t{number}", parent_id=parent, unit_id=unit.id, parts=parts)))
        box = scope[IDomainService[Box]].create(Box(thing_id=made[-1].id))
        scope[IDomainService[Slip]].create(Slip(box_id=box.id))
        made[-1].box_id = box.id
        scope[IDomain[Thing]].update(made[-1])
    made[0].parent_id = made[-1].id
    scope[IDomain[Thing]].update(made[0])


class Died(Exception):
    """The process ends here."""


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    """Two tenants with the same rows, and tables that no listed module has."""
    made = Shop(make_application(tmp_path, modules=[Stock], tenants=(), **database.variables()))
    try:
        for key in ("acme", "globex"):
            made.run(made.app.tenants.create, key)
        made.run(fill, made.app)
        execute(database, FOREIGN)
        yield made
    finally:
        made.close()


def execute(database: Database, statements: str) -> list[Any]:
    with closing(database.connect()) as connection:
        cursor, found = connection.cursor(), []
        for statement in statements.split(";"):
            cursor.execute(statement)
            found = list(cursor.fetchall()) if cursor.description else []
        connection.commit()
        return found


def counted(database: Database) -> dict[tuple[str, str], int]:
    """Rows by table and tenant."""
    return {
        (table, tenant): count
        for table in COUNTED
        for tenant, count in execute(
            database, f"SELECT tenant_id, count(*) FROM {table} GROUP BY tenant_id ORDER BY tenant_id"
        )
    }


def test_every_row_goes_and_no_other(shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Circles of references, children, tables of modules that are not listed, in many short transactions."""
    app = shop.app
    monkeypatch.setattr(tenant_rows.delete_rows, "__defaults__", (lambda table, rows: None, 2))
    gone: dict[str, int] = {}

    def delete() -> Any:
        assert app.tenants.count_rows("acme") == COUNTED
        shown = app.tenants.delete("acme", reason="left us")
        assert (shown.rows, shown.receipt) == (COUNTED, {})
        assert app.tenants.count_rows("acme") == COUNTED
        return app.tenants.delete(
            "acme", now=True, report=lambda table, rows: gone.update({table: gone.get(table, 0) + rows})
        )

    before = counted(database)
    done = shop.run(delete)
    assert counted(database) == {at: n for at, n in before.items() if at[1] != "acme"}
    assert gone == COUNTED
    assert execute(database, "SELECT tenant_id, id FROM numbered ORDER BY id") == [(0, 1), (7, 2)]
    assert execute(database, "SELECT host FROM prefiq_tenant_domain") == [("www.globex.example",)]
    assert done.receipt["rows"] == COUNTED
    assert done.receipt["total"] == sum(COUNTED.values())
    assert done.receipt["domains"] == ["www.acme.example"]
    assert "backups" in done.receipt["remains"][0]


def test_deletion_that_was_killed_goes_on(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any number of batches: the next call takes the rest, and the receipt counts all of it."""
    app = shop.app
    for survives in range(0, 12, 3):
        statements = 0

        real = tenant_rows._statement

        def dies(*arguments: Any, survives: int = survives, real: Any = real) -> str:
            nonlocal statements
            statements += 1
            if statements > survives:
                raise Died
            return str(real(*arguments))

        with monkeypatch.context() as patch:
            patch.setattr(tenant_rows, "_statement", dies)
            with pytest.raises(Died):
                shop.run(lambda: app.tenants.delete("acme", now=True))
        assert shop.run(lambda: app.tenants.get("acme")).state is TenantState.DELETING
    done = shop.run(lambda: app.tenants.delete("acme"))
    assert done.tenant.state is TenantState.GONE
    assert done.receipt["rows"] == COUNTED
    assert {tenant for _, tenant in counted(database)} == {"globex"}


def test_rows_that_come_while_others_go_are_found(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that had begun before may still write: what it left is looked for until there is nothing."""
    app = shop.app
    real, came = tenant_rows.delete_rows, threading.Event()

    def late(*arguments: Any, **more: Any) -> None:
        real(*arguments, **more)
        if not came.is_set():
            came.set()
            execute(database, "INSERT INTO billing_invoice VALUES ('acme', 9)")

    monkeypatch.setattr(tenant_rows, "delete_rows", late)
    shop.run(lambda: app.tenants.delete("acme", now=True))
    assert {tenant for _, tenant in counted(database)} == {"globex"}
    execute(database, "INSERT INTO billing_invoice VALUES ('acme', 10)")
    swept = shop.run(lambda: app.tenants.delete("acme"))
    assert swept.rows == {"billing_invoice": 1}
    assert shop.run(lambda: app.tenants.life("acme"))[-1].action == "sweep"
    assert {tenant for _, tenant in counted(database)} == {"globex"}


def test_another_process_knows_within_the_lease(shop: Shop, database: Database, tmp_path: Path) -> None:
    """It had served the tenant just before; when the change returns, it serves it no more."""
    app = shop.app
    other = Application.prepare(Settings.for_test(tmp_path, APPS=[], **database.variables()), modules=[Stock])
    app.tenants.settling = 1.0

    def changes() -> None:
        with other:
            for change in (app.tenants.suspend, app.tenants.resume, app.tenants.read_only):
                before = other.tenants.bound("acme")
                change("acme")
                assert other.tenants.bound("acme") != before
            app.tenants.delete("acme")
            with pytest.raises(UnknownTenant):
                other.scope("acme")

    shop.run(changes)


def test_export_of_every_engine_is_the_same(shop: Shop, tmp_path: Path) -> None:
    """Through the repositories of the tenant: its rows, its history, and nobody else's."""

    def export() -> dict[str, int]:
        manifest = shop.app.tenants.export("acme", tmp_path / "acme.json", "json")
        assert manifest["left_out"]["tables"] == {"archived_log": 1, "billing_invoice": 3}
        return {section["name"]: section["rows"] for section in manifest["sections"]}

    assert shop.run(export) == {
        "prefiq.HistoryEntry": 12, "prefiq.SeedRecord": 0, "stock.Box": 4, "stock.Slip": 4, "stock.Thing": 4,
        "stock.Thing.parts": 8,
    }  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "acme.json").read_text().splitlines()]
    ids = {line["row"]["id"] for line in lines if line.get("table") == "stock.Thing"}
    assert {line["row"]["thing_id"] for line in lines if line.get("table") == "stock.Thing.parts"} == ids
