"""Resolution: lifetimes, injection, resources, and the native container underneath."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, Generic, NewType, Protocol, TypeVar

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, inject

from prefiq.container import Binder, Container, Lazy, compose
from prefiq.container.errors import MissingBinding, ResourceFailed, ResourceNotOpen
from prefiq.contracts import IDomain, NoScope, Scope, ScopeClosed
from prefiq.errors import Faults

E = TypeVar("E")
OpenScope = Callable[[Container], Scope]


class IClock(Protocol):
    def now(self) -> int: ...


class Clock:
    def now(self) -> int:
        return 1


class Executor:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope


class Repo:
    def __init__(self, executor: Executor, clock: IClock, limit: int = 50) -> None:
        self.executor = executor
        self.clock = clock
        self.limit = limit


class Service:
    def __init__(self, repo: Repo, *, clock: IClock) -> None:
        self.repo = repo
        self.clock = clock


class Plain:
    pass


class Part(Protocol):
    name: str


class Red:
    name = "red"


class Blue:
    name = "blue"


def bound(*steps: Callable[[Binder], None]) -> Container:
    to = Binder("shop")
    for step in steps:
        step(to)
    return compose(to.seal())


def shop(to: Binder) -> None:
    to.app(IClock, Clock)
    to.bind(Executor)
    to.bind(Repo)
    to.bind(Service)


def test_scope_gives_one_object_per_scope(open_scope: OpenScope) -> None:
    """A per-scope object is the same within a scope and another in the next, its parts shared."""
    container = bound(shop)
    first, second = open_scope(container), open_scope(container)
    service = first[Service]
    assert service is first[Service]
    assert service is not second[Service]
    assert service.repo is first[Repo]
    assert service.repo.executor.scope is first
    assert service.clock is second[Service].clock


def test_default_stays_where_nothing_is_bound(open_scope: OpenScope) -> None:
    """A parameter with a default keeps it, and parameters after it are still injected."""

    class Late:
        def __init__(self, limit: int = 7, clock: IClock | None = None, missing: Plain | None = None) -> None:
            self.found = (limit, clock, missing)

    container = bound(shop, lambda to: to.bind(Late))
    scope = open_scope(container)
    assert scope[Late].found == (7, scope[IClock], None)


def test_optional_without_default_gets_none(open_scope: OpenScope) -> None:
    """``T | None`` is None where nobody binds T, and the object where somebody does."""

    class Asks:
        def __init__(self, plain: Plain | None, clock: IClock | None) -> None:
            self.found = (plain, clock)

    scope = open_scope(bound(shop, lambda to: to.bind(Asks)))
    assert scope[Asks].found == (None, scope[IClock])


def test_new_gives_another_object_each_time(open_scope: OpenScope) -> None:
    """What is bound as new is never kept."""
    scope = open_scope(bound(lambda to: to.new(Plain)))
    assert scope[Plain] is not scope[Plain]


def test_application_objects_need_no_scope() -> None:
    """An application's object and a value resolve without a scope; one of a scope says what lacks."""
    value = Red()
    container = bound(shop, lambda to: to.value(Part, value))
    assert container.resolve(None, IClock) is container.resolve(None, IClock)
    assert container.resolve(None, Part) is value
    with pytest.raises(NoScope):
        container.resolve(None, Service)


