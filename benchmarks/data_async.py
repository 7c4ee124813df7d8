"""Data, async: the bridge, and the public repository in ``DB_MODE=async`` beside the drivers and SQLAlchemy Core."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks._data import COUNT, Item, ItemsProvider, Server, item, key, scratch, server
from benchmarks._data_peers import table_of
from benchmarks._data_raw import RAW
from benchmarks._measure import Row, row
from prefiq import IDomain, Page, await_, call, can
from prefiq.testing import make_application

ENGINES = ("sqlite", "postgres", "mariadb")
ALONE = {"sqlite": 2.5, "postgres": 1.15, "mariadb": 1.20}
AT_ONCE = {"sqlite": 10.0, "postgres": 3.0, "mariadb": 2.0}
CALLERS = 50
CONNECTIONS = 10
_ASYNC = {"sqlite": "sqlite+aiosqlite", "postgres": "postgresql+psycopg_async", "mariadb": "mariadb+asyncmy"}

Get = Callable[[UUID], Awaitable[object]]


def rows() -> list[Row]:
    """Every row of this benchmark."""
    found = [asyncio.run(_bridge())]
    for engine in ENGINES:
        code = f"import json; from benchmarks.data_async import measured; print(json.dumps(measured({engine!r})))"
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
        found += json.loads(done.stdout.splitlines()[-1])
    return found


async def _bridge() -> Row:
    """A use case with one wait, over the same coroutine awaited."""

    async def nothing() -> int:
        return 1

    def use_case() -> int:
        return await_(nothing())

    best = {"call": float("inf"), "await": float("inf")}
    number = 20_000
    for _ in range(9):
        start = time.thread_time_ns()
        for _ in range(number):
            await call(use_case)
        best["call"] = min(best["call"], (time.thread_time_ns() - start) / number / 1e3)
        start = time.thread_time_ns()
        for _ in range(number):
            await nothing()
        best["await"] = min(best["await"], (time.thread_time_ns() - start) / number / 1e3)
    return row("the bridge, a use case with one wait", best["call"] - best["await"], "µs", 3.0)


def measured(engine: str) -> list[Row]:
    """The rows of one engine; none where no server answers."""
    folder = scratch()
    with server(engine, folder) as at:
        if at is None:
            print(f"no {engine} answers: left out", file=sys.stderr)
            return []
        with (
            make_application(folder, modules=[ItemsProvider], tenants=("acme",), **at.settings()) as app,
            app.scope("acme", can("*")) as scope,
        ):
            scope[IDomain[Item]].save_many([item(number) for number in range(COUNT)])
            ids = [entity.id for entity in scope[IDomain[Item]].list(Page(limit=200)).items]
        return asyncio.run(_measured(engine, at, folder, ids))


async def _measured(engine: str, at: Server, folder: Any, ids: list[UUID]) -> list[Row]:
    from prefiq import Application
    from prefiq.settings import Settings

    settings = Settings.for_test(folder, DB_MODE="async", DB_POOL_SIZE=CONNECTIONS, **at.settings())
    async with Application.prepare(settings, modules=[ItemsProvider]) as app:
        core = _core(engine, at)
        raw, close = await _raw(engine, at)
        contestants: dict[str, Get] = {"Core": core[0]}

        async def ours(id: UUID) -> object:
            async with app.scope("acme", can("*")) as scope:
                return await call(scope[IDomain[Item]].get_by_id, id)

        contestants["prefiq"] = ours
        found: list[Row] = []
        async with app.scope("acme", can("*")) as scope:
            store = scope[IDomain[Item]]

            async def held(id: UUID) -> object:
                return await call(store.get_by_id, id)

            alone = await _alone({"raw": raw, "prefiq": held, "Core": core[0]}, ids)
        ratio = alone["prefiq"] / alone["raw"]
        peer = f"async Core {alone['Core'] / alone['raw']:.1f}; raw {alone['raw'] * 1e6:.0f} µs"
        found.append(
            row(f"{engine}, async: get by id, one caller ÷ raw driver", ratio, "×", ALONE[engine], peer)
        )
        speeds, cpu = await _at_once(contestants, ids)
        told = f"{speeds['prefiq']:,.0f} calls a second, async Core {speeds['Core']:,.0f}; wanted is 1 ÷ {AT_ONCE[engine]:g}"
        told += f"; CPU ×{cpu['prefiq'] / cpu['Core']:.2f}"
        found.append(
            row(
                f"{engine}, async: async Core ÷ ours, calls a second at {CALLERS} callers",
                speeds["Core"] / speeds["prefiq"],
                "×",
                1 / AT_ONCE[engine],
                told,
            )
        )
        await close()
        await core[1].dispose()
    return found


async def _alone(contestants: Mapping[str, Get], ids: list[UUID]) -> dict[str, float]:
    """Seconds per call, the tenth percentile of turns in which each is called one after the other."""
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    around = itertools.cycle(ids)
    for get in contestants.values():
        await get(next(around))
    for _ in range(40):
        for name, get in contestants.items():
            start = time.perf_counter()
            for _ in range(50):
                await get(next(around))
            spent[name].append((time.perf_counter() - start) / 50)
    return {name: sorted(values)[len(values) // 10] for name, values in spent.items()}


async def _at_once(
    contestants: Mapping[str, Get], ids: list[UUID]
) -> tuple[dict[str, float], dict[str, float]]:
    """Calls a second with many callers, and this process's CPU seconds for a call: the best of the turns."""
    best, least = dict.fromkeys(contestants, 0.0), dict.fromkeys(contestants, float("inf"))
    around = itertools.cycle(ids)
    each = 40

    async def caller(get: Get) -> None:
        for _ in range(each):
            await get(next(around))

    for _ in range(6):
        for name, get in contestants.items():
            start, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(caller(get) for _ in range(CALLERS)))
            least[name] = min(least[name], (time.process_time() - cpu) / CALLERS / each)
            best[name] = max(best[name], CALLERS * each / (time.perf_counter() - start))
    return best, least


