"""Tenants with databases of their own: whose rows are where, what raw SQL may say there, and how many connections."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests import servers

from prefiq.bridge import call
from prefiq.contracts import Bound, Placement, Scope, System
from prefiq.foundation.entity import Entity
from prefiq.lowcode import Catalog, ModelMeta, field
from prefiq.sql import ConnectionManager, Databases, Executor, Tables
from prefiq.sql.async_executor import executor_class
from prefiq.sql.errors import (
    ConnectionsExhausted,
    DatabaseError,
    PlaceUnusable,
    RawSqlRefused,
    SharedTableProtected,
)


class Order(Entity):
    number: str = field(max_length=20, unique=True)


class Country(Entity):
    code: str = field(max_length=2, unique=True)

    meta = ModelMeta(scope="shared")


def no_contract(scope: Scope, contract: Any) -> Any:
    raise AssertionError("nothing is resolved here")


class House:
    """An application's database, and databases of tenants."""

    def __init__(
        self, stack: ExitStack, engine: str, folder: Path, mode: str = "sync", **options: Any
    ) -> None:
        self._stack, self._engine = stack, engine
        self.main = stack.enter_context(servers.database(engine, mode, folder=folder))
        self.tables = Tables(Catalog.build({"shop": (Order, Country)}))
        self.limit = options.pop("max_connections", 40)
        self.options = options
        self.connections = self.manager()
        with self.connections.schema_connection() as connection:
            self.tables.create_all(connection)

    def manager(self, *more: Any) -> ConnectionManager:
        made = ConnectionManager(
            [self.main.config(**self.options), *more], self.tables, max_connections=self.limit
        )
        self._stack.callback(made.close)
        return made

    def place(self, number: int = 1) -> Placement:
        """A new tenant's place."""
        hint = f"tenant_{number}"
        if self._engine != "sqlite":
            hint = self._stack.enter_context(servers.database(self._engine)).name
        placement = Placement("database", hint)
        with self.connections.schema_connection("default", placement) as connection:
            self.tables.create_all(connection)
        return placement

    def executor(self, tenancy: Any, connections: ConnectionManager | None = None) -> Executor:
        connections = connections or self.connections
        scope = self._stack.enter_context(Scope(tenancy, resolve=no_contract))
        return executor_class(connections)(connections, scope, self.tables)

    def of(self, tenancy: Any) -> list[str]:
        """Numbers of the orders that a scope sees, which ends again."""
        with Scope(tenancy, resolve=no_contract) as scope:
            return self.numbers(executor_class(self.connections)(self.connections, scope, self.tables))

    def add(self, executor: Executor, number: str) -> None:
        executor.exec(sa.insert(self.tables[Order]).values(id=uuid4(), version=1, number=number))

    def numbers(self, executor: Executor) -> list[str]:
        return [row[0] for row in executor.query(sa.select(self.tables[Order].c.number).order_by("number"))]


Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with ExitStack() as stack:
        yield lambda engine, **options: House(stack, engine, tmp_path, **options)


@pytest.fixture(params=servers.ENGINES)
def house(request: pytest.FixtureRequest, build: Build) -> House:
    return build(request.param)


def test_rows_stand_where_the_placement_says(house: House) -> None:
    """Two tenants in databases of their own and one in the common tables: each has its own rows, and no other's."""
    places = {"acme": house.place(1), "globex": house.place(2), "initech": Placement()}
    for tenant, placement in places.items():
        house.add(house.executor(Bound(tenant, placement)), f"of {tenant}")
    for tenant, placement in places.items():
        assert house.of(Bound(tenant, placement)) == [f"of {tenant}"]
        # A tenant that is led to another's place finds nothing: the predicate is always written.
        for other, elsewhere in places.items():
            if other != tenant:
                assert house.of(Bound(tenant, elsewhere)) == []


def test_the_system_stays_with_the_shared_tables(house: House) -> None:
    """Its scopes reach the application's own database."""
    placement = house.place()
    country = house.tables[Country]
    house.executor(System("test")).exec(sa.insert(country).values(id=uuid4(), version=1, code="DE"))
    assert house.executor(Bound("acme", placement)).query(sa.select(country.c.code)) == []
    assert house.executor(Bound("globex")).scalar(sa.select(country.c.code)) == "DE"


def test_raw_sql_may_use_what_is_the_tenants(house: House) -> None:
    """The whole database is: its tables may be read and written, what is shared is read."""
    executor = house.executor(Bound("acme", house.place()))
    house.add(executor, "A-1")
    assert executor.scalar("SELECT count(*) FROM shop_order") == 1
    assert executor.exec("UPDATE shop_order SET number = 'B-1'") == 1
    assert executor.scalar("SELECT count(*) FROM shop_country") == 0
    with pytest.raises(SharedTableProtected):
        executor.exec("DELETE FROM shop_country")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {other}.shop_order",
        "SELECT * FROM public.shop_order",
        "SELECT * FROM main.sqlite_master",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM prefiq_migration",
        "ATTACH DATABASE '{other}.db' AS other",
        "USE {other}",
        "DROP TABLE shop_order",
        "SELECT * INTO other FROM shop_order",
        "PRAGMA table_list",
        "SET search_path = {other}",
    ],
)
def test_raw_sql_leads_nowhere_else(house: House, sql: str) -> None:
    """No other database, no catalog, no statement that stays on the connection."""
    other, placement = house.place(2), house.place(1)
    house.add(house.executor(Bound("globex", other)), "theirs")
    executor = house.executor(Bound("acme", placement))
    with pytest.raises((RawSqlRefused, DatabaseError)):
        executor.query(sql.format(other=other.hint))
    assert house.numbers(house.executor(Bound("globex", other))) == ["theirs"]