class Gate:
    """A lock that tells when somebody waits for it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.held = False
        self.waiting = threading.Event()

    def __enter__(self) -> None:
        if self.held:
            self.waiting.set()
        self.lock.acquire()
        self.held = True

    def __exit__(self, *error: object) -> None:
        self.lock.release()


def test_application_object_is_built_once_by_many_threads() -> None:
    """A thread that asks while another builds waits for it and gets the same object."""
    gate = Gate()
    built: list[int] = []
    others: list[threading.Thread] = []
    found: list[object] = []

    class Slow:
        def __init__(self) -> None:
            built.append(1)
            if len(built) == 1:
                other = threading.Thread(target=lambda: found.append(container.resolve(None, Slow)))
                other.start()
                others.append(other)
                assert gate.waiting.wait(10)

    container = bound(lambda to: to.app(Slow))
    container.native.providers["shop.Slow"].lock = gate  # type: ignore[attr-defined]
    found.append(container.resolve(None, Slow))
    for other in others:
        other.join()
    assert built == [1]
    assert found[0] is found[1]


def test_application_objects_are_built_at_once() -> None:
    """Unrelated objects do not wait for each other: each has its own lock."""
    both = threading.Barrier(2, timeout=10)

    class Slow:
        def __init__(self) -> None:
            both.wait()  # breaks unless the other is being built too

    class Other(Slow):
        pass

    container = bound(lambda to: to.app(Slow), lambda to: to.app(Other))
    thread = threading.Thread(target=lambda: container.resolve(None, Other))
    thread.start()
    assert isinstance(container.resolve(None, Slow), Slow)
    thread.join()


def test_application_object_may_be_none() -> None:
    """A factory that gives None is asked once, as any other."""
    calls: list[int] = []

    def nothing() -> Plain | None:
        calls.append(1)
        return None

    container = bound(lambda to: to.app(Plain, nothing))  # type: ignore[arg-type]
    assert container.resolve(None, Plain) is None
    assert container.resolve(None, Plain) is None
    assert calls == [1]


def test_collection_is_a_list_in_module_order(open_scope: OpenScope) -> None:
    """``list[T]`` gets what modules added, in order; an empty list where nobody did."""

    class Sheet:
        def __init__(self, parts: list[Part], others: list[Plain]) -> None:
            self.names = [part.name for part in parts]
            self.others = others

    scope = open_scope(
        bound(lambda to: to.bind(Sheet), lambda to: to.add(Part, Red), lambda to: to.add(Part, Blue))
    )
    assert scope[Sheet].names == ["red", "blue"]
    assert scope[Sheet].others == []
    assert [part.name for part in scope[list[Part]]] == ["red", "blue"]
    assert scope[list[Plain]] == []


def test_lazy_of_a_scope_keeps_its_scope(open_scope: OpenScope) -> None:
    """A ``Lazy`` in an object of a scope asks that scope, whichever is current."""

    class Holder:
        def __init__(self, service: Lazy[Service]) -> None:
            self.service = service

    container = bound(shop, lambda to: to.bind(Holder))
    scope, other = open_scope(container), open_scope(container)
    with other:
        assert scope[Holder].service() is scope[Service]
        assert scope[Lazy[Service]]() is scope[Service]


def test_lazy_of_the_application_asks_the_current_scope(open_scope: OpenScope) -> None:
    """A ``Lazy`` in an object of the application follows the scope it is called in, or says that none is open."""

    class Holder:
        def __init__(self, service: Lazy[Service], clock: Lazy[IClock]) -> None:
            self.service = service
            self.clock = clock

    container = bound(shop, lambda to: to.app(Holder))
    holder = container.resolve(None, Holder)
    with open_scope(container) as first:
        assert holder.service() is first[Service]
    with open_scope(container) as second:
        assert holder.service() is second[Service]
    assert holder.clock() is container.resolve(None, IClock)
    with pytest.raises(NoScope, match=r"calling Lazy\[Service\]"):
        holder.service()


def test_lazy_of_an_ended_scope_refuses(open_scope: OpenScope) -> None:
    """What outlives its scope gets an error, not a stale tenant's object."""
    container = bound(shop)
    with open_scope(container) as scope:
        ask = scope[Lazy[Service]]
    with pytest.raises(ScopeClosed):
        ask()


def test_explicit_arguments_come_first(open_scope: OpenScope) -> None:
    """``args`` gives a value or a contract by parameter name."""

    class Special(Repo):
        def __init__(self, limit: int, clock: object) -> None:
            super().__init__(None, clock, limit)  # type: ignore[arg-type]

    scope = open_scope(bound(shop, lambda to: to.bind(Special, args={"limit": 3, "clock": IClock})))
    assert scope[Special].limit == 3
    assert scope[Special].clock is scope[IClock]


