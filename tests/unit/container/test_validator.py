"""Faults of composition: each found, all together, each with module and place."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol, TypeVar

import pytest

from prefiq.container import Binder, Lazy, check, compose
from prefiq.container.errors import (
    AsyncFactory,
    AsyncResource,
    BinderSealed,
    CaptiveDependency,
    ContractNotSatisfied,
    CyclicBindings,
    DecoratesNothing,
    DuplicateOwner,
    MissingBinding,
    PrivateContract,
    UnreadableParameter,
    UnusableBinding,
)
from prefiq.contracts import IDomain, Scope
from prefiq.errors import Faults, PrefiqError

E = TypeVar("E")


class IStore(Protocol):
    size: int

    def get(self, key: str) -> str: ...

    def put(self, key: str, value: str = ..., *, force: bool = False) -> None: ...


class Store:
    size = 1

    def get(self, key: str) -> str:
        return key

    def put(self, key: str, value: str = "", *, force: bool = False) -> None: ...


class Model:
    pass


class Needs:
    def __init__(self, store: IStore) -> None:
        self.store = store


def faults(
    *steps: Callable[[Binder], None], module: str = "shop", waits: bool = False
) -> tuple[PrefiqError, ...]:
    to = Binder(module)
    for step in steps:
        step(to)
    return check(to.seal(), waits=waits).faults


def only(*steps: Callable[[Binder], None], waits: bool = False) -> Any:
    found = faults(*steps, waits=waits)
    assert len(found) == 1, found
    return found[0]


def test_missing_names_who_asks_and_the_nearest() -> None:
    """A contract that nobody binds is reported with the parameter, the nearest name and the place."""

    class IStor(Protocol):
        pass

    fault = only(lambda to: to.bind(IStor, Model), lambda to: to.bind(Needs))
    assert isinstance(fault, MissingBinding)
    assert (fault.contract, fault.needed_by, fault.nearest, fault.module) == (
        "IStore",
        "Needs(store)",
        "IStor",
        "shop",
    )
    assert fault.source.startswith(__file__ + ":")
    assert fault.what == "Nothing is bound to IStore, which Needs(store) asks for"


def test_list_of_plain_values_is_missing() -> None:
    """``list[str]`` is no collection of modules' objects, so an empty one would hide a mistake."""

    class Asks:
        def __init__(self, names: list[str]) -> None: ...

    fault = only(lambda to: to.bind(Asks))
    assert isinstance(fault, MissingBinding)
    assert fault.contract == "str"


def test_cycle_is_drawn() -> None:
    """Objects that need each other are reported once, with the path around."""

    class A:
        def __init__(self, b: B) -> None: ...

    class B:
        def __init__(self, c: C) -> None: ...

    class C:
        def __init__(self, a: A) -> None: ...

    fault = only(lambda to: to.bind(A), lambda to: to.bind(B), lambda to: to.bind(C))
    assert isinstance(fault, CyclicBindings)
    assert fault.path == ("A", "B", "C", "A")
    assert fault.fix == "ask for Lazy[A] in C, or split what both need into a third"


def test_lazy_breaks_a_cycle() -> None:
    """A circle through ``Lazy`` is none."""

    class A:
        def __init__(self, b: B) -> None: ...

    class B:
        def __init__(self, a: Lazy[A]) -> None: ...

    assert faults(lambda to: to.bind(A), lambda to: to.bind(B)) == ()


@pytest.mark.parametrize("lifetime", ["app", "resource"])
def test_captive_is_found_through_objects_that_are_new_each_time(lifetime: str) -> None:
    """An object of the application must not hold one of a scope, not even through a new one."""

    class Short:
        pass

    class Middle:
        def __init__(self, short: Short) -> None: ...

    class Long:
        def __init__(self, middle: Middle) -> None: ...

    def opening(middle: Middle) -> Iterator[Long]:
        yield Long(middle)

    fault = only(
        lambda to: to.bind(Short),
        lambda to: to.new(Middle),
        lambda to: to.app(Long) if lifetime == "app" else to.resource(Long, opening),
    )
    assert isinstance(fault, CaptiveDependency)
    assert fault.path == ("Long", "Middle", "Short")


