"""Resources that are opened and closed by async code, in one order with the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import pytest

from prefiq.application.explanation import explain, lines
from prefiq.bridge import await_, call, run
from prefiq.container import Binder, Container, check, compose
from prefiq.container.errors import AsyncResource, ResourceFailed, ResourceNotOpen
from prefiq.contracts import Bound, Scope
from prefiq.errors import Faults

Step = Callable[[Binder], None]


class Log(list[str]):
    """What happened, in order."""


class Part:
    """Something that is opened; its subclasses are the contracts."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts


class Pool(Part):
    pass


class Cache(Part):
    pass


class Index(Part):
    pass


class Mailer(Part):
    pass


@pytest.fixture
def log() -> Log:
    return Log()


def bound(*steps: Step, waits: bool = True) -> Container:
    to = Binder("shop")
    for step in steps:
        step(to)
    return compose(to.seal(), waits=waits)


async def open_pool(log: Log) -> AsyncIterator[Pool]:
    await asyncio.sleep(0)
    log.append("open pool")
    yield Pool()
    await asyncio.sleep(0)
    log.append("close pool")


@asynccontextmanager
async def open_cache(log: Log, pool: Pool) -> AsyncIterator[Cache]:
    await asyncio.sleep(0)
    log.append("open cache")
    yield Cache(pool)
    log.append("close cache")


@contextmanager
def open_index(log: Log, cache: Cache) -> Iterator[Index]:
    log.append("open index")
    yield Index(cache)
    log.append("close index")


class AsyncMailer(Mailer):
    """A client library's own class."""

    def __init__(self, log: Log, index: Index) -> None:
        super().__init__(index)
        self.log = log

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        self.log.append("open mailer")
        return self

    async def __aexit__(self, *error: object) -> None:
        assert error == (None, None, None)
        await asyncio.sleep(0)
        self.log.append("close mailer")


def everything(log: Log) -> Step:
    def bind(to: Binder) -> None:
        to.value(Log, log)
        to.resource(Mailer, AsyncMailer)
        to.resource(Index, open_index)
        to.resource(Cache, open_cache)
        to.resource(Pool, open_pool)

    return bind


ORDER = ["pool", "cache", "index", "mailer"]


def test_all_kinds_open_in_need_order_and_close_in_reverse(log: Log) -> None:
    """Async generators, async context managers by function and class, and plain ones."""
    container = bound(everything(log))

    def use() -> None:
        with container:
            mailer: Any = container.resolve(None, Mailer)
            assert isinstance(mailer.parts[0].parts[0].parts[0], Pool)
            assert log == [f"open {name}" for name in ORDER]
        with pytest.raises(ResourceNotOpen):
            container.resolve(None, Mailer)

    run(use)
    assert log == [*(f"open {name}" for name in ORDER), *(f"close {name}" for name in reversed(ORDER))]


def test_sync_mode_says_so_at_boot(log: Log) -> None:
    """Each one is named with its place; the plain one is none of them; both modes take what is both."""

    class Both(Part):
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None: ...

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *error: object) -> None: ...

    to = Binder("shop")
    everything(log)(to)
    to.resource(Both, Both)
    bindings = to.seal()
    found = [fault for fault in check(bindings).faults if isinstance(fault, AsyncResource)]
    assert sorted(fault.contract for fault in found) == ["Cache", "Mailer", "Pool"]
    assert all(fault.source.startswith(f"{__file__}:") for fault in found)
    assert len(check(bindings).faults) == 3
    assert check(bindings, waits=True).faults == ()


def test_report_says_how_each_is_opened(log: Log) -> None:
    """For ``doctor boot``."""
    opens = {entry.implementation: entry.opens for entry in bound(everything(log)).report.entries}
    assert opens == {
        "AsyncMailer": "async",
        "open_index": "plain",
        "open_cache": "async",
        "open_pool": "async",
        next(name for name in opens if "open" not in name and "Mailer" not in name): "",
    }


def test_explanation_says_so(log: Log) -> None:
    """For ``doctor boot --explain``."""
    graph = bound(everything(log), lambda to: to.resource(Part, open_pool, per="scope")).graph
    said = {name: next(lines(explain(graph, name))) for name in ("Index", "Mailer", "Part", "Log")}
    assert said["Index"].endswith("(one per application, opened and closed with it)")
    assert said["Mailer"].endswith("(one per application, opened and closed with it, async)")
    assert said["Part"].endswith("(one per scope, opened and closed with it, async)")
    assert said["Log"].endswith("(a value)")