def test_type_variables_of_a_base_are_known(open_scope: OpenScope) -> None:
    """A constructor inherited from a generic base is injected with what the class says of its variables."""

    class Store(Generic[E]):
        def __init__(self, inner: Holder[E]) -> None:
            self.inner = inner

    class NoteStore(Store[Plain]):
        pass

    container = bound(
        lambda to: to.bind(Holder[Plain], PlainHolder),
        lambda to: to.bind(Holder[Red], RedHolder),
        lambda to: to.bind(NoteStore),
        lambda to: to.bind(Store[Red]),
    )
    scope = open_scope(container)
    assert isinstance(scope[NoteStore].inner, PlainHolder)
    assert isinstance(scope[Store[Red]].inner, RedHolder)


class Holder(Generic[E]):
    pass


class PlainHolder(Holder[Plain]):
    pass


class RedHolder(Holder[Red]):
    pass


def test_names_imported_for_types_alone_are_found_among_contracts(open_scope: OpenScope) -> None:
    """An annotation that does not exist at run time is the bound contract of that name."""

    class Local:
        pass

    class Asks:
        def __init__(self, local: Local, many: list[Local], lazy: Lazy[Local]) -> None:
            self.found = (local, many, lazy())

    scope = open_scope(bound(lambda to: to.bind(Local), lambda to: to.bind(Asks)))
    assert scope[Asks].found == (scope[Local], [], scope[Local])


class INotes(IDomain[Plain], Protocol):
    pass


def test_contract_of_a_model_answers_its_family_too(open_scope: OpenScope) -> None:
    """Binding a contract that extends ``IDomain[M]`` binds that as well, to the same object."""

    def make() -> INotes:
        return object()  # type: ignore[return-value]

    scope = open_scope(bound(lambda to: to.bind(INotes, make)))
    assert scope[IDomain[Plain]] is scope[INotes]


def test_resources_open_in_need_order_and_close_in_reverse() -> None:
    """A resource opens after what it needs, also through other objects, and closes before it."""
    log: list[str] = []

    class Pool:
        pass

    class Index:
        pass

    class Between:
        def __init__(self, pool: Pool) -> None:
            self.pool = pool

    def open_index(between: Between) -> Iterator[Index]:
        log.append("open index")
        yield Index()
        log.append("close index")

    def open_pool() -> Iterator[Pool]:
        log.append("open pool")
        yield Pool()
        log.append("close pool")

    container = bound(
        lambda to: to.resource(Index, open_index),
        lambda to: to.app(Between),
        lambda to: to.resource(Pool, open_pool),
    )
    with pytest.raises(ResourceNotOpen):
        container.resolve(None, Index)
    with container:
        assert isinstance(container.resolve(None, Index), Index)
        assert log == ["open pool", "open index"]
    assert log == ["open pool", "open index", "close index", "close pool"]
    with pytest.raises(ResourceNotOpen):
        container.resolve(None, Index)


def test_every_resource_closes_though_one_fails() -> None:
    """Each failing close is reported, without the error's own text, and the rest are closed."""
    closed: list[str] = []

    def resource(name: str, kind: type) -> Callable[[], Iterator[object]]:
        def opening() -> Iterator[object]:
            yield kind()
            closed.append(name)
            if name != "b":
                raise ValueError("secret")

        return opening

    container = bound(
        lambda to: to.resource(Plain, resource("a", Plain)),  # type: ignore[arg-type]
        lambda to: to.resource(Red, resource("b", Red)),  # type: ignore[arg-type]
        lambda to: to.resource(Blue, resource("c", Blue)),  # type: ignore[arg-type]
    )
    container.open()
    with pytest.raises(Faults) as caught:
        container.close()
    assert sorted(closed) == ["a", "b", "c"]
    assert {fault.contract for fault in caught.value.exceptions if isinstance(fault, ResourceFailed)} == {
        "Plain",
        "Blue",
    }
    assert "secret" not in str(caught.value)
    assert all(isinstance(fault.__cause__, ValueError) for fault in caught.value.exceptions)