def _core(engine: str, at: Server) -> tuple[Get, AsyncEngine]:
    """Async SQLAlchemy Core with a statement built once, on the same driver and as many connections."""
    with at.peer().connect():
        table = table_of(at.peer())
    made = create_async_engine(at.url.set(drivername=_ASYNC[engine]), pool_size=CONNECTIONS, max_overflow=0)
    statement = sa.select(table).where(
        table.c.tenant_id == sa.bindparam("tenant"), table.c.id == sa.bindparam("key")
    )

    async def get(id: UUID) -> object:
        async with made.connect() as connection:
            return (await connection.execute(statement, {"tenant": "acme", "key": key(engine, id)})).one()

    return get, made


async def _raw(engine: str, at: Server) -> tuple[Get, Callable[[], Awaitable[None]]]:
    """The driver alone on one open connection; of SQLite the plain one, which has nothing to wait for."""
    url = at.url
    if engine == "sqlite":
        plain = RAW["sqlite"](at, "acme")

        async def get_plain(id: UUID) -> object:
            return plain.get(id)

        async def close_plain() -> None:
            plain.connection.close()

        return get_plain, close_plain
    sql = RAW[engine](at, "acme").select + " AND id=%s"
    opened: Any
    if engine == "postgres":
        import psycopg

        opened = await psycopg.AsyncConnection.connect(
            host=url.host, port=url.port or 5432, user=url.username, password=url.password, dbname=url.database,
            autocommit=True,
        )  # fmt: skip
    else:
        import asyncmy

        opened = await asyncmy.connect(
            host=url.host, port=url.port or 3306, user=url.username, password=url.password or "", db=url.database,
            autocommit=True, charset="utf8mb4",
        )  # fmt: skip
    cursor = opened.cursor()

    async def get(id: UUID) -> object:
        await cursor.execute(sql, ("acme", key(engine, id)))
        return (await cursor.fetchall())[0]

    async def close() -> None:
        if engine == "postgres":
            await opened.close()
        else:
            await opened.ensure_closed()

    return get, close