def test_what_is_both_opens_as_the_mode_wants() -> None:
    """A class of plain and async context managers."""
    entered: list[str] = []

    class Both(Part):
        def __enter__(self) -> Self:
            entered.append("plain")
            return self

        def __exit__(self, *error: object) -> None: ...

        async def __aenter__(self) -> Self:
            entered.append("async")
            return self

        async def __aexit__(self, *error: object) -> None: ...

    with bound(lambda to: to.resource(Both, Both), waits=False):
        pass
    run(lambda: bound(lambda to: to.resource(Both, Both)).__enter__().close())
    assert entered == ["plain", "async"]


def test_outside_of_the_bridge_it_is_told(log: Log) -> None:
    """Opening names the resource; what was opened is closed again.  Closing hangs on nothing either."""
    container = bound(everything(log))
    with pytest.raises(Faults) as found:
        container.open()
    (fault,) = found.value.exceptions
    assert isinstance(fault, ResourceFailed)
    assert fault.contract == "Pool"
    assert fault.error == "it is async, and nothing here can wait for it"
    run(container.open)
    with pytest.raises(Faults) as found:
        container.close()
    assert sorted(f.contract for f in found.value.exceptions if isinstance(f, ResourceFailed)) == [
        "Cache",
        "Mailer",
        "Pool",
    ]
    assert log == [*(f"open {name}" for name in ORDER), "close index"]


def test_another_loop_cannot_close_it(log: Log) -> None:
    """It would wait there for what never comes."""
    container = bound(lambda to: to.value(Log, log), lambda to: to.resource(Pool, open_pool))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(call(container.open))
    with pytest.raises(Faults) as found:
        run(container.close)
    assert "it belongs to another event loop" in str(found.value)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def failing(name: str, kind: type[Part], log: Log, *, when: str) -> Callable[[], AsyncIterator[Part]]:
    async def opening() -> AsyncIterator[Part]:
        await asyncio.sleep(0)
        if when == "open":
            raise ValueError("secret")
        yield kind()
        await asyncio.sleep(0)
        log.append(f"close {name}")
        if when == "close":
            raise ValueError("secret")
        if when == "twice":
            yield kind()

    return opening


def test_every_failing_close_is_reported(log: Log) -> None:
    """And the rest is closed."""
    container = bound(
        lambda to: to.resource(Pool, failing("a", Pool, log, when="close")),  # type: ignore[arg-type]
        lambda to: to.resource(Cache, failing("b", Cache, log, when="never")),  # type: ignore[arg-type]
        lambda to: to.resource(Index, failing("c", Index, log, when="twice")),  # type: ignore[arg-type]
    )

    def use() -> None:
        container.open()
        container.close()

    with pytest.raises(Faults) as found:
        run(use)
    assert {f.contract: f.error for f in found.value.exceptions if isinstance(f, ResourceFailed)} == {
        "Pool": "ValueError",
        "Index": "RuntimeError",
    }
    assert "secret" not in str(found.value)
    assert sorted(log) == ["close a", "close b", "close c"]


def test_failed_opening_closes_what_was_opened(log: Log) -> None:
    """Also where nothing is yielded."""

    async def nothing(pool: Pool) -> AsyncIterator[Index]:
        for _ in range(0):
            yield Index()

    for when, opening in (
        ("ValueError", failing("x", Cache, log, when="open")),
        ("it yields nothing", nothing),
    ):
        log.clear()
        contract: Any = Cache if when == "ValueError" else Index
        container = bound(
            lambda to: to.value(Log, log),
            lambda to: to.resource(Pool, open_pool),
            lambda to, contract=contract, opening=opening: to.resource(contract, opening),  # type: ignore[misc]
        )
        with pytest.raises(Faults) as found:
            run(container.open)
        assert when in str(found.value)
        assert log == ["open pool", "close pool"]
        with pytest.raises(ResourceNotOpen):
            container.resolve(None, Pool)


# -- cancellation


def waiting(name: str, log: Log, gate: asyncio.Event, *, when: str, kind: type[Part]) -> Any:
    async def opening(pool: Pool) -> AsyncIterator[Part]:
        if when == "open":
            await gate.wait()
        log.append(f"open {name}")
        yield kind(pool)
        if when == "close":
            await gate.wait()
        log.append(f"close {name}")

    return opening