def test_failed_opening_closes_what_was_opened() -> None:
    """Nothing is half open: resources opened before the failing one are closed again."""
    log: list[str] = []

    def fail() -> None:
        raise OSError

    def good() -> Iterator[Plain]:
        yield Plain()
        log.append("closed")

    def bad(plain: Plain) -> Iterator[Red]:
        fail()
        yield Red()

    container = bound(lambda to: to.resource(Plain, good), lambda to: to.resource(Red, bad))
    with pytest.raises(Faults) as caught:
        container.open()
    assert "The resource Red failed to open: OSError" in str(caught.value)
    assert log == ["closed"]
    with pytest.raises(ResourceNotOpen):
        container.resolve(None, Plain)


def test_what_an_error_of_ours_says_reaches_the_reader() -> None:
    """It holds no secret, and knows what to do; others show their kind alone."""

    def opening() -> Iterator[Plain]:
        raise ResourceNotOpen("Red", "shop", "shop.py:1")
        yield Plain()

    with pytest.raises(Faults) as caught:
        bound(lambda to: to.resource(Plain, opening)).open()
    (failed,) = caught.value.exceptions
    inner = failed.__cause__
    assert isinstance(inner, ResourceNotOpen)
    assert failed.what == f"The resource Plain failed to open: {inner.what} ({inner.where})"
    assert failed.fix == inner.fix


def test_resource_of_a_scope_closes_with_it(open_scope: OpenScope) -> None:
    """``per="scope"`` opens when first asked for and closes when the scope ends."""
    log: list[str] = []

    def opening(executor: Executor) -> Iterator[Plain]:
        log.append("open")
        yield Plain()
        log.append("close")

    container = bound(shop, lambda to: to.resource(Plain, opening, per="scope"))
    with open_scope(container) as scope:
        assert log == []
        assert scope[Plain] is scope[Plain]
        assert log == ["open"]
    assert log == ["open", "close"]


def test_missing_contract_names_the_nearest(open_scope: OpenScope) -> None:
    """Asking for what nobody binds says so, with the nearest name."""

    class IClok(Protocol):
        pass

    with pytest.raises(MissingBinding) as caught:
        open_scope(bound(shop))[IClok]
    assert str(caught.value) == (
        "Nothing is bound to IClok [PFQ301]\n  Try: did you mean IClock? Else bind it: to.bind(IClok, …)"
    )


def test_error_in_a_constructor_names_the_way_to_it(open_scope: OpenScope) -> None:
    """What a constructor raises passes through with notes of what was being built."""

    class Breaks:
        def __init__(self) -> None:
            raise KeyError("x")

    class Holds:
        def __init__(self, breaks: Breaks) -> None:
            raise AssertionError

    scope = open_scope(bound(lambda to: to.bind(Breaks), lambda to: to.bind(Holds)))
    with pytest.raises(KeyError) as caught:
        scope[Holds]
    assert [note.split(" (")[0] for note in caught.value.__notes__] == [
        "while building Breaks for Breaks",
        "while building Holds for Holds",
    ]


def test_call_injects_what_is_not_given(open_scope: OpenScope) -> None:
    """``call`` fills a function's parameters from the scope."""

    def command(name: str, service: Service, parts: list[Part], count: int = 3) -> tuple[object, ...]:
        return name, service, parts, count

    container = bound(shop)
    scope = open_scope(container)
    assert container.call(command, scope, name="x") == ("x", scope[Service], [], 3)

    def wrong(part: Part) -> None: ...

    with pytest.raises(Faults) as caught:
        container.call(wrong, scope)
    assert "Nothing is bound to Part, which wrong(part) asks for" in str(caught.value)


def test_native_container_holds_real_providers(open_scope: OpenScope) -> None:
    """The library's container names every provider; called plainly they answer for the current scope."""
    container = bound(shop)
    native = container.native
    assert isinstance(native, containers.DynamicContainer)
    assert sorted(native.providers) == ["shop.Executor", "shop.IClock", "shop.Repo", "shop.Service"]
    service = native.providers["shop.Service"]
    assert isinstance(service, providers.Factory)
    assert native.providers["shop.Repo"] in list(service.related)
    with open_scope(container) as scope:
        assert service() is scope[Service]
    assert native.providers["shop.IClock"]() is container.resolve(None, IClock)


