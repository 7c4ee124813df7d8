"""The plan: what is compiled from the providers does what they do, also after they were changed natively."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dependency_injector import providers
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.container.random_graphs import Drawing, Graph, graphs

from prefiq.container import Binder, Container, Lazy, compose, plan
from prefiq.contracts import Bound, Scope

OpenScope = Callable[[Container], Scope]


class Clock:
    pass


class Repo:
    def __init__(self, clock: Clock, scope: Scope) -> None:
        self.clock, self.scope = clock, scope


class Service:
    def __init__(self, repo: Repo, *, clock: Clock) -> None:
        self.repo, self.clock = repo, clock


class Other:
    def __init__(self, repo: Repo) -> None:
        self.repo = repo


@contextmanager
def planning(on: bool) -> Iterator[None]:
    before = os.environ.get("PREFIQ_PLAN")
    os.environ["PREFIQ_PLAN"] = "1" if on else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PREFIQ_PLAN"]
        else:
            os.environ["PREFIQ_PLAN"] = before


@pytest.fixture
def shop() -> Container:
    to = Binder("shop")
    to.app(Clock)
    to.bind(Repo)
    to.bind(Service)
    to.bind(Other)
    with planning(True):
        return compose(to.seal())


@pytest.fixture(params=[1, plan.WARM + 2], ids=["first", "warm"])
def asked(request: pytest.FixtureRequest, shop: Container, open_scope: OpenScope) -> Container:
    """The shop after its service was asked for a few or many times."""
    for _ in range(request.param):
        open_scope(shop)[Service]
    return shop


def steps_of(container: Container, contract: Any) -> Any:
    return container._steps.known.get(contract)


def changes(count: int) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    node = st.integers(0, count)
    return st.lists(
        st.one_of(
            st.tuples(st.just("ask"), node),
            st.tuples(st.just("ask"), node),
            st.tuples(st.just("scope"), node),
            st.tuples(st.just("override"), node),
            st.tuples(st.just("factory"), node, node),
            st.tuples(st.just("reset"), node),
            st.tuples(st.just("forget"), node),
            st.tuples(st.just("fork"), node, st.booleans()),
            st.tuples(st.just("argument"), node),
        ),
        min_size=4,
        max_size=14,
    )


class Player:
    """Does the same things to a container and draws everything that came of it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.container = compose(graph.bindings())
        self.containers = [self.container]
        self.container.open()
        self.drawing = Drawing()
        self.scope = self._open()
        self.drawn: list[Any] = []

    def _open(self) -> Scope:
        return Scope(Bound("acme"), resolve=self.container.resolve).__enter__()

    def _renew(self) -> None:
        self.scope.__exit__(None, None, None)
        self.scope = self._open()

    def provider(self, number: int) -> Any:
        return self.container.supply[number % len(self.container.graph.nodes)]

    def play(self, steps: list[tuple[Any, ...]]) -> list[Any]:
        for name, *arguments in steps:
            getattr(self, f"do_{name}")(*arguments)
            for part in self.graph.parts:
                self.drawn.append((name, self._ask(part.contract)))
        self.scope.__exit__(None, None, None)
        for container in reversed(self.containers):
            container.close()
        return self.drawn

    def _ask(self, contract: Any) -> Any:
        try:
            return self.drawing.draw(self.scope[contract])
        except RecursionError:  # a native overriding may well ask for itself
            return "recursion"
        except Exception as error:  # noqa: BLE001  both must fail alike
            return type(error).__name__, getattr(error, "__notes__", [])

    def do_ask(self, number: int) -> None:
        contract = self.graph.parts[number % len(self.graph.parts)].contract
        self.drawn += [self._ask(contract), self._ask(Lazy[contract]), self._ask(list[contract])]  # type: ignore[valid-type]

    def do_scope(self, _number: int) -> None:
        self._renew()

    def do_override(self, number: int) -> None:
        self.provider(number).override(providers.Object("fake"))
        self._renew()

    def do_factory(self, number: int, other: int) -> None:
        if number % len(self.container.graph.nodes) > other % len(self.container.graph.nodes):
            made = type("Fake", (), {"__init__": lambda self, given: setattr(self, "given", (given,))})
            self.provider(number).override(providers.Factory(made, self.provider(other)))
        self._renew()

    def do_reset(self, number: int) -> None:
        self.provider(number).reset_override()
        self._renew()

    def do_forget(self, number: int) -> None:
        provider = self.provider(number)
        if isinstance(provider, providers.Singleton | providers.ThreadSafeSingleton):
            provider.reset()
        self._renew()

    def do_argument(self, number: int) -> None:
        provider = self.provider(number)
        if isinstance(provider, providers.Factory) and provider.args:
            provider.set_args("given", *provider.args[1:])
        self._renew()

    def do_fork(self, number: int, makes: bool) -> None:
        part = self.graph.parts[number % len(self.graph.parts)]
        kind = type(f"Fork{number}", (part.contract,), {})
        self.container = self.container.fork({part.contract: kind if makes else kind()})
        self.containers.append(self.container)
        self.container.open()
        self._renew()


