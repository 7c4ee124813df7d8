"""The pytest plugin: fixtures for an application and its scopes.

``@pytest.mark.prefiq(apps=["projects"])`` says which modules the test's application lists; the ini option
``prefiq_apps`` says it for a whole suite.  Every test has a database of its own.  Time stands still: the
application's clock is the fixture ``clock``, which the test moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
        "markers", "prefiq(apps=[...], **settings): what the test's application is made of"
    )


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
    for marker in request.node.iter_markers("prefiq"):
        options = {**options, **marker.kwargs}
    with ExitStack() as stack:
        base = make_application(tmp_path, **options)
        stack.callback(base.close)
        yield stack.enter_context(base.fork({IClock: clock}))


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