@pytest.mark.parametrize("when", ["open", "close"])
def test_cancelled_in_the_middle_closes_the_rest(log: Log, when: str) -> None:
    """Start-up or shutdown that is cancelled leaves nothing open, and counts as cancelled."""

    async def main() -> None:
        gate = asyncio.Event()
        container = bound(
            lambda to: to.value(Log, log),
            lambda to: to.resource(Pool, open_pool),
            lambda to: to.resource(Cache, waiting("cache", log, gate, when=when, kind=Cache)),
        )
        if when == "close":
            await call(container.open)
        task = asyncio.create_task(call(container.open if when == "open" else container.close))
        while len(log) < (1 if when == "open" else 2):  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert container.opened == []

    asyncio.run(main())
    assert log[-1] == "close pool"


# -- scopes and forks


def test_resource_of_a_scope(log: Log) -> None:
    """Opened when it is first asked for, in the bridge, and closed with the scope, by the plan too."""
    container = bound(lambda to: to.value(Log, log), lambda to: to.resource(Pool, open_pool, per="scope"))

    def use() -> None:
        for _ in range(3):
            log.clear()
            with Scope(Bound("acme"), resolve=container.resolve) as scope:
                assert log == []
                assert scope[Pool] is scope[Pool]
                assert log == ["open pool"]
            assert log == ["open pool", "close pool"]

    run(use)

    async def main() -> None:
        async with Scope(Bound("acme"), resolve=container.resolve) as scope:
            log.clear()
            assert isinstance(await call(scope.__getitem__, Pool), Pool)
        assert log == ["open pool", "close pool"]

    asyncio.run(main())


def test_fork_opens_its_own(log: Log) -> None:
    """What depends on the replaced is opened anew and closed by the fork; the replacement may be async itself."""
    container = bound(everything(log))

    async def fake(log: Log) -> AsyncIterator[Pool]:
        log.append("open fake")
        yield Pool("fake")
        log.append("close fake")

    def use() -> None:
        with container:
            log.clear()
            with container.fork({Pool: fake}) as fork:
                mailer: Any = fork.resolve(None, Mailer)
                assert mailer.parts[0].parts[0].parts[0].parts == ("fake",)
                assert log == ["open fake", "open cache", "open index", "open mailer"]
                original: Any = container.resolve(None, Mailer)
                assert original.parts[0].parts[0].parts[0].parts == ()
            assert log[4:] == ["close mailer", "close index", "close cache", "close fake"]

    run(use)
    sync = bound(lambda to: to.value(Log, log), lambda to: to.app(Pool), waits=False)
    with pytest.raises(Faults) as found:
        sync.fork({Pool: fake})
    assert "is async, and DB_MODE is sync" in str(found.value)


# -- objects of the application whose constructors wait


def test_object_is_built_once_by_many_tasks() -> None:
    """Though its constructor awaits: the tasks that ask meanwhile wait for it."""
    built: list[int] = []

    class Slow:
        def __init__(self) -> None:
            built.append(1)
            await_(asyncio.sleep(0.001))

    container = bound(lambda to: to.app(Slow))

    async def main() -> None:
        found = await asyncio.gather(*(call(container.resolve, None, Slow) for _ in range(20)))
        assert len(set(map(id, found))) == 1

    asyncio.run(main())
    assert built == [1]


def test_builder_that_is_cancelled_leaves_it_to_the_next() -> None:
    """Who was waiting builds it."""
    gates: list[asyncio.Event] = []

    class Slow:
        def __init__(self) -> None:
            gates.append(asyncio.Event())
            await_(gates[-1].wait())

    container = bound(lambda to: to.app(Slow))

    async def main() -> None:
        first = asyncio.create_task(call(container.resolve, None, Slow))
        second = asyncio.create_task(call(container.resolve, None, Slow))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(gates) == 1
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(gates) == 2
        gates[1].set()
        assert isinstance(await second, Slow)

    asyncio.run(main())


def test_loop_itself_does_not_wait_for_a_builder() -> None:
    """A coroutine that asks without ``call`` would stop the loop that the builder needs: it is told."""

    class Slow:
        def __init__(self) -> None:
            await_(asyncio.sleep(0.01))

    container = bound(lambda to: to.app(Slow))

    async def main() -> None:
        task = asyncio.create_task(call(container.resolve, None, Slow))
        await asyncio.sleep(0)
        with pytest.raises(Exception, match=r"await call\(function"):
            container.resolve(None, Slow)
        assert isinstance(await task, Slow)
        assert container.resolve(None, Slow) is await task

    asyncio.run(main())
