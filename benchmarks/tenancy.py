"""Tenancy: what keeping tenants apart costs, beside a hand-written WHERE and a role that no wall holds back.

Contestants of a row run interleaved.  SQLite is measured by CPU time, servers by the wall clock, and what opens
or makes something by the CPU time of this process.  A mode that this release or this machine does not have is
left out, and said so.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import sqlalchemy as sa

from benchmarks._data import Item, ItemsProvider, Server, item, scratch, server, timed
from benchmarks._measure import Row, row
from prefiq import Application, IDomain, can
from prefiq.application.errors import PlacementNotServed
from prefiq.sql import ConnectionManager, Executor, Tables
from prefiq.sql.dialects import engine_for
from prefiq.testing import make_application

ENGINES = ("sqlite", "postgres", "mariadb")
ROWS = 200
TENANTS = [f"t{number:02d}" for number in range(50)]
COLD = 6
COLD_TARGETS = {"sqlite": 1.0, "postgres": 3.0, "mariadb": 3.0}


def rows() -> list[Row]:
    """Every row of this benchmark."""
    found: list[Row] = []
    for engine in ENGINES:
        folder = scratch()
        with server(engine, folder) as at:
            if at is None:
                print(f"no {engine} answers: left out", file=sys.stderr)
                continue
            with make_application(folder, modules=[ItemsProvider], tenants=TENANTS, **at.settings()) as app:
                found += scoping(app, engine)
                if engine == "postgres":
                    found += wall(app, at)
                for mode in ("schema", "database"):
                    found += placed(app, engine, mode)
    return found


def filled(app: Application, tenants: list[str]) -> list[Any]:
    """The ids of rows that each tenant has."""
    made = [item(number) for number in range(ROWS)]
    for tenant in tenants:
        with app.scope(tenant, can("*")) as scope:
            scope[IDomain[Item]].save_many([replace_version(each) for each in made])
    return [each.id for each in made]


def replace_version(entity: Item) -> Item:
    """Another entity with the same id and values, not stored yet."""
    from copy import deepcopy

    return deepcopy(entity)


def compare(engine: str, contestants: dict[str, Callable[[], object]], rounds: int = 120) -> dict[str, float]:
    """Seconds per call."""
    spent = timed(contestants, rounds=rounds, number=20)
    return {name: each.cpu if engine == "sqlite" else each.wall for name, each in spent.items()}


def scoping(app: Application, engine: str) -> list[Row]:
    """The same statement with its predicate written by the compiler, and by hand on an engine that knows no scopes."""
    ids = filled(app, TENANTS[:2])
    manager = app.container.resolve(None, ConnectionManager)
    table = app.container.resolve(None, Tables)[Item]
    kind = engine_for(app.settings.database.engine, "sync")
    plain = kind.create(manager.database(), ("bench", 0), scoped=False)
    wanted = sa.bindparam("wanted", type_=table.c.id.type)
    short = sa.select(table.c.id, table.c.code, table.c.name).where(table.c.id == wanted)
    page = sa.select(table).order_by(table.c.code).limit(50)
    results: list[Row] = []
    with app.scope("t00", can("*")) as scope, plain.connect() as by_hand:
        executor = scope[Executor]
        executor.query(short, {"wanted": ids[0]})
        with manager.checkout()[0] as scoped:
            for what, statement in (("get by id", short), ("page of 50", page)):
                written = statement.where(table.c.tenant_id == sa.bindparam("tenant", "t00"))
                wanted_ids = itertools.cycle(ids if what == "get by id" else [None])

                def ask(connection: Any, query: Any, turn: Iterator[Any] = wanted_ids) -> object:
                    id = next(turn)
                    return connection.execute(query, {"wanted": id} if id else {}).all()

                spent = compare(
                    engine,
                    {
                        "hand": lambda w=written: ask(by_hand, w),
                        "scoped": lambda s=statement: ask(scoped, s),
                    },
                )
                ratio = spent["scoped"] / spent["hand"]
                results.append(row(f"{engine}: {what}, scoped ÷ WHERE by hand", ratio, "×", 1.02))
    plain.dispose()
    return results


def wall(app: Application, at: Server) -> list[Row]:
    """Row-level security on a connection that is warm for its tenant, beside a role that it does not hold back."""
    from prefiq.migrations import Walls, schema_of
    from prefiq.migrations.dialects import renderer_for
    from prefiq.migrations.walls import raise_walls

    manager = app.container.resolve(None, ConnectionManager)
    tables = app.container.resolve(None, Tables)
    role = f"bench_{int(time.time())}"
    with manager.schema_connection() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
        connection.exec_driver_sql(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
        raise_walls(renderer_for("postgres"), connection, schema_of(tables.catalog), Walls(""))
        connection.commit()
    found: list[Row] = []
    try:
        with manager.schema_connection() as connection:
            ids = list(
                connection.scalars(sa.select(tables[Item].c.id).where(tables[Item].c.tenant_id == "t00"))
            )
        folder = scratch()
        from prefiq.settings import Settings

        with ExitStack() as stack:
            stores = {}
            for user in (str(at.url.username), role):
                settings = Settings.for_test(folder, **{**at.settings(), "db_user": user})
                other = stack.enter_context(Application.boot(settings, modules=[ItemsProvider]))
                scope = stack.enter_context(other.scope("t00", can("*")))
                stores[user] = scope[IDomain[Item]]
            turn = itertools.cycle(ids)
            free, held = stores.values()
            spent = compare(
                "postgres",
                {"free": lambda: free.get_by_id(next(turn)), "held": lambda: held.get_by_id(next(turn))},
            )
            ratio = spent["held"] / spent["free"]
            found.append(
                row("postgres: get by id, row-level security on a warm connection ÷ none", ratio, "×", 1.1)
            )
    finally:
        with manager.schema_connection() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role} CASCADE")
            connection.exec_driver_sql(f"DROP ROLE {role}")
            connection.commit()
    return found


@contextmanager
def own_places(
    app: Application, mode: str, count: int, stem: str
) -> Iterator[tuple[list[str], list[float], list[float]]]:
    """Tenants with a place of their own, and what making each cost: CPU of this process, and time."""
    keys, cpus, walls = [], [], []
    try:
        for number in range(count):
            key = f"{stem}{number:02d}"
            cpu, begun = time.process_time(), time.perf_counter()
            app.tenants.create(key, mode=mode)
            cpus.append(time.process_time() - cpu)
            walls.append(time.perf_counter() - begun)
            keys.append(key)
        yield keys, cpus, walls
    finally:
        app.tenants.settling = 0.0
        for key in keys:
            app.tenants.delete(key, now=True, reason="the benchmark is over")


def placed(app: Application, engine: str, mode: str) -> list[Row]:
    """A new tenant, the first request of one that is not open, and fifty that take turns."""
    if mode == "schema" and engine != "postgres":
        return []
    found: list[Row] = []
    try:
        with own_places(app, mode, COLD, f"{mode[:1]}-") as (keys, cpus, walls):
            target = {"sqlite": 5.0, "postgres": 150.0 if mode == "schema" else 300.0}.get(engine)
            found.append(row(f"{engine}: new tenant, mode {mode} (elapsed)", _ms(walls[1:]), "ms", target))
            found.append(row(f"{engine}: new tenant, mode {mode} (CPU here)", _ms(cpus[1:]), "ms", None))
            ids = filled(app, keys)[:50]
            found.append(row(f"{engine}: first request of a cold tenant, mode {mode} (CPU)", _cold(app, keys, ids),
                             "ms", COLD_TARGETS[engine]))  # fmt: skip
            found.append(_taking_turns(app, engine, mode, keys, ids))
    except PlacementNotServed as error:
        print(f"{engine}, mode {mode}: left out: {error.what}", file=sys.stderr)
    return found


def _ms(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1000


def _request(app: Application, tenant: str, id: Any) -> object:
    with app.scope(tenant, can("*")) as scope:
        return scope[IDomain[Item]].get_by_id(id)


def _cold(app: Application, keys: list[str], ids: list[Any]) -> float:
    """Median of the first request in an application that knows a tenant and has nothing open for it."""
    spent = []
    with Application.boot(app.settings, modules=[ItemsProvider]) as fresh:
        _request(fresh, "t00", _any_id(fresh))  # dialect, plans and directory are warm
        _request(fresh, keys[0], ids[0])
        for key in keys[1:]:
            fresh.tenants.bound(key)
            begun = time.thread_time()
            _request(fresh, key, ids[0])
            spent.append(time.thread_time() - begun)
    return _ms(spent)


def _any_id(app: Application) -> Any:
    with app.scope("t00", can("*")) as scope:
        return next(iter(scope[IDomain[Item]].stream()))[0].id


def _taking_turns(app: Application, engine: str, mode: str, keys: list[str], ids: list[Any]) -> Row:
    """Requests of many tenants, one after the other, beside the same in common tables."""
    own, common = itertools.cycle(keys), itertools.cycle(TENANTS[:2])
    wanted, known = itertools.cycle(ids), _any_id(app)
    app.tenants._known.clear()
    spent = compare(
        engine,
        {
            "row": lambda: _request(app, next(common), known),
            mode: lambda: _request(app, next(own), next(wanted)),
        },
    )
    what = f"{engine}: {len(keys)} tenants in turn, mode {mode} ÷ mode row"
    return row(what, spent[mode] / spent["row"], "×", 1.25 if mode == "schema" else None)
