"""An application with ``DB_MODE=async``, used from coroutines, from the bridge, and where neither is."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from prefiq import (
    Application,
    Binder,
    Entity,
    IDomain,
    IDomainService,
    NoBridge,
    ProviderBase,
    UniqueViolation,
    UnknownTenant,
    await_,
    call,
    can,
    field,
    iterate,
    on,
    run,
    subscribe,
)
from prefiq.contracts import ScopeClosed, current_scope_or_none
from prefiq.errors import Faults
from prefiq.foundation import EntityChanged
from prefiq.settings import Settings
from prefiq.sql import ConnectionManager, Executor, Tables

EVERYTHING = can("*")
log: list[str] = []


class Thing(Entity):
    code: str = field(max_length=20, unique=True)
    note: str = field(default="", max_length=100)


class Feed:
    """What is opened by async code."""


@on.before_create(Thing)
async def enrich(thing: Thing, feed: Feed) -> None:
    """Awaits in the transaction, as a call of another service would."""
    await asyncio.sleep(0)
    assert isinstance(feed, Feed)
    if thing.code == "refused":
        raise LookupError("the other service says no")
    thing.note = "enriched"


@on.around_create(Thing)
async def told(thing: Thing) -> AsyncIterator[None]:
    await asyncio.sleep(0)
    log.append(f"begin {thing.code}")
    try:
        yield
    finally:
        await asyncio.sleep(0)
        log.append(f"end {thing.code}")


@subscribe(EntityChanged, model=Thing)
async def heard(event: EntityChanged) -> None:
    await asyncio.sleep(0)
    log.append(f"heard {event.entity.code}")


async def open_feed() -> AsyncIterator[Feed]:
    await asyncio.sleep(0)
    log.append("open")
    yield Feed()
    await asyncio.sleep(0)
    log.append("close")


class ThingsProvider(ProviderBase):
    models = (Thing,)
    hooks = (enrich, told)
    subscribers = (heard,)

    def bind(self, to: Binder) -> None:
        to.resource(Feed, open_feed)

    async def boot(self, app: Any) -> None:
        await asyncio.sleep(0)
        log.append("boot")


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.for_test(tmp_path, DB_MODE="async")


def prepared(settings: Settings, provider: type[ProviderBase] = ThingsProvider) -> Application:
    """A composed application whose database is there."""
    app = Application.prepare(settings, modules=[provider])
    tables = app.container.resolve(None, Tables)
    connections = ConnectionManager([settings.database], tables)
    with connections.schema_connection() as connection:
        tables.create_all(connection)
    connections.close()
    return app


def in_use(app: Application) -> int:
    pool: Any = app.container.resolve(None, ConnectionManager).engine().pool
    return int(pool.checkedout())


def test_from_a_coroutine(settings: Settings) -> None:
    """Open, scope, use cases and close, as the page says."""

    async def main() -> None:
        async with prepared(settings) as app:
            assert log == ["open", "boot"]
            await call(app.tenants.create, "acme")
            async with app.scope("acme", EVERYTHING) as scope:
                assert current_scope_or_none() is scope
                service = scope[IDomainService[Thing]]
                thing = await call(service.create, Thing(code="a"))
                assert thing.note == "enriched"
                assert (await call(service.get, thing.id)).code == "a"
                with pytest.raises(UniqueViolation):
                    await call(service.create, Thing(code="a"))
                rows = scope[IDomain[Thing]].stream()
                assert [one.code async for batch in iterate(rows) for one in batch] == ["a"]
            assert current_scope_or_none() is None
            assert await call(in_use, app) == 0
            with pytest.raises(ScopeClosed):
                scope[IDomainService[Thing]]
        assert log[-1] == "close"

    asyncio.run(main())
    assert log == ["open", "boot", "begin a", "heard a", "end a", "begin a", "end a", "close"]


def test_in_a_script(settings: Settings) -> None:
    """The same code as in sync mode."""

    def main() -> str:
        with prepared(settings) as app:
            app.tenants.create("acme")
            with app.scope("acme", EVERYTHING) as scope:
                return scope[IDomainService[Thing]].create(Thing(code="a")).note

    assert run(main) == "enriched"
    assert log[-1] == "close"


def test_what_an_async_hook_refuses_is_undone(settings: Settings) -> None:
    """Like a plain one's: the transaction has left nothing, and the connection is free."""

    def main() -> None:
        with prepared(settings) as app:
            app.tenants.create("acme")
            with app.scope("acme", EVERYTHING) as scope:
                service = scope[IDomainService[Thing]]
                with pytest.raises(LookupError):
                    service.create(Thing(code="refused"))
                assert service.list().items == []
            assert in_use(app) == 0

    run(main)


def test_use_cases_side_by_side(settings: Settings) -> None:
    """Each in its own scope; their transactions follow each other."""

    async def main() -> None:
        async with prepared(settings) as app:
            await call(app.tenants.create, "acme")

            async def create(code: str) -> None:
                async with app.scope("acme", EVERYTHING) as scope:
                    await call(scope[IDomainService[Thing]].create, Thing(code=code))

            async with asyncio.TaskGroup() as tasks:
                for number in range(20):
                    tasks.create_task(create(f"c{number}"))
            async with app.scope("acme", EVERYTHING) as scope:
                assert await call(scope[IDomain[Thing]].count) == 20

    asyncio.run(main())


def test_async_parts_are_faults_in_sync_mode(tmp_path: Path) -> None:
    """All named together, with their places, before anything is opened."""
    with pytest.raises(Faults) as found:
        Application.prepare(Settings.for_test(tmp_path), modules=[ThingsProvider])
    said = str(found.value)
    for part in ("things.enrich", "things.told", "things.heard", "open_feed, which opens the resource Feed"):
        assert part in said
    assert said.count(f"{__file__}:") == 4
    assert len(found.value.exceptions) == 4


