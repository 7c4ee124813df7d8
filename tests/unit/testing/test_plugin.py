"""The pytest plugin: what the marker binds, and that a test which leaves something behind fails by its name."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SHOP = """
from typing import Protocol
from collections.abc import Iterator
import pytest
from prefiq import Binder, ProviderBase, Scope
from prefiq.testing import make_application


class IGreeter(Protocol):
    def greet(self) -> str: ...


class Greeter:
    def greet(self) -> str:
        return "hello"


class Fake:
    def greet(self) -> str:
        return "fake"


class Other:
    def greet(self) -> str:
        return "other"


class Counter:
    pass


class Index:
    pass


def open_index(greeter: IGreeter) -> Iterator[Index]:
    yield Index()


class ShopProvider(ProviderBase):
    def bind(self, to: Binder) -> None:
        to.app(IGreeter, Greeter)
        to.app(Counter)
        to.resource(Index, open_index)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    app = make_application(tmp_path_factory.mktemp("app"), modules=[ShopProvider])
    app.container.resolve(None, Counter)
    with app.scope("acme"):
        pass
    left_open = app.scope("acme")
    with app:
        yield app
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(shop=SHOP)
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:cacheprovider\n")
    return pytester


def run(suite: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    suite.makepyfile(test_it="import pytest\nfrom shop import *\n" + code)
    return suite.runpytest_subprocess(*options)


def test_marker_binds(suite: pytest.Pytester) -> None:
    """``bind`` replaces what answers a contract, the nearest marker winning, in the fixture ``app`` and all on it."""
    result = run(
        suite,
        """
pytestmark = [
    pytest.mark.prefiq(modules=[ShopProvider]),
    pytest.mark.prefiq(bind={IGreeter: Other()}),
]

def test_module(scope):
    assert scope[IGreeter].greet() == "other"

@pytest.mark.prefiq(bind={IGreeter: Fake})
def test_function(app, scope):
    assert scope[IGreeter].greet() == "fake"
    assert app.container.resolve(None, IGreeter) is scope[IGreeter]

@pytest.mark.prefiq(bind={Counter: Counter})
def test_more(app):
    assert app.container.resolve(None, IGreeter).greet() == "other"
    assert isinstance(app.container.resolve(None, Index), Index)
""",
    )
    result.assert_outcomes(passed=3)


def test_unknown_contract_in_the_marker_is_an_error(suite: pytest.Pytester) -> None:
    """A contract that nobody binds is told with the nearest name, not passed over."""
    result = run(
        suite,
        """
class IGreter: pass

@pytest.mark.prefiq(modules=[ShopProvider], bind={IGreter: Fake})
def test_it(app): pass
""",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Nothing is bound to IGreter*", "*did you mean IGreeter?*"])


LEAKS = """
@pytest.fixture
def made(tmp_path):
    return make_application(tmp_path, modules=[ShopProvider])

def test_scope(made):
    with made:
        made.scope("acme")

def test_entered(lasting):
    lasting.scope("acme").__enter__()

def test_application(made):
    pass

def test_fork(lasting):
    lasting.fork({IGreeter: Fake}).open()

def test_override(lasting):
    lasting.container.native.providers["shop.IGreeter"].override(Fake())
    assert lasting.container.resolve(None, IGreeter).greet() == "fake"

def test_arguments(lasting):
    lasting.container.native.providers["shop.Counter"].set_provides(Fake)

def test_singleton(lasting):
    lasting.container.native.providers["shop.Counter"].reset()
    lasting.container.resolve(None, Counter)

def test_nothing_is_left(lasting):
    from prefiq.contracts.scope import current_scope_or_none
    assert current_scope_or_none() is None
    assert lasting.container.resolve(None, IGreeter).greet() == "hello"
    assert isinstance(lasting.container.resolve(None, Counter), Counter)

def test_tidy(lasting):
    with lasting.scope("acme") as scope, lasting.fork({IGreeter: Fake}) as fork:
        assert fork.container.resolve(None, IGreeter).greet() == "fake"
        with lasting.container.native.providers["shop.IGreeter"].override(Fake()):
            assert scope[IGreeter].greet() == "fake"

def test_failed(lasting):
    lasting.scope("acme")
    raise AssertionError("the test itself")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_leaks_fail_by_name(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Each thing left behind is an error of the test that left it, and the next test finds nothing of it."""
    result = run(suite, LEAKS, *workers)
    result.assert_outcomes(passed=9, failed=1, errors=7)
    text = result.stdout.str()
    for expected in (
        "test_it.py::test_scope left behind: an open scope, Scope(Bound(tenant='acme'",
        "test_it.py::test_entered left behind: an open scope",
        "test_it.py::test_application left behind: an application made at",
        "test_it.py::test_fork left behind: a fork made at",
        "test_it.py::test_override left behind: the native provider of IGreeter, which is overridden",
        "test_it.py::test_arguments left behind: the native provider of Counter, which was given other arguments",
        "test_it.py::test_singleton left behind: another object of the application for Counter",
    ):
        assert expected in text, expected
    assert "with open resources (" in text
    assert "test_failed left behind" not in text
    assert "test_it.py:1" in text  # where it was opened


def test_async_tests_are_guarded(suite: pytest.Pytester) -> None:
    """A scope that a coroutine leaves open is found though its context is gone; one it closes is fine."""
    result = run(
        suite,
        """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_tidy(lasting):
    with lasting.scope("acme") as scope:
        assert scope[IGreeter].greet() == "hello"

@pytest.mark.anyio
async def test_leaks(lasting):
    lasting.scope("acme").__enter__()
""",
    )
    result.assert_outcomes(passed=2, errors=1)
    assert "test_it.py::test_leaks left behind: an open scope" in result.stdout.str()


def test_suites_without_applications_are_left_alone(pytester: pytest.Pytester) -> None:
    """The plugin is loaded in every suite; one that makes no application loads none of Prefiq's rooms above."""
    pytester.makepyfile("""
import sys

def test_it():
    assert "prefiq.application" not in sys.modules
    assert "sqlalchemy" not in sys.modules
""")
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)
