"""Forks: override without a leak."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from prefiq.container import Binder, Container, Lazy, compose
from prefiq.container.errors import (
    CaptiveDependency,
    ContractNotSatisfied,
    CyclicBindings,
    MissingBinding,
    ResourceNotOpen,
)
from prefiq.contracts import IDomain, Scope
from prefiq.errors import Faults

OpenScope = Callable[[Container], Scope]


class IClock(Protocol):
    def now(self) -> int: ...


class Clock:
    def now(self) -> int:
        return 1


class Frozen:
    def now(self) -> int:
        return 0


def make_frozen() -> IClock:
    return Frozen()


class Unrelated:
    pass


class Rates:
    def __init__(self, clock: IClock) -> None:
        self.clock = clock


class Service:
    def __init__(self, rates: Rates, unrelated: Unrelated) -> None:
        self.rates = rates
        self.unrelated = unrelated


class Later:
    def __init__(self, clock: Lazy[IClock]) -> None:
        self.clock = clock


class Model:
    pass


@pytest.fixture
def base() -> Container:
    to = Binder("shop")
    to.app(IClock, Clock)
    to.app(Rates)
    to.app(Unrelated)
    to.app(Later)
    to.bind(Service)
    return compose(to.seal())


def test_fork_reaches_singletons_that_were_built(base: Container, open_scope: OpenScope) -> None:
    """What depends on the replaced is made anew, the rest is shared, and the first container stays as it was."""
    before = open_scope(base)[Service]
    frozen = Frozen()
    fork = base.fork({IClock: frozen})
    forked = open_scope(fork)[Service]
    assert forked.rates.clock is frozen
    assert fork.resolve(None, Rates) is forked.rates
    assert forked.unrelated is before.unrelated
    assert open_scope(base)[Service].rates is before.rates
    assert isinstance(base.resolve(None, IClock), Clock)


def test_singleton_built_in_a_fork_does_not_leak(base: Container) -> None:
    """A singleton first built in a fork is not the base's."""
    fork = base.fork({IClock: Frozen()})
    assert fork.resolve(None, Rates) is not base.resolve(None, Rates)
    assert isinstance(base.resolve(None, Rates).clock, Clock)


def test_shared_singleton_first_built_in_a_fork_is_the_bases(base: Container) -> None:
    """What does not depend on the replaced is one object, whoever asks first."""
    fork = base.fork({IClock: Frozen()})
    assert fork.resolve(None, Unrelated) is base.resolve(None, Unrelated)


def test_lazy_counts_as_a_dependency(base: Container) -> None:
    """An object of the application that asks later gets the fork's object in the fork."""
    frozen = Frozen()
    assert base.resolve(None, Later).clock() is base.resolve(None, IClock)
    assert base.fork({IClock: frozen}).resolve(None, Later).clock() is frozen


def test_classes_and_functions_make_the_replacement(base: Container, open_scope: OpenScope) -> None:
    """A class or function keeps the lifetime of what it replaces, and is injected."""

    class Asks:
        def __init__(self, unrelated: Unrelated) -> None:
            self.unrelated = unrelated

        def now(self) -> int:
            return 2

    fork = base.fork({IClock: Asks})
    clock = fork.resolve(None, IClock)
    assert clock is fork.resolve(None, IClock)
    assert isinstance(clock, Asks)
    assert clock.unrelated is base.resolve(None, Unrelated)
    made = base.fork({IClock: make_frozen})
    assert isinstance(made.resolve(None, IClock), Frozen)
    assert made.resolve(None, IClock) is made.resolve(None, IClock)


def test_forks_nest(base: Container) -> None:
    """A fork of a fork keeps what the first replaced, and leaves it untouched."""
    frozen = Frozen()
    first = base.fork({IClock: frozen})
    rates = first.resolve(None, Rates)
    mine = Unrelated()
    second = first.fork({Unrelated: mine})
    assert second.resolve(None, Rates) is rates
    assert second.resolve(None, Unrelated) is mine
    assert first.resolve(None, Unrelated) is base.resolve(None, Unrelated)