def test_further_databases_are_everybodys(build: Build, tmp_path: Path) -> None:
    """``databases["analytics"]`` is the same for every tenant, and raw SQL there may not name its tenants' tables."""
    house = build("sqlite")
    placement = house.place()
    analytics = servers.Database(engine="sqlite", path=tmp_path / "analytics.db")
    connections = house.manager(analytics.config("analytics"))
    with connections.schema_connection("analytics") as connection:
        house.tables.create_all(connection)
    for tenant in ("acme", "globex"):
        scope = Scope(Bound(tenant, placement), resolve=no_contract)
        with scope:
            executor = Executor(connections, scope, house.tables)
            databases = Databases(executor, connections, scope, house.tables)
            house.add(databases["analytics"], f"of {tenant}")
            assert house.numbers(databases["analytics"]) == [f"of {tenant}"]
            assert house.numbers(executor) == []
            assert executor.query("SELECT number FROM shop_order") == []
            with pytest.raises(RawSqlRefused):
                databases["analytics"].query("SELECT number FROM shop_order")


def test_a_place_that_is_not_there_is_said(house: House) -> None:
    """A tenant whose database is missing has an error of the database; a name that is none, one of the place."""
    with pytest.raises(DatabaseError):
        house.numbers(house.executor(Bound("acme", Placement("database", "prefiq_test_nowhere"))))
    schema = Placement("schema", "tenant_1")  # which must not become the common tables
    with pytest.raises(DatabaseError if house.main.engine == "postgres" else PlaceUnusable):
        house.numbers(house.executor(Bound("acme", schema)))
    for wrong in (Placement("database", "../shop"), Placement("database", "x", "elsewhere")):
        with pytest.raises(PlaceUnusable):
            house.numbers(house.executor(Bound("acme", wrong)))


def test_a_busy_tenant_is_told_so(build: Build) -> None:
    """Its third unit of work waits for a connection, and gives up; another tenant's is served."""
    house = build("sqlite", pool_timeout=0.1)
    acme, globex = house.place(1), house.place(2)
    held = [house.executor(Bound("acme", acme)) for _ in range(2)]
    for executor in held:
        house.numbers(executor)
    with pytest.raises(ConnectionsExhausted) as raised:
        house.numbers(house.executor(Bound("acme", acme)))
    assert raised.value.status == 503
    assert house.numbers(house.executor(Bound("globex", globex))) == []
    assert house.connections.in_use() == {"default": 3}


def test_five_hundred_files_need_few_descriptors(build: Build) -> None:
    """Every tenant is served, with no more files open than the budget allows."""
    house = build("sqlite", max_connections=20)
    house.place(0)
    template = house.main.path.parent / "tenant_0.db"  # type: ignore[union-attr]
    content = template.read_bytes()
    places = [Placement("database", f"tenant_{number}") for number in range(500)]
    for placement in places[1:]:
        (template.parent / f"{placement.hint}.db").write_bytes(content)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    most = 0
    for turn in range(2):
        for number, placement in enumerate(places):
            scope = Scope(Bound(f"t{number}", placement), resolve=no_contract)
            with scope:
                executor = Executor(house.connections, scope, house.tables)
                if turn == 0:
                    house.add(executor, f"of t{number}")
                assert house.numbers(executor) == [f"of t{number}"]
            if number % 50 == 0:
                most = max(most, len(list(Path("/proc/self/fd").iterdir())) - open_before)
    assert most <= 3 * 20


def connections_to(names: list[str]) -> int:
    listed = ", ".join(f"'{name}'" for name in names)
    with servers.administrator("mariadb").cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM information_schema.processlist WHERE db IN ({listed})")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("tenants", [8, pytest.param(100, marks=pytest.mark.full)])
def test_four_workers_keep_their_budgets(build: Build, tenants: int) -> None:
    """Four processes' worth of managers with a budget of three each never have more than twelve connections."""
    house = build("mariadb", max_connections=3)
    places = [house.place(number) for number in range(tenants)]
    workers = [house.manager() for _ in range(4)]
    names = [placement.hint for placement in places]
    most = 0
    for number, placement in enumerate(places):
        for worker in workers:
            scope = Scope(Bound(f"t{number}", placement), resolve=no_contract)
            with scope:
                assert house.numbers(Executor(worker, scope, house.tables)) == []
        most = max(most, connections_to(names))
    assert 3 < most <= 12


@pytest.mark.parametrize("engine", servers.ENGINES)
@pytest.mark.anyio
async def test_tasks_wait_in_line(build: Build, engine: str) -> None:
    """On a loop forty tasks of ten tenants share a budget of two; each sees its own rows."""
    import asyncio

    house = build(engine, mode="async", max_connections=2, pool_timeout=30.0)
    places = [house.place(number) for number in range(3 if engine != "sqlite" else 10)]

    def work(number: int) -> list[str]:
        tenant = number % len(places)
        scope = Scope(Bound(f"t{tenant}", places[tenant]), resolve=no_contract)
        with scope:
            executor = executor_class(house.connections)(house.connections, scope, house.tables)
            house.add(executor, f"{tenant}-{number}")
            found = house.numbers(executor)
        assert f"{tenant}-{number}" in found
        return found

    results = await asyncio.gather(*(call(work, number) for number in range(40)))
    assert all(
        one.startswith(f"{number % len(places)}-") for number, found in enumerate(results) for one in found
    )
    assert house.connections.in_use() == {}
    house.connections.close()


def test_a_connection_reads_no_authorities_that_it_needs_not(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB, where the certificate is not checked: to read them took 20 ms of every new connection."""
    house = build("mariadb")
    placement = house.place()
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("they are read"))
    assert house.of(Bound("acme", placement)) == []
