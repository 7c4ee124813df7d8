"""Fixtures of every test: a database of its own on each engine, and which tests a run selects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import servers
from tests.servers import ENGINES, MODES, Database

from prefiq.testing.plugin import run_on_loop


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test whose parameter ``place`` says ``…-async`` runs on the loop, plain as it is."""
    place = item.callspec.params.get("place") if hasattr(item, "callspec") else None
    return run_on_loop(item, nextitem) if isinstance(place, str) and place.endswith("-async") else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the tests marked `full`, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without ``--full``, the tests marked so stay out, unless they are asked for by name or by ``-m``."""
    if config.getoption("--full") or config.getoption("-m") or any("::" in name for name in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("full")]


def pytest_unconfigure() -> None:
    servers.drop_all()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn; ``@pytest.mark.parametrize("engine", SERVERS, scope="session")`` for some of them."""
    name: str = request.param
    return name


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Each mode in turn."""
    name: str = request.param
    return name


@pytest.fixture
def database(engine: str, mode: str, tmp_path: Path) -> Iterator[Database]:
    """A fresh, empty database on each engine, for each mode."""
    with servers.database(engine, mode, folder=tmp_path) as made:
        yield made


@pytest.fixture
def settings_for(database: Database) -> dict[str, str]:
    """Variables of an application in tests that keeps its data in ``database``."""
    return {"ENV": "test", **database.variables()}