@settings(max_examples=150, deadline=None)
@given(graphs(), changes(12))
def test_plan_and_providers_agree(graph: Graph, steps: list[tuple[Any, ...]]) -> None:
    """Whatever is bound and however it is changed natively or forked, both ways give the same structure and sharing."""
    warm, plan.WARM = plan.WARM, 2
    try:
        with planning(True):
            planned = Player(graph).play(steps)
        with planning(False):
            provided = Player(graph).play(steps)
    finally:
        plan.WARM = warm
    assert planned == provided


def test_contract_is_compiled(asked: Container) -> None:
    """After it was asked for, a contract is answered by a closure, not by its provider."""
    assert steps_of(asked, Service).__code__.co_name in {"warm", "take"}
    assert asked.supply[2].compiled is not None


def test_often_asked_becomes_one_function(shop: Container, open_scope: OpenScope) -> None:
    """What is asked for often builds everything in one function, shared objects once."""
    for _ in range(plan.WARM + 2):
        scope = open_scope(shop)
        service = scope[Service]
    assert steps_of(shop, Service).__code__.co_filename == "<plan>"
    assert service.repo is scope[Repo]
    assert service.repo.scope is scope
    assert service.clock is service.repo.clock is shop.resolve(None, Clock)
    assert scope[Other].repo is service.repo


def test_environment_turns_the_plan_off(open_scope: OpenScope) -> None:
    """With ``PREFIQ_PLAN=0`` the providers answer alone."""
    to = Binder("shop")
    to.app(Clock)
    with planning(False):
        container = compose(to.seal())
    open_scope(container)[Clock]
    assert steps_of(container, Clock) == container.supply[0].take