def test_scope_itself_is_captive_too() -> None:
    """An object of the application that asks for the scope would keep one tenant's."""

    class Long:
        def __init__(self, scope: Scope) -> None: ...

    fault = only(lambda to: to.app(Long))
    assert isinstance(fault, CaptiveDependency)
    assert fault.path == ("Long", "Scope")


def test_lazy_in_an_application_object_is_no_captive() -> None:
    """``Lazy`` asks when used, so nothing is held."""

    class Long:
        def __init__(self, store: Lazy[IStore]) -> None: ...

    assert faults(lambda to: to.bind(IStore, Store), lambda to: to.app(Long)) == ()


def test_private_contract_is_refused_to_other_modules() -> None:
    """A private binding serves its own module, which may even share the contract's name with another."""
    mine, other = Binder("shop"), Binder("billing")
    mine.bind(IStore, Store, private=True)
    mine.bind(Needs)

    class Asks:
        def __init__(self, store: IStore) -> None: ...

    other.bind(Asks)
    (fault,) = check((*mine.seal(), *other.seal())).faults
    assert isinstance(fault, PrivateContract)
    assert fault.what == "Asks(store) asks for IStore, which is private to module shop"
    assert fault.module == "billing"
    third = Binder("crm")
    third.bind(IStore, Store, private=True)
    assert check((*mine.bindings, *third.bindings)).faults == ()


def test_two_owners_are_a_fault_with_both_places() -> None:
    """Two bindings of one contract name each other."""
    first, second = Binder("shop"), Binder("billing")
    first.bind(IStore, Store)
    second.app(IStore, Store)
    (fault,) = check((*first.seal(), *second.seal())).faults
    assert isinstance(fault, DuplicateOwner)
    assert (fault.contract, fault.module, fault.other_module) == ("IStore", "billing", "shop")
    assert fault.source != fault.other_source


class IFirst(IDomain[Model], Protocol):
    pass


class ISecond(IDomain[Model], Protocol):
    pass


def test_two_contracts_of_one_model_are_two_owners() -> None:
    """Both extend ``IDomain[Model]``, so both would answer it."""

    def first() -> IFirst: ...  # type: ignore[empty-body]

    def second() -> ISecond: ...  # type: ignore[empty-body]

    fault = only(lambda to: to.bind(IFirst, first), lambda to: to.bind(ISecond, second))
    assert isinstance(fault, DuplicateOwner)
    assert fault.contract == "IDomain[Model]"


class IAny(IDomain[E], Protocol[E]):
    pass


class IOther(IDomain[E], Protocol[E]):
    pass


def test_contract_of_any_model_speaks_for_none() -> None:
    """A generic contract bound without its argument does not claim the family."""

    def first() -> IAny[Any]: ...  # type: ignore[empty-body]

    def second() -> IOther[Any]: ...  # type: ignore[empty-body]

    assert faults(lambda to: to.bind(IAny, first), lambda to: to.bind(IOther, second)) == ()  # type: ignore[type-abstract]


class Unfinished(ABC):
    @abstractmethod
    def go(self) -> None: ...


class Lacking:
    def get(self) -> str:
        return ""

    def put(self, key: str, value: str) -> None: ...


class Inherits(IStore):
    def get(self, key: str) -> str:
        return key


@pytest.mark.parametrize(
    ("contract", "implementation", "lacks"),
    [
        (
            IStore,
            Lacking,
            (
                "takes 0 arguments in get where 1 are promised",
                "requires 2 arguments in put where 1 are promised",
                "takes no force in put",
                "has no size",
            ),
        ),
        (IStore, Inherits, ("does not implement put",)),
        (IStore, IStore, ("is a Protocol itself and cannot be built",)),
        (Unfinished, Unfinished, ("has no go",)),
        (Store, Model, ("is not a subclass of Store",)),
    ],
)
def test_broken_promises_are_named(contract: Any, implementation: Any, lacks: tuple[str, ...]) -> None:
    """A missing method, a wrong number of arguments or a foreign class is found at boot."""
    fault = only(lambda to: to.bind(contract, implementation))
    assert isinstance(fault, ContractNotSatisfied)
    assert fault.lacks == lacks


