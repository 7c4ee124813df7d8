"""Tenants' own databases and schemas are made, marked, migrated and taken away; what broke off goes on where it was."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pymysql
import pytest
from tests import servers
from tests.servers import Database

from prefiq import (
    Application,
    Entity,
    IDomain,
    IDomainService,
    ModelMeta,
    ProviderBase,
    TenantState,
    can,
    field,
    ref,
)
from prefiq.bridge import call
from prefiq.cli import database_state
from prefiq.contracts import Placement
from prefiq.migrations import drift, parts_of, plan, raw
from prefiq.migrations import targets as places
from prefiq.migrations.copies import Copied
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.errors import ForeignPlace
from prefiq.settings import Settings
from prefiq.sql import ConnectionManager, Executor
from prefiq.sql.errors import RawSqlRefused, SharedTableProtected
from prefiq.testing import make_application
from prefiq.testing.applications import create_tables

EVERYTHING = can("*")
KEY = secrets.token_hex(32)
APPS = ("masters", "projects", "timesheets", "billing")


class Unit(Entity):
    """What amounts are in; all tenants share them."""

    code: str = field(max_length=8, unique=True)
    name: str = field(default="", max_length=40)

    meta = ModelMeta(scope="shared")


class Thing(Entity):
    """A tenant's own, which refers to what is shared."""

    name: str = field(max_length=40)
    unit_id: UUID = ref(Unit)


class Stock(ProviderBase):
    """The stock."""

    name = "stock"
    models = (Unit, Thing)


class Yard:
    """An application whose tenants have databases or schemas of their own, which are gone with the test."""

    def __init__(self, database: Database, folder: Path, tenancy: str = "database") -> None:
        self.database = database
        self.tenancy = tenancy
        self.folder = folder
        self.apps: list[Application] = []
        self.hints: set[str] = set()

    def settings(self, **more: object) -> dict[str, Any]:
        return {"TENANCY": self.tenancy, **self.database.variables(), **more}

    def stock(self, **more: object) -> Application:
        """One with its own models, that follows the declarations."""
        app = make_application(self.folder, modules=[Stock], tenants=(), **self.settings(**more))
        return self.keep(app)

    def released(self, *apps: str, **more: object) -> Application:
        """One whose tables come from the files of released modules, migrated."""
        values = self.settings(
            ENV="staging", APPS=list(apps), DOCS=False, LOG_LEVEL="ERROR", JWT_SECRET_KEY=KEY, **more
        )
        app = Application.boot(Settings.for_test(self.folder, **values))
        app.tenants.settling = 0.0
        database_state.apply(app, lambda _: None)
        return self.keep(app)

    def keep(self, app: Application) -> Application:
        self.apps.append(app)
        return app

    def hint(self, key: str) -> str:
        """The name of a tenant's database."""
        name = places.hint_for(self.apps[-1].settings.database, key)
        self.hints.add(name)
        return name

    def names(self) -> set[str]:
        """Databases, schemas or files of tenants that there are."""
        home = self.database.path.stem if self.database.path else self.database.name
        if self.database.path is not None:
            found = {path.stem for path in self.folder.glob("*.db")}
        elif self.tenancy == "schema":
            with self.database.connect() as connection:
                found = {row[0] for row in connection.execute("SELECT nspname FROM pg_namespace")}
        else:
            with servers.administrator(self.database.engine).cursor() as cursor:
                postgres = self.database.engine == "postgres"
                cursor.execute("SELECT datname FROM pg_database" if postgres else "SHOW DATABASES")
                found = {row[0] for row in cursor.fetchall()}
        return {name for name in found if name.startswith(f"{home}_")}

    def close(self) -> None:
        for app in self.apps:
            app.close()
        if self.database.path is None and self.tenancy == "database":
            for name in self.names():
                servers._drop(self.database.engine, name)
                with servers.administrator(self.database.engine).cursor() as cursor:
                    kind = "ROLE" if self.database.engine == "postgres" else "USER"
                    cursor.execute(f"DROP {kind} IF EXISTS {name}")


