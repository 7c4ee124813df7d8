"""Which binding answers: defaults, conditions, decorators, families; and the report on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prefiq.container import Binder, Container, check, compose
from prefiq.contracts import IDomain, IDomainService, Scope

OpenScope = Callable[[Container], Scope]


class IGreeter(Protocol):
    def greet(self) -> str: ...


class Hello:
    def greet(self) -> str:
        return "hello"


class Salut:
    def greet(self) -> str:
        return "salut"


class Loud:
    def __init__(self, inner: IGreeter) -> None:
        self.inner = inner

    def greet(self) -> str:
        return self.inner.greet().upper()


class Exclaimed:
    def __init__(self, inner: IGreeter) -> None:
        self.inner = inner

    def greet(self) -> str:
        return self.inner.greet() + "!"


class Model:
    pass


def test_default_counts_only_if_nobody_binds(open_scope: OpenScope) -> None:
    """An owner wins over a default whatever their order; of two defaults the first."""
    first, second = Binder("a"), Binder("b")
    first.default(IGreeter, Hello)
    second.default(IGreeter, Salut)
    scope = open_scope(compose((*first.bindings, *second.bindings)))
    assert scope[IGreeter].greet() == "hello"
    second.bind(IGreeter, Salut)
    scope = open_scope(compose((*first.bindings, *second.bindings)))
    assert scope[IGreeter].greet() == "salut"


def test_condition_decides_and_is_reported(open_scope: OpenScope) -> None:
    """A binding whose condition does not hold is not used, and the report says which condition."""
    to = Binder("a")
    to.when(lambda: False, "CACHE=redis").bind(IGreeter, Salut)
    to.when(True, "else").bind(IGreeter, Hello)
    container = compose(to.seal())
    assert open_scope(container)[IGreeter].greet() == "hello"
    unused = [entry for entry in container.report.entries if entry.unused]
    assert [(entry.implementation, entry.unused) for entry in unused] == [
        ("Salut", "the condition does not hold: CACHE=redis")
    ]


def test_conditions_nest() -> None:
    """A condition within one that does not hold does not hold."""
    to = Binder("a")
    to.when(False, "x").when(True, "y").bind(IGreeter, Hello)
    (entry,) = check(to.seal()).entries
    assert entry.unused == "the condition does not hold: x and y"


def test_decorators_wrap_in_module_order(open_scope: OpenScope) -> None:
    """The last module's decorator is outermost, and everybody gets it."""
    first, second = Binder("a"), Binder("b")
    first.app(IGreeter, Hello)
    first.decorate(IGreeter, Exclaimed)
    second.decorate(IGreeter, Loud)
    container = compose((*second.bindings, *first.bindings))
    assert open_scope(container)[IGreeter].greet() == "HELLO!"
    ordered = compose((*first.bindings, *second.bindings))
    outer = ordered.resolve(None, IGreeter)
    assert isinstance(outer, Loud)
    assert isinstance(outer.inner, Exclaimed)
    assert outer is ordered.resolve(None, IGreeter)  # it lives as long as what it wraps


def test_private_binding_is_decorated_for_its_module_alone(open_scope: OpenScope) -> None:
    """A module decorates its private binding; another's public one of the same contract stays as it is."""

    class Asks:
        def __init__(self, greeter: IGreeter) -> None:
            self.greeter = greeter

    mine, other = Binder("mine"), Binder("other")
    mine.bind(IGreeter, Hello, private=True)
    mine.decorate(IGreeter, Loud)
    mine.bind(Asks)
    other.bind(IGreeter, Salut)
    scope = open_scope(compose((*mine.seal(), *other.seal())))
    assert scope[Asks].greeter.greet() == "HELLO"
    assert scope[IGreeter].greet() == "salut"


class INotes(IDomain[Model], Protocol):
    pass


class INoteService(IDomainService[Model], Protocol):
    pass


def notes() -> INotes:
    return object()  # type: ignore[return-value]


def derived() -> IDomain[Model]:
    return object()  # type: ignore[return-value]


def note_service() -> INoteService:
    return object()  # type: ignore[return-value]


def test_hand_written_contract_replaces_the_derived_one(open_scope: OpenScope) -> None:
    """A module's own store takes the place of the derived default, for everybody who asks for the family."""
    to = Binder("notes")
    to.default(IDomain[Model], derived)
    to.bind(INotes, notes)
    to.bind(INoteService, note_service)
    scope = open_scope(compose(to.seal()))
    assert scope[IDomain[Model]] is scope[INotes]
    assert scope[IDomainService[Model]] is scope[INoteService]


def test_private_contract_does_not_speak_for_the_model(open_scope: OpenScope) -> None:
    """A private helper that extends ``IDomain[Model]`` answers its own name alone, also within its module."""

    class Asks:
        def __init__(self, notes: IDomain[Model], helper: INotes) -> None:
            self.notes = notes
            self.helper = helper

    to = Binder("notes")
    to.bind(IDomain[Model], derived)
    to.bind(INotes, notes, private=True)
    to.bind(Asks)
    scope = open_scope(compose(to.seal()))
    assert scope[Asks].notes is scope[IDomain[Model]]
    assert scope[Asks].helper is not scope[Asks].notes


def test_decorating_the_family_reaches_the_contract(open_scope: OpenScope) -> None:
    """What decorates ``IDomain[M]`` is seen under the contract that owns it too, for it wraps the binding."""

    class Counts:
        def __init__(self, inner: IDomain[Model]) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    to = Binder("notes")
    to.bind(INotes, notes)
    to.decorate(IDomain[Model], Counts)  # type: ignore[arg-type]
    scope = open_scope(compose(to.seal()))
    assert isinstance(scope[INotes], Counts)
    assert scope[IDomain[Model]] is scope[INotes]


def test_report_is_data() -> None:
    """Every binding is listed with its place, lifetime and what its parameters are given."""

    class Asks:
        def __init__(self, greeter: IGreeter, all: list[IGreeter], size: int = 3) -> None: ...

    to = Binder("a")
    to.app(IGreeter, Hello)
    to.add(IGreeter, Salut)
    to.bind(Asks)
    report = compose(to.seal()).report
    by_name = {(entry.name, entry.implementation): entry for entry in report.entries}
    asks = by_name["a.Asks", "Asks"]
    assert [(need.parameter, need.contracts, need.lazy) for need in asks.needs] == [
        ("greeter", ("IGreeter",), False),
        ("all", ("IGreeter",), False),
    ]
    assert by_name["a.IGreeter", "Hello"].lifetime == "app"
    assert by_name["a.IGreeter", "Salut"].role == "collected"
    assert all(entry.source.startswith(__file__) for entry in report.entries)
    assert report.faults == ()
