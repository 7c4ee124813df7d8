"""Tests on the event loop: which run there, that plain fixtures work in them, and what may not be left there."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SHOP = """
import asyncio
from collections.abc import AsyncIterator
import pytest
from prefiq import (
    Binder, Entity, IDomainService, ProviderBase, Scope, await_, call, current_scope_or_none, field,
)
from prefiq.bridge import in_bridge
from prefiq.sql import ConnectionManager
from prefiq.testing import make_application


class Item(Entity):
    name: str = field(max_length=20)


class Feed:
    def __init__(self):
        self.loop = asyncio.get_running_loop()

    async def fetch(self):
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        return "fetched"


async def open_feed() -> AsyncIterator[Feed]:
    await asyncio.sleep(0)
    yield Feed()
    await asyncio.sleep(0)


class ShopProvider(ProviderBase):
    models = (Item,)


class FeedProvider(ProviderBase):
    models = (Item,)

    def bind(self, to: Binder) -> None:
        to.resource(Feed, open_feed)

Items = IDomainService[Item]
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(shop=SHOP)
    pytester.makeini(
        "[pytest]\naddopts = -p no:randomly -p no:cacheprovider -p no:schemathesis\nfilterwarnings = error\n"
    )
    return pytester


def run(suite: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    suite.makepyfile(test_it="import pytest\nfrom shop import *\n" + code)
    return suite.runpytest_subprocess(*options)


def test_coroutines_and_plain_fixtures(suite: pytest.Pytester) -> None:
    """An async test, a plain test of an async application, async fixtures of each kind, methods, hypothesis."""
    result = run(
        suite,
        """
from hypothesis import given, settings, strategies as st

seen = []
pytestmark = pytest.mark.prefiq(modules=[FeedProvider], DB_MODE="async")


@pytest.fixture
async def item(scope):
    return await call(scope[Items].create, Item(name="of a coroutine"))


@pytest.fixture
async def opened(scope):
    seen.append("open")
    yield await call(scope[Items].create, Item(name="of a generator"))
    assert current_scope_or_none() is scope
    assert len((await call(scope[Items].list)).items) == 1
    seen.append("closed")


async def test_async(scope, item):
    assert current_scope_or_none() is scope
    assert (await call(scope[Items].get, item.id)).name == "of a coroutine"
    assert await scope[Feed].fetch() == "fetched"


def test_plain(scope, opened):
    assert in_bridge()
    assert scope[Items].get(opened.id).name == "of a generator"
    assert await_(scope[Feed].fetch()) == "fetched"


def test_what_came_before():
    assert seen == ["open", "closed"]


class TestMethods:
    @pytest.fixture
    async def name(self):
        self.kept = "kept"
        return "name"

    async def test_self(self, name, scope):
        assert (self.kept, name) == ("kept", "name")

    @pytest.mark.parametrize("n", [1, 2])
    async def test_parameters(self, n, request, open_scope):
        assert request.node.callspec.params == {"n": n}
        with pytest.raises(ZeroDivisionError):
            _ = n / 0


@settings(max_examples=5, database=None)
@given(number=st.integers())
async def test_property(number):
    await asyncio.sleep(0)
    assert isinstance(number, int)


async def test_fails(scope):
    await asyncio.sleep(0)
    assert 1 == 2


async def test_skips():
    pytest.skip("today")


@pytest.mark.xfail(strict=True)
async def test_expected():
    await asyncio.sleep(0)
    raise LookupError
""",
    )
    result.assert_outcomes(passed=7, failed=1, skipped=1, xfailed=1)
    text = result.stdout.str()
    assert "assert 1 == 2" in text
    assert "left behind" not in text


def test_wider_fixtures_live_on_one_loop(suite: pytest.Pytester) -> None:
    """A module's application and its background task serve several tests, plain ones among them."""
    result = run(
        suite,
        """
@pytest.fixture(scope="module")
async def lasting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    app = await call(make_application, folder, modules=[FeedProvider], DB_MODE="async")
    stop = asyncio.Event()

    async def beats():
        while not stop.is_set():
            await call(await_, asyncio.sleep(0.001))

    task = asyncio.create_task(beats())
    app.loop = asyncio.get_running_loop()
    yield app
    assert asyncio.get_running_loop() is app.loop
    stop.set()
    await task
    await call(app.close)


async def test_first(lasting):
    assert asyncio.get_running_loop() is lasting.loop
    async with lasting.scope("acme") as scope:
        assert await scope[Feed].fetch() == "fetched"


def test_second(lasting):
    assert asyncio.get_running_loop() is lasting.loop
    with lasting.scope("acme") as scope:
        assert await_(scope[Feed].fetch()) == "fetched"


def test_third():
    assert not in_bridge()
""",
    )
    result.assert_outcomes(passed=3)


def test_wider_async_fixture_ends_in_a_plain_test(suite: pytest.Pytester) -> None:
    """Where the last test of the module is none on the loop."""
    result = run(
        suite,
        """
ended = []

@pytest.fixture(scope="module")
async def lasting():
    yield asyncio.get_running_loop()
    await asyncio.sleep(0)
    ended.append(1)


async def test_first(lasting):
    assert asyncio.get_running_loop() is lasting


def test_last():
    assert not in_bridge()
    assert ended == []
""",
    )
    result.assert_outcomes(passed=2)


def test_client_is_answered_on_the_loop(suite: pytest.Pytester) -> None:
    """A request waits on the test's own loop, so what was opened there serves it."""
    result = run(
        suite,
        """
from uuid import UUID
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class WebProvider(FeedProvider):
    def boot(self, app):
        global feed
        feed = app.container.resolve(None, Feed)

    def routes(self):
        async def fetch(request):
            return PlainTextResponse(await feed.fetch())

        return [Route("/fetch", fetch)]


@pytest.mark.prefiq(modules=[WebProvider], DB_MODE="async")
def test_plain(client, scope):
    assert client.get("/api/web/fetch").text == "fetched"
    made = client.post("/api/web/items", json={"name": "x"})
    assert made.status_code == 201, made.text
    assert scope[Items].get(UUID(made.json()["id"])).name == "x"
    assert client.get("/api/web/items").json()["items"][0]["name"] == "x"
    assert client.get("/nowhere").status_code == 404
""",
    )
    result.assert_outcomes(passed=1)


def test_whole_suite_in_async_mode(suite: pytest.Pytester) -> None:
    """By an option; tests without an application stay as they are, and a marker has the last word."""
    code = """
pytestmark = pytest.mark.prefiq(modules=[ShopProvider])

def test_application(app, scope):
    assert app.settings.database.mode == "{mode}"
    assert in_bridge() is ("{mode}" == "async")
    assert scope[Items].create(Item(name="x")).name == "x"

@pytest.mark.prefiq(db_mode="sync")
def test_marked(app, scope):
    assert app.settings.database.mode == "sync"
    assert not in_bridge()
"""
    run(suite, code.replace("{mode}", "sync")).assert_outcomes(passed=2)
    result = run(suite, code.replace("{mode}", "async"), "-o", "prefiq_settings=DB_MODE=async")
    result.assert_outcomes(passed=2)
    result = run(
        suite, "def test_none():\n    assert not in_bridge()\n", "-o", "prefiq_settings=DB_MODE=async"
    )
    result.assert_outcomes(passed=1)


def test_tests_of_others_stay_theirs(suite: pytest.Pytester) -> None:
    """anyio's by its marker; a suite may have both kinds."""
    result = run(
        suite,
        """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def theirs():
    return asyncio.get_running_loop()

@pytest.mark.anyio
async def test_theirs(theirs):
    assert not in_bridge()
    assert theirs is asyncio.get_running_loop()

async def test_ours(theirs):
    assert theirs is asyncio.get_running_loop()
    assert await call(in_bridge)
""",
    )
    result.assert_outcomes(passed=2)


LEAKS = """
kept = []

async def never():
    await asyncio.Event().wait()

async def test_task():
    kept.append(asyncio.create_task(never()))
    await asyncio.sleep(0)

async def test_task_is_ended():
    assert kept[0].cancelled()

async def test_use_case():
    coroutine = call(lambda: await_(never()))
    coroutine.send(None)
    kept.append(coroutine)

async def test_no_more():
    kept.pop().close()

@pytest.mark.prefiq(modules=[ShopProvider], DB_MODE="async")
def test_connection(app):
    kept.append(app.container.resolve(None, ConnectionManager).checkout())

@pytest.mark.prefiq(modules=[ShopProvider])
def test_connection_in_sync_mode(app):
    kept.append(app.container.resolve(None, ConnectionManager).checkout())

@pytest.mark.prefiq(modules=[ShopProvider], DB_MODE="async")
async def test_scope(app):
    await call(app.scope("acme").__enter__)

@pytest.mark.prefiq(modules=[ShopProvider], DB_MODE="async")
async def test_tidy(app, scope):
    await call(scope[Items].create, Item(name="x"))
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    asyncio.get_running_loop().call_later(60, print)
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_leaks_on_the_loop_fail_by_name(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Tasks, use cases that wait for ever, connections; each is an error of the test that left it."""
    result = run(suite, LEAKS, *workers)
    text = result.stdout.str()
    for expected in (
        "test_it.py::test_task left behind: a task that still runs, never (",
        "test_it.py::test_use_case left behind: a use case that waits for ever (",
        "test_it.py::test_connection left behind: 1 connections of the database default in use",
        "test_it.py::test_connection_in_sync_mode left behind: 1 connections of the database default in use",
        "test_it.py::test_scope left behind: an open scope, Scope(Bound(tenant='acme'",
    ):
        assert expected in text, expected
    result.assert_outcomes(passed=8, errors=5)


def test_interrupt_ends_the_session(suite: pytest.Pytester) -> None:
    """Ctrl-C while a test waits: its fixtures clean up, awaiting, and pytest ends as it does."""
    result = run(
        suite,
        """
import os, signal

@pytest.fixture
async def opened():
    yield 1
    await asyncio.sleep(0)
    print("cleaned up", flush=True)

async def test_waits(opened):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()

async def test_never():
    raise AssertionError
""",
        "-s",
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = result.stdout.str()
    assert "cleaned up" in text
    assert "KeyboardInterrupt" in text
    assert "Task was destroyed" not in result.stderr.str()