def test_attributes_of_a_contract_may_be_set_by_the_constructor() -> None:
    """An attribute that is annotated or assigned in ``__init__`` keeps the promise; so does any by ``__getattr__``."""

    class Assigned(Store):
        def __init__(self) -> None:
            self.size = 2

    class Anything:
        def __getattr__(self, name: str) -> Any: ...

    assert faults(lambda to: to.bind(IStore, Assigned)) == ()
    assert faults(lambda to: to.bind(IStore, Anything)) == ()


def test_functions_answer_for_what_they_return() -> None:
    """A factory's return annotation is held against the contract."""

    def good() -> Store:
        return Store()

    def says_the_contract() -> IStore:
        return Store()

    def bad() -> Model:
        return Model()

    assert faults(lambda to: to.bind(IStore, good)) == ()
    assert faults(lambda to: to.bind(IStore, says_the_contract)) == ()
    fault = only(lambda to: to.bind(IStore, bad))  # type: ignore[arg-type]
    assert fault.what.startswith("Model, made by bad, does not satisfy IStore: it has no get, has no put")


def test_async_functions_are_no_factories() -> None:
    """A coroutine function or async generator builds nothing, in both modes; opening needs async mode."""

    async def factory() -> Store:
        return Store()

    async def opening() -> AsyncIterator[Store]:
        yield Store()

    for waits in (False, True):
        for step in (
            lambda to: to.bind(Store, factory),
            lambda to: to.app(Store, factory),
            lambda to: to.bind(Store, opening),
            lambda to: to.resource(Store, factory),
        ):
            assert isinstance(only(step, waits=waits), AsyncFactory)
    fault = only(lambda to: to.resource(Store, opening))
    assert isinstance(fault, AsyncResource)
    assert fault.source.startswith(f"{__file__}:")
    assert str(fault).startswith(
        "opening, which opens the resource Store, is async, and DB_MODE is sync (module "
    )


def test_generator_and_function_are_not_mixed_up() -> None:
    """A generator function belongs to ``resource``, and a plain one does not."""

    def opening() -> Iterator[Store]:
        yield Store()

    def plain() -> Store:
        return Store()

    assert only(lambda to: to.bind(Store, opening)).why == "opening is a generator function"  # type: ignore[arg-type]
    assert (
        only(lambda to: to.resource(Store, plain)).why  # type: ignore[arg-type]
        == "plain is no generator function and makes no context manager"
    )


