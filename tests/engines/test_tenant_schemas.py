"""Tenants with schemas of their own: one pool, one compiled text for all, and every statement names the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests import servers

from prefiq.contracts import Bound, Placement, Scope, System
from prefiq.contracts.errors import UniqueViolation
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog, ModelMeta, children, field
from prefiq.sql import ConnectionManager, Executor, Tables
from prefiq.sql.errors import RawSqlRefused, SchemaMissing, StatementRefused
from prefiq.sql.plan import PLACE


class Line(Child):
    text: str


class Order(Entity):
    number: str = field(max_length=63, unique=True)
    lines: list[Line] = children(Line)


class Country(Entity):
    code: str = field(max_length=2, unique=True)

    meta = ModelMeta(scope="shared")


def no_contract(scope: Scope, contract: Any) -> Any:
    raise AssertionError("nothing is resolved here")


class House:
    """One database with a pool of one connection, and tenants in schemas."""

    def __init__(self, stack: ExitStack) -> None:
        self.database = stack.enter_context(servers.database("postgres"))
        self.tables = Tables(Catalog.build({"shop": (Order, Country)}))
        self.connections = ConnectionManager([self.database.config(pool_size=1)], self.tables)
        stack.callback(self.connections.close)
        with self.connections.schema_connection() as connection:
            self.tables.create_all(connection)

    def place(self, name: str) -> Placement:
        with self.database.connect() as connection:
            connection.execute(f'CREATE SCHEMA "{name}"')
        placement = Placement("schema", name)
        with self.connections.schema_connection("default", placement) as connection:
            self.tables.create_all(connection)
        return placement

    def scope(self, placement: Placement, tenant: str = "acme") -> Scope:
        return Scope(Bound(tenant, placement), resolve=no_contract)

    def executor(self, scope: Scope) -> Executor:
        return Executor(self.connections, scope, self.tables)

    def orders(self, scope: Scope) -> RepositoryQuery[Order]:
        return RepositoryQuery.of(Order)(self.executor(scope), self.tables)


@pytest.fixture
def house() -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack)


ODD = ("user", "t_1", "select", "a" * 63)
"""Names that the server must be told in quotes, and the longest."""


def test_each_sees_its_own(house: House) -> None:
    """The same key in several schemas, on the one connection of the pool; the common tables hold nothing."""
    places = [house.place(name) for name in ODD]
    for place in places:
        with house.scope(place) as scope:
            house.orders(scope).save(Order(number=place.hint, lines=[Line(text=place.hint)]))
    for place in places:
        with house.scope(place) as scope:
            [order] = house.orders(scope).list().items
            assert (order.number, [line.text for line in order.lines]) == (place.hint, [place.hint])
    with house.scope(Placement()) as scope:
        assert house.orders(scope).list().items == []
    with house.database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM public.shop_order").fetchone() == (0,)


def test_nothing_stays_on_the_connection(house: House) -> None:
    """Who comes next has no schema of the last one's."""
    path = path_of(house)
    with house.scope(house.place("t_1")) as scope:
        house.orders(scope).save(Order(number="x"))
    assert path_of(house) == path
    assert "t_1" not in path
    with Scope(System("look"), resolve=no_contract) as scope:
        assert house.executor(scope).query(sa.select(house.tables[Country].c.code)) == []


def path_of(house: House) -> str:
    """Of the one connection of the pool."""
    connection, _ = house.connections.checkout()
    with connection:
        return str(connection.exec_driver_sql("SHOW search_path").scalar())


def test_statements_of_ones_own(house: House) -> None:
    """Joins, CTEs, inserts from a select and upserts find the tenant's tables, and their text is compiled once."""
    orders = house.tables[Order]
    other = orders.alias()
    some = sa.select(orders.c.number).where(orders.c.number != "b").cte("some")
    for place in [house.place(f"t_{number}") for number in range(12)]:
        with house.scope(place) as scope:
            executor = house.executor(scope)
            new = {"id": uuid4(), "version": 1}
            executor.exec(sa.insert(orders).values(number=place.hint, **new))
            copied = sa.select(
                sa.literal(uuid4()).label("id"), orders.c.version, sa.literal("b").label("number")
            )
            executor.exec(sa.insert(orders).from_select(["id", "version", "number"], copied))
            joined = sa.select(orders.c.number, other.c.number).join(
                other, orders.c.version == other.c.version
            )
            assert len(executor.query(joined.with_for_update(of=orders))) == 4
            assert executor.query(sa.select(some.c.number)) == [(place.hint,)]
            assert executor.exec(sa.update(orders).where(orders.c.number == "b").values(version=2)) == 1
            assert [row for rows in executor.stream(sa.select(orders.c.number)) for row in rows]
            assert executor.exec(sa.delete(orders).where(orders.c.version == 2)) == 1
    cache: Any = house.connections.engine()._compiled_cache
    assert len(cache) == 7


def test_a_value_may_look_like_anything(house: House) -> None:
    """What takes the schema's place in a text is replaced there, and in no value."""
    with house.scope(house.place("t_1")) as scope:
        executor = house.executor(scope)
        orders = RepositoryQuery.of(Order)(executor, house.tables)
        orders.save(Order(number=f"{PLACE}.shop_order"))
        many = [Order(number=f"{PLACE}{number}") for number in range(300)]
        orders.save_many(many)
        assert orders.get_by("number", f"{PLACE}.shop_order") is not None
        assert orders.count() == 301
        assert executor.scalar(sa.select(sa.literal(PLACE))) == PLACE


def test_nobody_names_another_schema(house: House) -> None:
    """Neither in text nor by an option of a statement."""
    mine = house.place("t_1")
    house.place("t_2")
    orders = house.tables[Order]
    with house.scope(mine) as scope:
        executor = house.executor(scope)
        executor.query(sa.select(orders.c.number))  # compiled: what is cached is not looked at again
        for text in ("SELECT number FROM shop_order", "SELECT number FROM t_2.shop_order"):
            with pytest.raises(RawSqlRefused):
                executor.query(text)
        with pytest.raises(StatementRefused):
            executor.query(sa.select(orders.c.number).execution_options(schema_translate_map={None: "t_2"}))
        with pytest.raises(StatementRefused):
            executor.query(sa.select(sa.table("shop_order", sa.column("number"), schema="t_2")))


def test_faults_name_the_model(house: House) -> None:
    """As everywhere; a schema that is gone is one, too."""
    place = house.place("t_1")
    with house.scope(place) as scope:
        orders = house.orders(scope)
        orders.save(Order(number="a"))
        with pytest.raises(UniqueViolation) as raised:
            orders.save(Order(number="a"))
    assert "number" in str(raised.value)
    with house.database.connect() as connection:
        connection.execute("DROP SCHEMA t_1 CASCADE")
    with house.scope(place) as scope, pytest.raises(SchemaMissing):
        house.orders(scope).get_by_id(UUID(int=1))
    with (
        pytest.raises(Exception, match="no database of this name"),
        house.connections.schema_connection("default", place),
    ):
        pass
