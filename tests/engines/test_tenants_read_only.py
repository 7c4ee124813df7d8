"""A tenant that is read-only: everything of it is shown, and no way of writing reaches it, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.faults.kit import Note, Order, Shop, new_order, open_shop, orders_in, query
from tests.servers import Database

from prefiq import IDomain, IDomainService, Scope, TenantReadOnly, UnknownTenant
from prefiq.sql import Executor, Tables


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    """Acme has an order and a note, and is read-only now."""
    with open_shop(database, tmp_path) as opened:
        opened.create("o-1")
        opened.do(lambda scope: scope[IDomainService[Note]].create(Note(text="first")))
        opened.run(opened.app.tenants.read_only, "acme")
        yield opened


def note(scope: Scope) -> Note:
    (found,) = scope[IDomain[Note]].list().items
    return found


def notes(scope: Scope) -> sa.Table:
    return scope[Tables][Note]


def values(scope: Scope) -> dict[str, object]:
    made = Note(text="more")
    return {"id": made.id, "version": 1, "text": made.text}


def changed(scope: Scope) -> Note:
    found = note(scope)
    found.text = "other"
    return found


def twice(scope: Scope) -> None:
    """In a transaction and a savepoint, where the first refusal was caught."""
    executor = scope[Executor]
    with executor.tx():
        try:
            with executor.tx():
                scope[IDomain[Note]].save(Note(text="a"))
        except TenantReadOnly:
            scope[IDomain[Note]].save(Note(text="b"))


WRITES: dict[str, Callable[[Scope], object]] = {
    "service create": lambda s: s[IDomainService[Order]].create(new_order("o-2")),
    "service create_many": lambda s: s[IDomainService[Order]].create_many([new_order("o-2"), new_order("o-3")]),
    "service update": lambda s: s[IDomainService[Note]].update(changed(s)),
    "service delete": lambda s: s[IDomainService[Note]].delete(note(s).id),
    "save": lambda s: s[IDomain[Note]].save(Note(text="more")),
    "save_many": lambda s: s[IDomain[Note]].save_many([Note(text="more"), Note(text="most")]),
    "update": lambda s: s[IDomain[Note]].update(changed(s)),
    "delete": lambda s: s[IDomain[Note]].delete(note(s)),
    "delete with children": lambda s: s[IDomain[Order]].delete(s[IDomain[Order]].list().items[0]),
    "insert": lambda s: s[Executor].exec(sa.insert(notes(s)).values(**values(s))),
    "change": lambda s: s[Executor].exec(sa.update(notes(s)).values(text="x")),
    "delete rows": lambda s: s[Executor].exec(sa.delete(notes(s))),
    "bulk": lambda s: s[Executor].bulk(sa.insert(notes(s)), [values(s), values(s)]),
    "query that writes": lambda s: s[Executor].query(sa.update(notes(s)).values(text="x")),
    "stream that writes": lambda s: list(s[Executor].stream(sa.update(notes(s)).values(text="x"))),
    "writing CTE": lambda s: s[Executor].query(
        sa.select(sa.update(notes(s)).values(text="x").returning(notes(s).c.id).cte("w"))
    ),
    "after a refusal": twice,
}  # fmt: skip


def test_no_way_of_writing_reaches_a_read_only_tenant(shop: Shop, database: Database) -> None:
    """Refused with one error, before anything is sent; others write as before."""
    for way, work in WRITES.items():
        try:
            shop.do(work)
        except TenantReadOnly as error:
            assert (error.tenant, error.status) == ("acme", 403)  # noqa: PT017  each way is tried
        else:
            pytest.fail(f"{way} was not refused")
        assert query(database, "SELECT tenant_id, text FROM shop_note") == [("acme", "first")], way
    assert orders_in(database) == {("acme", "o-1"): 1}
    shop.create("o-1", "globex")


def test_raw_sql_is_refused_by_what_it_writes(shop: Shop) -> None:
    """Reading goes on; what writes a shared table is refused to a tenant anyway."""
    assert shop.do(lambda s: s[Executor].scalar("SELECT 1")) == 1


def test_all_of_it_is_read(shop: Shop) -> None:
    """Get, list, history, transactions for reading and for writing that write nothing."""

    def read(scope: Scope) -> None:
        service = scope[IDomainService[Order]]
        (order,) = service.list().items
        assert service.get(order.id) == order
        assert len(service.history(order.id)) == 1
        with scope[Executor].tx():
            assert note(scope).text == "first"

    shop.do(read)


def test_work_that_had_begun_is_not_interrupted_and_the_next_is_refused(shop: Shop) -> None:
    """A scope keeps what it was opened with; once resumed, the next one writes again."""
    shop.run(shop.app.tenants.resume, "acme")

    def slow(scope: Scope) -> None:
        with shop.app.tenants.app.scope(as_system="meanwhile"):
            shop.app.tenants.read_only("acme")
        scope[IDomainService[Note]].create(Note(text="late"))

    shop.do(slow)
    with pytest.raises(TenantReadOnly):
        shop.do(WRITES["save"])
    shop.run(shop.app.tenants.suspend, "acme")
    with pytest.raises(UnknownTenant):
        shop.do(note)
