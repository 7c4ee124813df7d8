"""The pytest plugin: fixtures for an application and its scopes.

``@pytest.mark.prefiq(apps=["projects"])`` says which modules the test's application lists; the ini option
``prefiq_apps`` says it for a whole suite.  Every test has a database of its own.  Time stands still: the
application's clock is the fixture ``clock``, which the test moves.  With
``@pytest.mark.prefiq(bind={IProject: ProjectMemory})`` the test gets a fork in which something else is bound.

``async def`` tests run on an event loop of the session, and so does every test whose application has
``DB_MODE=async`` (``@pytest.mark.prefiq(DB_MODE="async")``) or that uses an ``async def`` fixture.  Such a test
runs in the bridge with all its fixtures, plain and async ones: ``app``, ``scope`` and ``client`` work in it as
they are, plain code waits without ``await``, and a coroutine says ``await call(service.create, …)``.  Tests of
pytest-asyncio and anyio (by their markers, or ``asyncio_mode=auto``) stay theirs.  The ini option
``prefiq_settings`` sets variables for a whole suite: ``pytest -o prefiq_settings=DB_MODE=async``.

A test that leaves a scope or a fork with resources open, a provider changed natively, or on the loop a task, a
use case that still waits or a connection in use, is an error of that test, named in its report.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from prefiq.bridge import in_bridge
from prefiq.testing.ledger import LEDGER, Leaked

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.contracts import Actor, Scope
    from prefiq.foundation import FrozenClock
    from prefiq.testing.client import Client
    from prefiq.testing.on_loop import SessionLoop

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini options ``prefiq_apps`` and ``prefiq_settings``."""
    parser.addini("prefiq_apps", "Modules that test applications list, as in APPS", type="args", default=[])
    parser.addini("prefiq_settings", "Variables of test applications, as NAME=VALUE", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "prefiq(apps=[...], bind={contract: replacement}, **settings): what the test's application is made of;"
        " with DB_MODE='async' the test runs on an event loop",
    )


FAILED = pytest.StashKey[bool]()
LOOP = pytest.StashKey["SessionLoop"]()


def loop_of(config: pytest.Config) -> SessionLoop:
    """The loop of this session."""
    from prefiq.testing.on_loop import SessionLoop

    found = config.stash.get(LOOP, None)
    if found is None:
        found = config.stash[LOOP] = SessionLoop()
    return found


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the loop."""
    loop = config.stash.get(LOOP, None)
    if loop is not None:
        loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run the whole of a test on the loop where it belongs there."""
    from prefiq.testing.on_loop import runs_on_loop

    return run_on_loop(item, nextitem) if runs_on_loop(item) else None


def run_on_loop(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test on the session's loop: setup, call and teardown.  Always true, as pytest wants to hear."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    loop_of(item.config).run(runtestprotocol, item, nextitem=nextitem)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Await a test that is ``async def``."""
    from prefiq.testing.on_loop import await_test

    return (in_bridge() and await_test(pyfuncitem)) or None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Await a fixture that is ``async def``; what one of a wider scope opens is no single test's leak."""
    from prefiq.testing.on_loop import awaiting

    with awaiting(fixturedef, request, loop_of(request.config)):
        if fixturedef.scope == "function":
            return (yield)
        with LEDGER.outliving():
            return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember failures: what a failed test left open is no news."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember what outlives the test, once the fixtures that outlive it are there."""
    del item
    LEDGER.begin()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """After every fixture of the test has ended, nothing of it may be left."""
    try:
        return (yield)
    finally:
        left = LEDGER.end()
        if left and not item.stash.get(FAILED, False):
            raise Leaked(item.nodeid, tuple(left))


@pytest.fixture
def clock() -> FrozenClock:
    """The clock of the test's application; it stands at 2026-01-01 12:00 UTC until ``clock.tick(seconds)``."""
    from prefiq.foundation import FrozenClock

    return FrozenClock("2026-01-01T12:00:00+00:00")


@pytest.fixture
def app(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> Iterator[Application]:
    """A booted application with its tables and the tenants ``acme`` and ``globex``."""
    from prefiq.contracts import IClock
    from prefiq.testing.applications import make_application
    from prefiq.testing.on_loop import options_of

    options = options_of(request.node)
    bind: dict[Any, Any] = {IClock: clock, **options.pop("bind")}
    with ExitStack() as stack:
        base = make_application(tmp_path, **options)
        stack.callback(base.close)
        yield stack.enter_context(base.fork(bind))


@pytest.fixture
def tenant() -> str:
    """Key of the tenant that ``scope`` and ``client`` belong to."""
    return "acme"


@pytest.fixture
def other_tenant() -> str:
    """Key of another tenant, which must not see the first one's rows."""
    return "globex"


@pytest.fixture
def actor() -> Actor:
    """Who ``scope`` and ``client`` act as: one who may do everything; override it to take rights away."""
    from prefiq.foundation import can

    return can("*")


@pytest.fixture
def open_scope(app: Application) -> Iterator[Callable[..., Scope]]:
    """Opens scopes that are closed after the test: ``open_scope(tenant, actor)``."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(app.scope(*args, **kwargs))


@pytest.fixture
def scope(app: Application, tenant: str, actor: Actor) -> Iterator[Scope]:
    """A scope of ``tenant`` and ``actor``."""
    with app.scope(tenant, actor) as opened:
        yield opened


@pytest.fixture
def other_scope(app: Application, other_tenant: str, actor: Actor) -> Iterator[Scope]:
    """A scope of the other tenant and the same actor."""
    with app.scope(other_tenant, actor) as opened:
        yield opened


@pytest.fixture
def client(app: Application, tenant: str, actor: Actor) -> Iterator[Client]:
    """An HTTP client in this process, signed in as ``actor`` of ``tenant``."""
    from prefiq.testing.client import client_for

    with client_for(app, tenant=tenant, actor=actor) as made:
        yield made