def test_native_override_is_honoured(open_scope: OpenScope) -> None:
    """Overriding a provider by the library's own means reaches new scopes, and ends with it."""
    container = bound(shop)
    fake = Clock()
    real = container.resolve(None, IClock)
    with container.native.providers["shop.IClock"].override(providers.Object(fake)):
        assert open_scope(container)[Service].clock is fake
        assert container.resolve(None, IClock) is fake
    assert open_scope(container)[Service].clock is real
    repo = Repo(None, real)  # type: ignore[arg-type]
    with container.native.providers["shop.Repo"].override(repo):
        assert open_scope(container)[Service].repo is repo


def test_native_copy_is_independent(open_scope: OpenScope) -> None:
    """The library's deep copy of a provider works and shares no singleton with the original."""
    container = bound(shop)
    provider = container.native.providers["shop.IClock"]
    copied = providers.deepcopy(provider)
    assert copied() is copied()
    assert copied() is not provider()
    service = providers.deepcopy(container.native.providers["shop.Service"])
    with open_scope(container) as scope:
        assert isinstance(service(), Service)
        assert service() is service()
        assert service() is not scope[Service]


def wired_service(service: Service = Provide["shop.Service"]) -> Service:
    """A function as the library's own users write it."""
    return service


def test_native_wiring_works(open_scope: OpenScope) -> None:
    """The library's ``wire`` finds providers by ``<module>.<contract>`` and gives the current scope's objects."""
    container = bound(shop)
    module = types.ModuleType("wired_by_the_library")
    function: Any = inject(wired_service)
    module.wired_service = function  # type: ignore[attr-defined]
    function.__module__ = module.__name__
    container.native.wire(modules=[module])
    try:
        with open_scope(container) as scope:
            assert module.wired_service() is scope[Service]
            fake = object()
            with container.native.shop.Service.override(fake):
                assert module.wired_service() is fake
    finally:
        container.native.unwire()


def test_module_named_like_a_part_of_the_native_container_hides_none_of_it() -> None:
    """A module ``providers`` or ``wire`` is found by its dotted names alone."""
    to = Binder("wire")
    to.app(Clock)
    native = compose(to.seal()).native
    assert callable(native.wire)
    assert native.providers["wire.Clock"]() is native.providers["wire.Clock"]()


HIDDEN = """
from __future__ import annotations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elsewhere import Hidden, Gone

class Asks:
    def __init__(self, hidden: Hidden, gone: Gone | None = None) -> None:
        self.hidden, self.gone = hidden, gone

class Needs:
    def __init__(self, gone: Gone) -> None:
        self.gone = gone
"""


def test_imports_for_type_checkers_are_found_by_name_or_given(open_scope: OpenScope) -> None:
    """A name that exists for type checkers alone is the bound contract of that name, keeps its default, or is given."""
    space: dict[str, Any] = {"__name__": "hidden"}
    exec(HIDDEN, space)
    hidden = type("Hidden", (), {})
    container = bound(
        lambda to: to.app(hidden),
        lambda to: to.bind(space["Asks"]),
        lambda to: to.bind(space["Needs"], args={"gone": hidden}),
    )
    scope = open_scope(container)
    assert scope[space["Asks"]].hidden is scope[hidden]
    assert scope[space["Asks"]].gone is None
    assert scope[space["Needs"]].gone is scope[hidden]
    with pytest.raises(Faults) as caught:
        bound(lambda to: to.app(hidden), lambda to: to.bind(space["Needs"]))
    assert "Needs(gone: Gone) cannot be read, because the name 'Gone' is not known at run time" in str(
        caught.value
    )
    assert 'args={"gone": …}' in str(caught.value)


def test_constants_are_injected_by_their_own_type(open_scope: OpenScope) -> None:
    """A ``NewType`` tells one text or number from another."""

    class Sender:
        def __init__(self, address: Address, retries: Retries = Retries(3)) -> None:
            self.found = (address, retries)

    scope = open_scope(bound(lambda to: to.value(Address, Address("a@b.c")), lambda to: to.bind(Sender)))
    assert scope[Sender].found == ("a@b.c", 3)
    assert scope[Address] == "a@b.c"


Address = NewType("Address", str)
Retries = NewType("Retries", int)