def test_fork_is_seen_by_other_threads(base: Container) -> None:
    """A fork is an object, not a mode: a thread that holds it sees it, one that holds the base does not."""
    frozen = Frozen()
    fork = base.fork({IClock: frozen})
    found: dict[str, object] = {}

    def ask(name: str, container: Container) -> None:
        found[name] = container.resolve(None, Rates).clock

    threads = [threading.Thread(target=ask, args=pair) for pair in (("fork", fork), ("base", base))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["fork"] is frozen
    assert isinstance(found["base"], Clock)


def test_unknown_contract_names_the_nearest(base: Container) -> None:
    """A fork of what nobody binds is an error, with the nearest name and the caller's line."""

    class ICloc(Protocol):
        pass

    with pytest.raises(Faults) as caught:
        base.fork({ICloc: object()})
    (fault,) = caught.value.exceptions
    assert isinstance(fault, MissingBinding)
    assert (fault.contract, fault.nearest) == ("ICloc", "IClock")
    assert fault.source.startswith(__file__)


def test_replacement_must_satisfy_the_contract(base: Container) -> None:
    """A fake that lacks a method is found when the fork is made."""
    with pytest.raises(Faults) as caught:
        base.fork({IClock: Unrelated()})
    (fault,) = caught.value.exceptions
    assert isinstance(fault, ContractNotSatisfied)
    assert fault.what == "Unrelated does not satisfy IClock: it has no now"


def test_instance_may_bring_the_method_itself(base: Container) -> None:
    """A fake whose method was set on the object counts."""
    fake = Unrelated()
    fake.now = lambda: 5  # type: ignore[attr-defined]
    assert base.fork({IClock: fake}).resolve(None, IClock).now() == 5


def test_decorators_survive(open_scope: OpenScope) -> None:
    """A fork replaces what is wrapped, not what wraps it."""

    class Plus:
        def __init__(self, inner: IClock) -> None:
            self.inner = inner

        def now(self) -> int:
            return self.inner.now() + 10

    to = Binder("shop")
    to.app(IClock, Clock)
    to.decorate(IClock, Plus)
    fork = compose(to.seal()).fork({IClock: Frozen()})
    assert fork.resolve(None, IClock).now() == 10


class INotes(IDomain[Model], Protocol):
    pass


def test_family_is_replaced_with_its_contract(open_scope: OpenScope) -> None:
    """Replacing a contract replaces it under every name it answers."""

    class Fake:
        def __getattr__(self, name: str) -> object: ...

    def notes() -> INotes: ...  # type: ignore[empty-body]

    to = Binder("notes")
    to.bind(INotes, notes)
    base = compose(to.seal())
    for contract in (INotes, IDomain[Model]):
        fake: object = Fake()
        scope = open_scope(base.fork({contract: fake}))
        assert scope[INotes] is fake
        assert scope[IDomain[Model]] is fake


def test_resource_that_depends_on_the_replaced_is_the_forks_own() -> None:
    """Such a resource is opened and closed by the fork; others stay the base's."""
    log: list[str] = []

    class Index:
        def __init__(self, clock: IClock, pool: Unrelated) -> None:
            self.clock = clock
            self.pool = pool

    def opening(clock: IClock, pool: Unrelated) -> Iterator[Index]:
        log.append(f"open {type(clock).__name__}")
        yield Index(clock, pool)
        log.append(f"close {type(clock).__name__}")

    def pool() -> Iterator[Unrelated]:
        log.append("open pool")
        yield Unrelated()
        log.append("close pool")

    to = Binder("shop")
    to.app(IClock, Clock)
    to.resource(Index, opening)
    to.resource(Unrelated, pool)
    with compose(to.seal()) as base:
        fork = base.fork({IClock: Frozen()})
        with pytest.raises(ResourceNotOpen):
            fork.resolve(None, Index)
        with fork:
            assert isinstance(fork.resolve(None, Index).clock, Frozen)
            assert fork.resolve(None, Unrelated) is base.resolve(None, Unrelated)
        assert isinstance(base.resolve(None, Index).clock, Clock)
    assert log == ["open pool", "open Clock", "open Frozen", "close Frozen", "close Clock", "close pool"]


def many_modules(count: int) -> Container:
    """``count`` modules, each with a repository and a service that depend on one clock."""
    to = Binder("shop")
    to.app(IClock, Clock)
    for number in range(count):
        repo = type(f"Repo{number}", (), {"__init__": lambda self, clock: setattr(self, "clock", clock)})
        repo.__init__.__annotations__ = {"clock": IClock}  # type: ignore[misc]
        service = type(f"Service{number}", (), {"__init__": lambda self, repo: setattr(self, "repo", repo)})
        service.__init__.__annotations__ = {"repo": repo}  # type: ignore[misc]
        to.bind(repo)
        to.bind(service)
    return compose(to.seal())


def test_fork_makes_only_what_it_is_asked_for(open_scope: OpenScope) -> None:
    """Though everything depends on the replaced, a fork looks at and makes what one resolution needs."""
    base = many_modules(200)
    frozen = Frozen()
    fork = base.fork({IClock: frozen})
    service = base.graph.nodes[2].binding.contract
    assert open_scope(fork)[service].repo.clock is frozen
    assert len(fork.supply._providers) == 3
    assert len(fork.supply._affected) == 3
    assert len(base.supply._providers) == 0
    assert list(fork.graph.changed()) == [0]


def test_validating_a_fork_looks_at_what_changed_alone() -> None:
    """A replacement is checked against what it needs, not every binding again."""
    base = many_modules(200)
    asked: set[int] = set()

    class Watched(type(base.graph.nodes)):  # type: ignore[misc]
        def __getitem__(self, number: int) -> object:
            asked.add(number)
            return super().__getitem__(number)

    base.graph.nodes = Watched(base.graph.nodes)

    class Asks:
        def __init__(self, repo: Repo0) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    service = base.graph.nodes[6].binding.contract
    with pytest.raises(Faults) as caught:
        base.fork({service: Asks})
    assert "Asks does not satisfy" in str(caught.value)
    assert asked <= {0, 1, 6}


def test_fork_may_close_a_circle(base: Container) -> None:
    """A replacement that needs what needs it is found when the fork is made."""

    class Round(Unrelated):
        def __init__(self, service: Service) -> None: ...

    to = Binder("shop")
    to.bind(Unrelated)
    to.bind(IClock, Clock)
    to.bind(Rates)
    to.bind(Service)
    with pytest.raises(Faults) as caught:
        compose(to.seal()).fork({Unrelated: Round})
    (fault,) = caught.value.exceptions
    assert isinstance(fault, CyclicBindings)
    assert fault.path == ("Unrelated", "Service", "Unrelated")


def test_fork_may_not_capture_a_scope() -> None:
    """What is new each time and held by an application's object may not come to need a scope."""

    class Needy(Unrelated):
        def __init__(self, scope: Scope) -> None: ...

    class Middle:
        def __init__(self, unrelated: Unrelated) -> None: ...

    class Long:
        def __init__(self, middle: Middle) -> None: ...

    to = Binder("shop")
    to.new(Unrelated)
    to.new(Middle)
    to.app(Long)
    base = compose(to.seal())
    with pytest.raises(Faults) as caught:
        base.fork({Unrelated: Needy})
    (fault,) = caught.value.exceptions
    assert isinstance(fault, CaptiveDependency)
    assert fault.path == ("Long", "Middle", "Unrelated", "Scope")
    again = base.fork({Middle: Middle})
    with pytest.raises(Faults) as caught:
        again.fork({Unrelated: Needy})
    assert "Long lives as long" in str(caught.value)


def test_nested_fork_shares_what_no_longer_depends(base: Container) -> None:
    """The second fork goes by what the first one made of the bindings."""

    class Fixed(Rates):
        def __init__(self) -> None:
            super().__init__(Frozen())

    first = base.fork({Rates: Fixed})
    second = first.fork({IClock: Frozen()})
    assert second.resolve(None, Rates) is first.resolve(None, Rates)
    assert second.resolve(None, IClock) is not base.resolve(None, IClock)
    assert first.resolve(None, IClock) is base.resolve(None, IClock)


def test_decorated_private_contract_is_replaced_below_its_decorators(open_scope: OpenScope) -> None:
    """As for a contract that others may ask for."""

    class Plus:
        def __init__(self, inner: IClock) -> None:
            self.inner = inner

        def now(self) -> int:
            return self.inner.now() + 10

    to = Binder("shop")
    to.app(IClock, Clock, private=True)
    to.decorate(IClock, Plus)
    fork = compose(to.seal()).fork({IClock: Frozen()})
    assert fork.resolve(None, IClock).now() == 10


def test_tasks_have_their_own_forks_at_once(base: Container, open_scope: OpenScope) -> None:
    """Two tasks of one loop, each with its fork, never see the other's fake."""

    async def use(fork: Container, frozen: Frozen) -> None:
        for _ in range(50):
            with open_scope(fork) as scope:
                assert scope[Service].rates.clock is frozen
                await asyncio.sleep(0)
                assert scope[Later].clock() is frozen

    async def main() -> None:
        fakes = [Frozen(), Frozen()]
        await asyncio.gather(*(use(base.fork({IClock: fake}), fake) for fake in fakes))

    asyncio.run(main())


def test_no_mixed_objects_while_forks_are_made(open_scope: OpenScope) -> None:
    """Eight threads resolve 100,000 times from the newest of 300 forks: each object is of one fork alone."""

    class Both:
        def __init__(self, rates: Rates, clock: IClock, later: Lazy[IClock], unrelated: Unrelated) -> None:
            self.rates, self.clock, self.later, self.unrelated = rates, clock, later, unrelated

    to = Binder("shop")
    to.app(IClock, Clock)
    to.app(Rates)
    to.app(Unrelated)
    to.bind(Both)
    base = compose(to.seal())
    newest: list[tuple[Container, object]] = [(base, base.resolve(None, IClock))]
    shared = base.resolve(None, Unrelated)
    mixed: list[object] = []
    rates: dict[int, set[int]] = {}
    start = threading.Barrier(9)

    def ask() -> None:
        start.wait()
        for _ in range(12_500):
            container, clock = newest[-1]
            found = open_scope(container)[Both]
            rates.setdefault(id(container), set()).add(id(found.rates))
            if not (found.rates.clock is found.clock is found.later() is clock):
                mixed.append(found)
            if found.unrelated is not shared:
                mixed.append(found)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    start.wait()
    for number in range(300):
        fake = Frozen()
        newest.append((newest[number % len(newest)][0].fork({IClock: fake}), fake))
        open_scope(newest[-1][0])[Both]
    for thread in threads:
        thread.join()
    assert mixed == []
    assert {len(found) for found in rates.values()} == {1}  # one singleton in each fork, whoever came first