# -- tenants


def test_unknown_tenant_is_told_on_entering(settings: Settings) -> None:
    """A coroutine cannot wait for the directory before; until then the scope opens nothing."""

    async def main() -> None:
        async with prepared(settings) as app:
            await call(app.tenants.create, "acme")
            scope = app.scope("nobody", EVERYTHING)
            with pytest.raises(RuntimeError, match=r"async with app\.scope"):
                scope[IDomainService[Thing]]
            with pytest.raises(UnknownTenant):
                await scope.__aenter__()
            assert scope.closed
            assert current_scope_or_none() is None
            with pytest.raises(UnknownTenant):
                app.scope("nobody", EVERYTHING)  # it is remembered for a while
            with pytest.raises(UnknownTenant):
                app.scope("No Tenant's Name", EVERYTHING)

    asyncio.run(main())


# -- where nothing can wait


def test_outside_of_the_bridge_it_is_told(settings: Settings) -> None:
    """A use case that is called directly in a coroutine says what to write, and harms nothing."""

    async def main() -> None:
        async with prepared(settings) as app:
            await call(app.tenants.create, "acme")
            async with app.scope("acme", EVERYTHING) as scope:
                service = scope[IDomainService[Thing]]
                with pytest.raises(NoBridge) as found:
                    service.create(Thing(code="a"))
                assert "await call(function, …)" in str(found.value)
                assert f"{__file__}:" in found.value.where
                assert (await call(service.create, Thing(code="a"))).code == "a"
            with pytest.raises(NoBridge), app.scope("globex"):
                pass

    asyncio.run(main())


def test_opening_outside_of_the_bridge_is_told(settings: Settings) -> None:
    """What is async cannot be opened there."""
    app = prepared(settings)
    with pytest.raises(Faults, match="The resources cannot be opened") as found:
        app.open()
    assert "it is async, and nothing here can wait for it" in str(found.value)


def leave_open(app: Application) -> Any:
    """A scope with an open transaction that has written."""
    scope = app.scope("acme", EVERYTHING).__enter__()
    executor = scope[Executor]
    executor.tx().__enter__()
    scope[IDomain[Thing]].save(Thing(code="left"))
    assert in_use(app) == 1
    return scope


def close_outside(scope: Any) -> None:
    scope.close()


def forget(scope: Any) -> None:
    del scope


@pytest.mark.parametrize("end", [close_outside, forget])
def test_scope_that_ends_outside_of_the_bridge(settings: Settings, end: Callable[[Any], None]) -> None:
    """Its transaction is undone and its connection free, though nothing could be awaited."""

    async def main() -> None:
        async with prepared(settings) as app:
            await call(app.tenants.create, "acme")
            held = [await asyncio.create_task(call(leave_open, app))]
            await asyncio.sleep(0)  # the loop forgets the task
            end(held.pop())
            gc.collect()

            def look() -> None:
                assert in_use(app) == 0
                with app.scope("acme", EVERYTHING) as scope:
                    assert scope[IDomain[Thing]].count() == 0
                    scope[IDomainService[Thing]].create(Thing(code="next"))

            await call(look)

    asyncio.run(main())


def test_cancelled_start_leaves_nothing_open(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a module boots, for instance."""

    async def main() -> None:
        gate = asyncio.Event()

        async def boot(self: Any, app: Any) -> None:
            gate.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(ThingsProvider, "boot", boot)
        app = prepared(settings)
        task = asyncio.create_task(call(app.open))
        await gate.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["open", "close"]
        assert app.container.opened == []

    asyncio.run(main())


def test_sync_applications_work_in_coroutines_too(tmp_path: Path) -> None:
    """They hold up the loop, as the driver does, and are used in the same way."""

    class Plain(ProviderBase):
        models = (Thing,)

    async def main() -> None:
        async with prepared(Settings.for_test(tmp_path), Plain) as app:
            app.tenants.create("acme")
            async with app.scope("acme", EVERYTHING) as scope:
                assert (await call(scope[IDomainService[Thing]].create, Thing(code="a"))).code == "a"

    asyncio.run(main())


def test_plain_hook_may_await(settings: Settings) -> None:
    """A plain ``def`` hook awaits by ``await_``, in async mode."""

    def check(thing: Thing) -> None:
        await_(asyncio.sleep(0))
        log.append("plain")

    class Plain(ProviderBase):
        models = (Thing,)
        hooks = (on.before_create(Thing)(check),)

    def main() -> None:
        with prepared(settings, Plain) as app:
            app.tenants.create("acme")
            with app.scope("acme", EVERYTHING) as scope:
                scope[IDomainService[Thing]].create(Thing(code="a"))

    run(main)
    assert log == ["plain"]


def test_two_loops_in_two_threads(settings: Settings) -> None:
    """Each has a pool of its own; the application is one."""
    app = prepared_plain(settings)
    run(app.tenants.create, "acme")

    def create(name: str) -> None:
        for number in range(20):
            with app.scope("acme", EVERYTHING) as scope:
                scope[IDomainService[Thing]].create(Thing(code=f"{name}{number}"))

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(run, create, name) for name in "abc"), call(create, "d"))
        async with app.scope("acme", EVERYTHING) as scope:
            assert await call(scope[IDomain[Thing]].count) == 80

    asyncio.run(main())
    app.close()


def prepared_plain(settings: Settings) -> Application:
    class Plain(ProviderBase):
        models = (Thing,)

    return prepared(settings, Plain).open()