def test_unreadable_parameters_say_why_and_the_way_out() -> None:
    """No annotation, or one that has no meaning at run time, is reported with class and parameter."""

    class Silent:
        def __init__(self, store) -> None: ...  # type: ignore[no-untyped-def]

    class Unknown:
        def __init__(self, store: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    silent, unknown = only(lambda to: to.bind(Silent)), only(lambda to: to.bind(Unknown))
    assert isinstance(silent, UnreadableParameter)
    assert silent.what == "Silent(store) cannot be read, because it has no annotation"
    assert unknown.what == (
        "Unknown(store: Nowhere) cannot be read, because the name 'Nowhere' is not known at run time "
        "(imported under TYPE_CHECKING, or local to a function)"
    )
    assert 'args={"store": …}' in unknown.fix
    assert faults(lambda to: to.bind(Unknown, args={"store": 1})) == ()


def test_arguments_are_checked() -> None:
    """``args`` with an unknown name, or a contract that nobody binds, is a fault."""
    unknown = only(lambda to: to.bind(IStore, Store, args={"sze": 1}))
    assert isinstance(unknown, UnusableBinding)
    assert unknown.why == "Store has no parameter sze"
    missing = only(lambda to: to.bind(Needs, args={"store": IStore}))
    assert isinstance(missing, MissingBinding)


def test_uncallable_is_no_implementation() -> None:
    """An object bound where a class is wanted names ``to.value``."""
    fault = only(lambda to: to.bind(IStore, Store()))  # type: ignore[arg-type]
    assert fault.why == "Store cannot be called"


def test_decorator_needs_something_to_wrap_and_a_place_for_it() -> None:
    """A decorator of an unbound contract, or without a parameter for it, is a fault."""
    nothing = only(lambda to: to.decorate(IStore, Store))
    assert isinstance(nothing, DecoratesNothing)
    assert nothing.what == "Store decorates IStore, which nothing is bound to"
    blind = only(lambda to: to.bind(IStore, Store), lambda to: to.decorate(IStore, Store))
    assert blind.what == "Store decorates IStore but takes no parameter of that type"


def test_everything_wrong_is_raised_together() -> None:
    """``compose`` raises all faults at once, with those found before."""
    to = Binder("shop")
    to.bind(Needs)
    to.bind(Store, Model)  # type: ignore[arg-type]
    earlier = MissingBinding("Earlier")
    with pytest.raises(Faults) as caught:
        compose(to.seal(), [earlier])
    assert [type(fault) for fault in caught.value.exceptions] == [
        MissingBinding,
        MissingBinding,
        ContractNotSatisfied,
    ]


def test_binding_after_the_seal_is_refused() -> None:
    """A binder that was kept cannot bind any more."""
    to = Binder("shop")
    branch = to.when(True, "always")
    to.seal()
    for binder in (to, branch):
        with pytest.raises(BinderSealed, match="Store was bound too late"):
            binder.bind(Store)


def test_parameter_names_belong_to_the_promise() -> None:
    """Callers may give by name what the contract does not take by place only, so the names must be the same."""

    class Renamed(Store):
        def get(self, name: str) -> str:
            return name

    class ByPlace(Store):
        def get(self, key: str, /) -> str:
            return key

    class Open(Store):
        def get(self, name: str, **more: str) -> str:  # type: ignore[override]
            return name

    renamed, by_place = only(lambda to: to.bind(IStore, Renamed)), only(lambda to: to.bind(IStore, ByPlace))
    assert renamed.lacks == ("calls name in get what is promised as key",)
    assert by_place.lacks == ("takes key in get by place only",)
    assert faults(lambda to: to.bind(IStore, Open)) == ()


class IByPlace(Protocol):
    def get(self, key: str, /) -> str: ...


def test_names_of_what_is_given_by_place_are_free() -> None:
    """A contract's positional-only parameter may be called anything."""

    class Other:
        def get(self, name: str) -> str:
            return name

    assert faults(lambda to: to.bind(IByPlace, Other)) == ()


def test_hidden_async_factories_are_found() -> None:
    """Also behind ``partial``, a decorator that keeps the original, or an object with ``async __call__``."""

    async def factory(name: str = "") -> Store:
        return Store()

    @functools.wraps(factory)
    def wrapped() -> Any:
        return factory()

    class Maker:
        async def __call__(self) -> Store:
            return Store()

    for provides in (functools.partial(factory, "x"), wrapped, Maker()):
        to = Binder("shop")
        to.bind(Store, provides)
        found = [type(fault) for fault in check(to.seal()).faults]
        assert found.count(AsyncFactory) == 1, provides


class IAudit(Protocol):
    pass


def test_circle_of_decorators_names_them() -> None:
    """Decorators that need each other's contract are drawn with their classes."""

    class Audit:
        pass

    class AuditedStore(Store):
        def __init__(self, inner: IStore, audit: IAudit) -> None: ...

    class StoredAudit:
        def __init__(self, inner: IAudit, store: IStore) -> None: ...

    fault = only(
        lambda to: to.bind(IStore, Store),
        lambda to: to.bind(IAudit, Audit),
        lambda to: to.decorate(IStore, AuditedStore),
        lambda to: to.decorate(IAudit, StoredAudit),
    )
    assert isinstance(fault, CyclicBindings)
    assert fault.path == (
        "IStore (decorator AuditedStore)",
        "IAudit (decorator StoredAudit)",
        "IStore (decorator AuditedStore)",
    )
    assert fault.fix.startswith("ask for Lazy[IStore] in IAudit (decorator StoredAudit)")