@pytest.fixture(params=[*servers.ENGINES, "postgres-schema"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    engine, _, tenancy = request.param.partition("-")
    with servers.database(engine, folder=tmp_path, reuse=False) as database:
        made = Yard(database, tmp_path, tenancy or "database")
        try:
            yield made
        finally:
            made.close()


@contextmanager
def looking(app: Application, key: str) -> Iterator[Any]:
    with places.looking(app, places.targets(app, key)[0]) as connection:
        yield connection


def names_of(app: Application, tenant: str) -> list[str]:
    with app.scope(tenant, EVERYTHING) as scope:
        return sorted(thing.name for thing in scope[IDomain[Thing]].list().items)


def add(app: Application, tenant: str, name: str, code: str = "kg") -> None:
    with app.scope(tenant, EVERYTHING) as scope:
        unit = scope[IDomain[Unit]].get_by("code", code)
        assert unit is not None
        scope[IDomainService[Thing]].create(Thing(name=name, unit_id=unit.id))


def share(app: Application, *codes: str) -> None:
    with app.scope(as_system="units of a test") as scope:
        for code in codes:
            scope[IDomainService[Unit]].create(Unit(code=code))


def test_a_tenant_is_made_served_and_taken_away(yard: Yard) -> None:
    """It has its own place with the shared rows; another one placed by row stands beside, each with its rows."""
    app = yard.stock()
    share(app, "kg")
    app.tenants.create("acme")
    app.tenants.create("globex")
    app.tenants.create("initech", mode="row")
    assert yard.names() == {yard.hint("acme"), yard.hint("globex")}
    for tenant in ("acme", "globex", "initech"):
        add(app, tenant, f"of {tenant}")
    for tenant in ("acme", "globex", "initech"):
        assert names_of(app, tenant) == [f"of {tenant}"]
    with app.scope("acme", EVERYTHING) as scope:
        if yard.tenancy == "schema":  # text does not say which tenant's table it means
            with pytest.raises(RawSqlRefused):
                scope[Executor].query("SELECT name FROM stock_thing")
        else:
            assert scope[Executor].query("SELECT name FROM stock_thing") == [("of acme",)]
        with pytest.raises(SharedTableProtected):
            scope[Executor].exec("DELETE FROM stock_unit")
    app.tenants.delete("acme", now=True, reason="a test")
    assert app.tenants.get("acme").state is TenantState.GONE
    assert yard.names() == {yard.hint("globex")}
    assert names_of(app, "globex") == ["of globex"]


def test_a_new_database_is_what_migrations_would_make(yard: Yard) -> None:
    """Made at once from what the files lead to, it has the same tables, indexes, references and history."""
    app = yard.released(*APPS)
    app.tenants.create("acme")
    connections = app.container.resolve(None, ConnectionManager)
    with connections.schema_connection() as replayed, looking(app, "acme") as made:
        renderer = renderer_for(made.dialect.name)
        schema = plan(parts_of(app), replayed).schema
        assert len(schema.tables) > 20
        for model in schema.tables:
            expected = renderer.fingerprint(replayed, model.table)
            assert expected
            assert renderer.fingerprint(made, model.table) == expected, model.table
        history = "SELECT module, number, name, checksum, phase FROM prefiq_migration ORDER BY module, number"
        assert list(raw.run(made, history)) == list(raw.run(replayed, history))
        planned = plan(parts_of(app), made)
        assert planned.pending == ()
        assert drift(made, planned.present, places.walls_of(app)) == []


def test_migrations_visit_every_tenant(yard: Yard) -> None:
    """A module that is listed later comes to all of them; the second run opens none."""
    before = yard.released("masters")
    for key in ("acme", "globex"):
        before.tenants.create(key)
    before.close()
    app = yard.released("masters", "projects")
    assert [row["at_head"] for row in database_state.tenants_status(app)] == [False, False]
    planned = database_state.planned_for_tenants(app)
    assert [(row["tenant"], row["module"]) for row in planned] == [
        ("acme", "projects"),
        ("globex", "projects"),
    ]
    told: list[tuple[str, str]] = []
    visits = database_state.migrate_tenants(app, lambda key, done: told.append((key, done.loaded.module)))
    assert told == [("acme", "projects"), ("globex", "projects")]
    assert all(visit.error is None for visit in visits)
    database_state.check_tenants(app)
    assert [row["at_head"] for row in database_state.tenants_status(app)] == [True, True]
    assert database_state.migrate_tenants(app, lambda *_: pytest.fail("nothing is left")) != []


def test_one_bad_tenant_stops_no_other(yard: Yard) -> None:
    """Its fault is told with its key and kept in the register; put right, the next run goes on with it."""
    before = yard.released("masters")
    for key in ("acme", "globex", "initech"):
        before.tenants.create(key)
    with looking(before, "globex") as connection:
        raw.run(connection, "CREATE TABLE projects_project (id INTEGER)")
        connection.commit()
    before.close()
    app = yard.released("masters", "projects")
    visits = database_state.migrate_tenants(app, lambda *_: None)
    assert [(visit.target.tenant, visit.error is None) for visit in visits] == [
        ("acme", True), ("globex", False), ("initech", True),
    ]  # fmt: skip
    bad = visits[1].error
    assert bad is not None
    assert "tenant globex" in str(bad)
    assert bad.exit_code != 0
    rows = {row["tenant"]: row for row in database_state.tenants_status(app)}
    assert (rows["acme"]["at_head"], rows["globex"]["at_head"]) == (True, False)
    assert "MigrationFailed" in rows["globex"]["error"]
    with looking(app, "globex") as connection:
        raw.run(connection, "DROP TABLE projects_project")
        connection.commit()
    [visit, *_] = database_state.migrate_tenants(app, lambda *_: None)
    assert (visit.target.tenant, visit.error) == ("globex", None)
    assert all(row["at_head"] for row in database_state.tenants_status(app))


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.full)])
def test_what_broke_off_goes_on(yard: Yard, monkeypatch: pytest.MonkeyPatch, stride: int) -> None:
    """Wherever making a tenant's database ends, asking again makes it whole, as if nothing had been."""
    app = yard.stock()
    share(app, "kg")
    real = raw.run
    steps = 0
    for survives in itertools.count(0, 1 if yard.database.path else stride):
        calls = itertools.count()

        def dies(*arguments: Any, survives: int = survives, calls: Any = calls) -> Any:
            if next(calls) == survives:
                raise Died
            return real(*arguments)

        key = f"t{survives}"
        monkeypatch.setattr(raw, "run", dies)
        try:
            app.tenants.create(key)
        except Died:
            steps += 1
        else:
            break
        finally:
            monkeypatch.setattr(raw, "run", real)
        assert app.tenants.get(key).state is TenantState.PROVISIONING
        app.tenants.create(key)
        add(app, key, "whole")
        assert names_of(app, key) == ["whole"]
        with looking(app, key) as connection:
            present = plan(parts_of(app), connection, strict=False).present
            assert drift(connection, present, places.walls_of(app)) == []
    assert steps > 2
    assert not [path for path in yard.folder.iterdir() if path.name.startswith(".")]


