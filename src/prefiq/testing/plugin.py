"""The pytest plugin: fixtures for an application and its scopes.

``@pytest.mark.prefiq(apps=["projects"])`` says which modules the test's application lists; the ini option
``prefiq_apps`` says it for a whole suite.  Every test has a database of its own.  Time stands still: the
application's clock is the fixture ``clock``, which the test moves.  With
``@pytest.mark.prefiq(bind={IProject: ProjectMemory})`` the test gets a fork in which something else is bound.

A test that leaves a scope or a fork with resources open, or a provider changed natively, is an error of that
test, named in its report.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefiq.testing.ledger import LEDGER, Leaked

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.contracts import Actor, Scope
    from prefiq.foundation import FrozenClock
    from prefiq.testing.client import Client

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option ``prefiq_apps``."""
    parser.addini("prefiq_apps", "Modules that test applications list, as in APPS", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "prefiq(apps=[...], bind={contract: replacement}, **settings): what the test's application is made of",
    )


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """What a fixture of a wider scope opens is no single test's leak."""
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

    options: dict[str, Any] = {"apps": request.config.getini("prefiq_apps")}
    bind: dict[Any, Any] = {IClock: clock}
    for marker in reversed(list(request.node.iter_markers("prefiq"))):  # the nearest one last, to win
        bind |= marker.kwargs.get("bind", {})
        options |= {name: value for name, value in marker.kwargs.items() if name != "bind"}
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