NATIVE: dict[str, Callable[[Any, Any], object]] = {
    "override": lambda repo, fake: repo.override(fake),
    "set_args": lambda repo, fake: repo.set_args(fake, None),
    "add_attributes": lambda repo, fake: repo.add_attributes(clock=fake),
    "set_provides": lambda repo, fake: repo.set_provides(lambda *_: Repo(fake, None)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("change", NATIVE)
def test_native_change_drops_the_plan(change: str, asked: Container, open_scope: OpenScope) -> None:
    """However a provider is changed, the next scope gets what the provider now says."""
    fake = Clock()
    NATIVE[change](asked.supply[1], Repo(fake, None) if change == "override" else fake)  # type: ignore[arg-type]
    assert open_scope(asked)[Service].repo.clock is fake
    assert open_scope(asked)[Other].repo.clock is fake


def test_native_reset_forgets_the_remembered(asked: Container, open_scope: OpenScope) -> None:
    """A singleton that is reset is built anew for everybody."""
    before = asked.resolve(None, Clock)
    asked.native.providers["shop.Clock"].reset()  # type: ignore[attr-defined]
    after = open_scope(asked)[Service]
    assert after.clock is not before
    assert after.clock is after.repo.clock is asked.resolve(None, Clock)


def test_nested_native_overriding_ends_in_order(asked: Container, open_scope: OpenScope) -> None:
    """Each end of an overriding is followed."""
    provider = asked.native.providers["shop.Clock"]
    real, first, second = asked.resolve(None, Clock), Clock(), Clock()
    with provider.override(first):
        assert open_scope(asked)[Service].clock is first
        with provider.override(second):
            assert open_scope(asked)[Service].clock is second
        assert open_scope(asked)[Service].clock is first
    assert open_scope(asked)[Service].clock is real


def test_native_change_reaches_forks_that_share_the_provider(asked: Container, open_scope: OpenScope) -> None:
    """What a fork shares is changed for it as well."""
    fork = asked.fork({Service: Service})
    assert open_scope(fork)[Service].clock is asked.resolve(None, Clock)
    fake = Clock()
    with asked.native.providers["shop.Clock"].override(fake):
        assert open_scope(fork)[Other].repo.clock is fake


def test_fork_keeps_native_changes_of_what_it_makes_anew(asked: Container, open_scope: OpenScope) -> None:
    """A fork copies a provider as it is, not as it was bound."""
    fake = Clock()
    with asked.native.providers["shop.Repo"].override(providers.Factory(Repo, fake, None)):
        mine = Clock()
        fork = asked.fork({Clock: mine})
        service = open_scope(fork)[Service]
        assert service.clock is mine
        assert service.repo.clock is fake
    asked.native.providers["shop.Repo"].set_args(asked.native.providers["shop.Clock"], "scope")  # type: ignore[attr-defined]
    fork = asked.fork({Clock: mine})
    assert (open_scope(fork)[Repo].clock, open_scope(fork)[Repo].scope) == (mine, "scope")


def test_overriding_provider_sees_the_scope_that_is_resolved_for(
    asked: Container, open_scope: OpenScope
) -> None:
    """A native overriding that asks back gets the explicit scope's objects, whichever is current."""

    class Fake:
        def __init__(self, repo: Repo) -> None:
            self.repo = repo

    native = asked.native.providers
    native["shop.Other"].override(providers.Factory(Fake, native["shop.Repo"]))
    first, second = open_scope(asked), open_scope(asked)
    with second:
        assert first[Other].repo is first[Repo]
    native["shop.Other"].reset_override()


@pytest.mark.parametrize("warm", [False, True])
def test_error_names_the_way_to_it(warm: bool, open_scope: OpenScope) -> None:
    """Notes of what was being built are the same compiled or not, also for an error that comes late."""
    broken: list[bool] = []

    class Breaks:
        def __init__(self) -> None:
            if broken:
                raise KeyError("x")

    class Middle:
        def __init__(self, breaks: Breaks) -> None: ...

    class Holds:
        def __init__(self, middle: Middle) -> None: ...

    to = Binder("shop")
    for kind in (Breaks, Middle, Holds):
        to.bind(kind)
    container = compose(to.seal())
    for _ in range(plan.WARM + 2 if warm else 2):
        open_scope(container)[Holds]
    broken.append(True)
    with pytest.raises(KeyError) as caught:
        open_scope(container)[Holds]
    assert [note.split(" (")[0] for note in caught.value.__notes__] == [
        f"while building {name} for {name}" for name in ("Breaks", "Middle", "Holds")
    ]


def test_threads_ask_while_providers_change(shop: Container, open_scope: OpenScope) -> None:
    """After an overriding has returned nobody gets the old object, and after its end nobody the fake."""
    real, fake = shop.resolve(None, Clock), Clock()
    provider = shop.native.providers["shop.Clock"]
    wrong: list[object] = []
    stop = threading.Event()
    allowed = {id(real), id(fake)}

    def ask() -> None:
        while not stop.is_set():
            service = open_scope(shop)[Service]
            if {id(service.clock), id(service.repo.clock)} - allowed:
                wrong.append(service)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        with provider.override(fake):
            if open_scope(shop)[Service].clock is not fake:
                wrong.append("fake")
        if open_scope(shop)[Service].clock is not real:
            wrong.append("real")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_scope_resource_is_opened_once_and_closed(open_scope: OpenScope) -> None:
    """A compiled resource of a scope opens and closes with each scope."""
    log: list[str] = []

    def opening(clock: Clock) -> Iterator[Other]:
        log.append("open")
        yield Other(clock)  # type: ignore[arg-type]
        log.append("close")

    to = Binder("shop")
    to.app(Clock)
    to.resource(Other, opening, per="scope")
    container = compose(to.seal())
    for _ in range(3):
        with open_scope(container) as scope:
            assert scope[Other] is scope[Other]
    assert log == ["open", "close"] * 3


def test_argument_may_be_another_librarys_provider(open_scope: OpenScope) -> None:
    """Arguments that are set natively may be any provider; one that is delegated is given itself."""
    to = Binder("shop")
    to.bind(Other, args={"repo": "none"})
    container = compose(to.seal())
    provider = container.supply[0]
    for argument, wanted in (
        (providers.Object("x"), "x"),
        (providers.Callable(lambda: "y"), "y"),
        ("z", "z"),
    ):
        provider.set_args(argument)
        for _ in range(3):
            assert open_scope(container)[Other].repo == wanted
    provider.set_args(delegated := providers.DelegatedFactory(Clock))
    for _ in range(3):
        assert open_scope(container)[Other].repo is delegated