def test_two_that_make_the_same_place(yard: Yard) -> None:
    """Each of several processes that make one tenant at once finds it whole; nobody takes another's work away."""
    app = yard.stock()
    share(app, "kg")
    other = Application.boot(
        Settings.for_test(yard.folder, **yard.settings(DB_BUSY_TIMEOUT="20")), modules=[Stock]
    )
    yard.keep(other)
    errors: list[BaseException] = []

    def create(one: Application) -> None:
        one.tenants.settling = 0.0
        try:
            places.provision(one, tenant)
        except BaseException as error:  # noqa: BLE001  told to the test
            errors.append(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefiq.application.tenant_places.provision", lambda *_: (_ for _ in ()).throw(Died))
        with pytest.raises(Died):
            app.tenants.create("acme")
    tenant = app.tenants.get("acme")
    threads = [threading.Thread(target=create, args=(one,)) for one in (app, other, app)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    app.tenants.create("acme")
    add(app, "acme", "flour")
    assert names_of(app, "acme") == ["flour"]


def test_what_is_somebody_elses_is_not_touched(yard: Yard) -> None:
    """A database of the same name that holds something is left as it is; nothing is deleted either."""
    app = yard.stock()
    hint = yard.hint("acme")
    if yard.tenancy == "schema":
        theirs = yard.database
    elif yard.database.path is None:
        with servers.administrator(yard.database.engine).cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {hint}")
        theirs = Database(**{**_fields(yard.database), "name": hint})
    else:
        theirs = Database(engine="sqlite", path=yard.folder / f"{hint}.db")
    connection = theirs.connect()
    if yard.tenancy == "schema":
        connection.execute(f"CREATE SCHEMA {hint}")
        connection.execute(f"SET search_path = {hint}")
    connection.cursor().execute("CREATE TABLE precious (id INTEGER)")
    with pytest.raises(ForeignPlace) as raised:
        app.tenants.create("acme")
    assert raised.value.name == hint
    with pytest.raises(ForeignPlace):
        places.unprovision(app, app.tenants.get("acme"))
    connection.cursor().execute("INSERT INTO precious VALUES (1)")
    connection.close()


def _fields(database: Database) -> dict[str, Any]:
    return {name: getattr(database, name) for name in ("engine", "mode", "host", "port", "user", "password")}


def test_copies_follow_the_originals(yard: Yard) -> None:
    """New, changed and deleted rows arrive; what a tenant's own rows refer to stays; the second time nothing is done."""
    app = yard.stock()
    share(app, "kg", "m", "l")
    for key in ("acme", "globex"):
        app.tenants.create(key)
    add(app, "acme", "a board", "m")
    with app.scope(as_system="changes") as scope:
        units = scope[IDomainService[Unit]]
        by_code = {unit.code: unit for unit in units.list().items}
        by_code["kg"].name = "Kilogram"
        units.update(by_code["kg"])
        for code in ("m", "l"):
            units.delete(by_code[code].id)
        units.create(Unit(code="t"))
    assert [(v.copied.written, v.copied.deleted, v.copied.kept) for v in database_state.sync_shared(app)] == [
        (2, 1, 1), (2, 2, 0),
    ]  # fmt: skip
    for tenant, codes in (("acme", ["kg", "m", "t"]), ("globex", ["kg", "t"])):
        with app.scope(tenant, EVERYTHING) as scope:
            found = {unit.code: unit.name for unit in scope[IDomain[Unit]].list().items}
        assert sorted(found) == codes
        assert found["kg"] == "Kilogram"
    assert [v.copied for v in database_state.sync_shared(app)] == [Copied(kept=1), Copied()]


def test_copies_are_looked_at_when_asked(yard: Yard) -> None:
    """One that was lost in the tenant's database is found and brought again, though the register knows of nothing."""
    app = yard.stock()
    share(app, "kg", "m")
    app.tenants.create("acme")
    with looking(app, "acme") as connection:
        raw.run(connection, "DELETE FROM stock_unit WHERE code = 'm'")
        raw.run(connection, "UPDATE stock_unit SET name = 'changed by hand'")
        connection.commit()
    migrating = database_state.sync_shared(app, places.targets(app))
    assert [visit.copied for visit in migrating] == [Copied()]
    assert [visit.copied for visit in database_state.sync_shared(app)] == [Copied(written=2)]
    with app.scope("acme", EVERYTHING) as scope:
        units = scope[IDomain[Unit]].list().items
    assert sorted((unit.code, unit.name) for unit in units) == [("kg", ""), ("m", "")]


def test_copies_hand_unique_values_to_each_other(yard: Yard) -> None:
    """Rows that swapped codes in the originals swap them in the copies, also where a tenant's rows refer to them."""
    app = yard.stock()
    share(app, "kg", "m", "l", "t")
    app.tenants.create("acme")
    add(app, "acme", "a board", "m")
    with app.scope(as_system="changes") as scope:
        units = scope[IDomainService[Unit]]
        by_code = {unit.code: unit for unit in units.list().items}
        for unit, code in (
            (by_code["kg"], "?"),
            (by_code["m"], "kg"),
            (by_code["l"], "m"),
            (by_code["kg"], "l"),
        ):
            unit.code = code
            units.update(unit)
        expected = {unit.id: unit.code for unit in units.list().items}
    [visit] = database_state.sync_shared(app)
    assert visit.error is None
    assert (visit.copied.written, visit.copied.deleted, visit.copied.kept) == (3, 0, 0)
    with app.scope("acme", EVERYTHING) as scope:
        assert {unit.id: unit.code for unit in scope[IDomain[Unit]].list().items} == expected
        [board] = scope[IDomain[Thing]].list().items
        assert expected[board.unit_id] == "kg"


@pytest.mark.parametrize("engine", servers.SERVERS)
def test_each_tenant_has_an_account(engine: str, tmp_path: Path) -> None:
    """With TENANT_DB_KEY a tenant is served as a user of its own, who reaches no other database."""
    with ExitStack() as stack:
        database = stack.enter_context(servers.database(engine, folder=tmp_path, reuse=False))
        yard = Yard(database, tmp_path)
        stack.callback(yard.close)
        app = yard.stock(TENANT_DB_KEY="0123456789abcdef" * 4)
        share(app, "kg")
        for key in ("acme", "globex"):
            app.tenants.create(key)
            add(app, key, f"of {key}")
        acme, globex = app.tenants.get("acme").placement, app.tenants.get("globex").placement
        for key in ("acme", "globex"):
            assert names_of(app, key) == [f"of {key}"]
        connections = app.container.resolve(None, ConnectionManager)
        connection, _ = connections.checkout("default", acme)
        who = "SELECT current_user" if engine == "postgres" else "SELECT user()"
        assert str(connection.exec_driver_sql(who).scalar()).split("@")[0] == acme.hint
        connection.close()
        mine = connections.of_tenant(acme)
        assert mine.password is not None
        account = {**_fields(database), "user": mine.user, "password": mine.password.reveal()}
        Database(**account, name=acme.hint).connect().close()
        with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
            Database(**account, name=globex.hint).connect()
        if engine == "mariadb":  # PostgreSQL's of tests trusts everybody
            with pytest.raises(pymysql.OperationalError):
                Database(**{**account, "password": "wrong"}, name=acme.hint).connect()
        for key in ("acme", "globex"):
            app.tenants.delete(key, now=True, reason="a test")
        with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
            Database(**{**account, "name": database.name}).connect()


def test_names_are_places_of_their_own(yard: Yard) -> None:
    """However long or odd the key, the name fits the server and is the key's alone."""
    app = yard.stock()
    keys = ["a", "a-b", "ab", "1st", "x" * 63, "x" * 62 + "y"]
    hints = [places.placement(app, key, yard.tenancy).hint for key in keys]
    assert len(set(hints)) == len(keys)
    assert all(len(hint) <= 63 for hint in hints)
    assert all(isinstance(places.placement(app, key, yard.tenancy), Placement) for key in keys)


@pytest.mark.parametrize("engine", servers.ENGINES)
def test_on_a_loop_it_is_the_same(engine: str, tmp_path: Path) -> None:
    """Tenants are made and served in async mode."""

    async def story(app: Application) -> list[list[str]]:
        async with app:
            await call(create_tables, app)
            await call(share, app, "kg")
            for key in ("acme", "globex"):
                await call(app.tenants.create, key)
                await call(add, app, key, f"of {key}")
            return [await call(names_of, app, key) for key in ("acme", "globex")]

    with servers.database(engine, "async", folder=tmp_path, reuse=False) as database:
        yard = Yard(database, tmp_path)
        settings = Settings.for_test(tmp_path, **yard.settings())
        app = Application.prepare(settings, modules=[Stock])
        app.tenants.settling = 0.0
        try:
            assert asyncio.run(story(app)) == [["of acme"], ["of globex"]]
        finally:
            yard.close()


@contextmanager
def users(engine: str, database: Database) -> Iterator[tuple[str, str]]:
    """A user who migrates and one who serves, as ``doctor database --setup`` makes them."""
    migrating, serving = f"{database.name}_m", f"{database.name}_s"
    with servers.administrator(engine).cursor() as cursor:
        try:
            if engine == "postgres":
                for name in (migrating, serving):
                    cursor.execute(f"CREATE ROLE {name} LOGIN")
                cursor.execute(f"ALTER DATABASE {database.name} OWNER TO {migrating}")
                with database.connect() as connection:
                    rows = "SELECT, INSERT, UPDATE, DELETE ON TABLES"
                    for statement in (
                        f"GRANT ALL ON SCHEMA public TO {migrating}",
                        f"GRANT USAGE ON SCHEMA public TO {serving}",
                        f"ALTER DEFAULT PRIVILEGES FOR ROLE {migrating} GRANT {rows} TO {serving}",
                    ):
                        connection.execute(statement)
            else:
                for name, rights in (
                    (migrating, "ALL PRIVILEGES"),
                    (serving, "SELECT, INSERT, UPDATE, DELETE"),
                ):
                    cursor.execute(f"CREATE USER {name}@'%'")
                    cursor.execute(f"GRANT {rights} ON `{database.name}`.* TO {name}@'%'")
            yield migrating, serving
        finally:
            for name in (migrating, serving):
                if engine == "postgres":
                    for (held,) in cursor.execute(
                        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (database.name,)
                    ).fetchall():
                        with Database(**{**_fields(database), "name": held}).connect() as connection:
                            connection.execute(f"DROP OWNED BY {name} CASCADE")
                    cursor.execute(f"ALTER DATABASE {database.name} OWNER TO CURRENT_USER")
                    cursor.execute(f"DROP ROLE {name}")
                else:
                    cursor.execute(f"DROP USER {name}@'%'")


@pytest.mark.parametrize("engine", servers.SERVERS)
def test_users_have_their_rights(engine: str, tmp_path: Path) -> None:
    """An administrator makes the database, another user migrates it, and the serving one reads and writes rows alone."""
    with ExitStack() as stack:
        database = stack.enter_context(servers.database(engine, folder=tmp_path, reuse=False))
        migrating, serving = stack.enter_context(users(engine, database))
        yard = Yard(database, tmp_path)
        roles = {
            "DB_USER": serving, "MIGRATE_DB_USER": migrating, "ADMIN_DB_USER": database.user,
        }  # fmt: skip
        app = yard.stock(**roles)
        stack.callback(app.close)
        share(app, "kg")
        app.tenants.create("acme")
        add(app, "acme", "flour")
        assert names_of(app, "acme") == ["flour"]
        placement = app.tenants.get("acme").placement
        connections = app.container.resolve(None, ConnectionManager)
        connection, _ = connections.checkout("default", placement)
        for refused in ("DROP TABLE stock_thing", "CREATE TABLE more (id INTEGER)"):
            with pytest.raises(Exception, match=r"(?i)denied|must be owner|command denied"):
                connection.exec_driver_sql(refused)
        connection.close()
        assert places.migrate_target(app, places.targets(app)[0]).error is None
        app.tenants.delete("acme", now=True, reason="a test")
        assert yard.names() == set()
