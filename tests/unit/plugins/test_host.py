"""The host: what it asks of modules, and how hooks become a table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

from prefiq.container import Binder, Container, compose
from prefiq.container.errors import MissingBinding, UnknownReplacement
from prefiq.contracts import Bound, IDomain, Scope
from prefiq.errors import Faults, PrefiqError
from prefiq.foundation.events import subscribe
from prefiq.foundation.hooks import on
from prefiq.plugins import Host, LoadedModule, ProviderBase, hookimpl, replace_from_settings
from prefiq.plugins.errors import BadReference, HookUnusable, ModuleFailed, UnknownDisabled, UnknownHook


class IClock(Protocol):
    def now(self) -> int: ...


class Clock:
    def now(self) -> int:
        return 7


class Mixin:
    pass


class Task(Mixin):
    log: list[Any]

    def __init__(self) -> None:
        self.log = []


class Note(Task):
    pass


class Close:
    name = "close"
    owner = Task


def module(name: str, **attributes: Any) -> LoadedModule:
    kind = type("Provider", (ProviderBase,), attributes)
    return LoadedModule(name, kind(), f"acme-{name}", "1.0", Path())


def hook(name: str, text: str) -> Callable[[Task], None]:
    def run(task: Task) -> None:
        task.log.append(text)

    run.__name__ = name
    return run


@pytest.fixture
def container() -> Container:
    to = Binder("core")
    to.app(IClock, Clock)
    return compose(to.seal())


@pytest.fixture
def scope(container: Container) -> Scope:
    return Scope(Bound("acme"), resolve=container.resolve)


def test_bindings_come_in_module_order_each_with_its_module() -> None:
    """Every provider gets its own binder, with its own settings, in module order."""

    def bind(self: ProviderBase, to: Binder) -> None:
        to.value(dict, dict(to.settings))

    host = Host([module("a", bind=bind), module("silent"), module("b", bind=bind)])
    found = host.bindings(settings={"b": {"x": 1}})
    assert [(binding.module, binding.provides) for binding in found] == [("a", {}), ("b", {"x": 1})]


def test_questions_are_answered_with_the_module_that_answers() -> None:
    """Models, seeds, routes, commands and checks come with their module."""

    def check() -> None: ...

    first = module("a", models=(Task,), seeds=("s",), checks=lambda self: [check])
    second = module("b", models=(Note,), routes=lambda self: ["r"], commands=lambda self: iter(["c"]))
    host = Host([first, second])
    assert host.models() == [(first, Task), (second, Note)]
    assert host.seeds() == [(first, "s")]
    assert host.checks() == [(first, check)]
    assert host.routes() == [(second, "r")]
    assert host.commands() == [(second, "c")]


def test_modules_boot_in_order() -> None:
    """``boot`` reaches each provider, in module order, with the application."""
    seen: list[tuple[str, object]] = []
    modules = [
        module(name, boot=lambda self, app, name=name: seen.append((name, app)))
        for name in ("first", "second")
    ]
    app = object()
    Host(modules).boot(app)
    assert seen == [("first", app), ("second", app)]


def test_function_may_implement_an_extension_point() -> None:
    """A function marked ``hookimpl`` in ``hooks`` counts like the provider's method."""

    @hookimpl
    def prefiq_checks() -> list[str]:
        return ["extra"]

    only = module("a", hooks=(prefiq_checks,), checks=lambda self: ["own"])
    found: list[object] = [check for _, check in Host([only]).checks()]
    assert found == ["own", "extra"]


def test_module_that_raises_does_not_hide_the_others() -> None:
    """Each failing module is named with its step and package; the rest is still asked."""

    def fail(self: object, to: Binder) -> None:
        raise SystemExit

    def lazily(self: object) -> Any:
        yield "one"
        raise ValueError("secret")

    host = Host(
        [
            module("bad", bind=fail),
            module("good", bind=lambda self, to: to.value(int, 1)),
            module("x", checks=lazily),
        ]
    )
    faults: list[PrefiqError] = []
    assert [binding.module for binding in host.bindings(faults=faults)] == ["good"]
    assert host.checks(faults) == []
    assert [(f.module, f.step, f.error) for f in faults if isinstance(f, ModuleFailed)] == [
        ("bad", "bind", "SystemExit"),
        ("x", "checks", "ValueError"),
    ]
    with pytest.raises(Faults) as caught:
        host.bindings()
    assert "The app bad failed in bind: SystemExit (module bad of acme-bad 1.0, " in str(caught.value)


def test_unknown_hook_is_a_fault_with_the_nearest_name() -> None:
    """An implementation that nothing would call is found at boot, for every such module."""

    @hookimpl
    def prefiq_chekcs() -> list[str]:
        return []

    @hookimpl
    def prefiq_nonsense_entirely() -> None: ...

    with pytest.raises(Faults) as caught:
        Host([module("a", hooks=(prefiq_chekcs,)), module("b", hooks=(prefiq_nonsense_entirely,))])
    first, second = caught.value.exceptions
    assert isinstance(first, UnknownHook)
    assert (first.module, first.hook, first.nearest) == ("a", "prefiq_chekcs", "prefiq_checks")
    assert isinstance(second, UnknownHook)
    assert second.module == "b"


def test_unusable_hooks_are_named_together() -> None:
    """Unmarked, misnamed, twice named, wrapping or unrouted functions are all reported."""

    def unmarked(task: Task) -> None: ...

    @hookimpl
    def prefiq_checks(wrong: int) -> None: ...

    @hookimpl
    def prefiq_before_create(entity: Task) -> None: ...

    @hookimpl(wrapper=True)
    def prefiq_models() -> Any:
        return (yield)

    twice = on.before_create(Task)(hook("twice", "1")), on.before_create(Task)(hook("twice", "2"))
    with pytest.raises(Faults) as caught:
        Host([module("a", hooks=(unmarked, prefiq_checks, prefiq_before_create, prefiq_models, *twice))])
    assert sorted((f.hook, f.why) for f in caught.value.exceptions if isinstance(f, HookUnusable)) == [
        ("a.prefiq_before_create", "it would not be routed by model"),
        (
            "a.prefiq_checks",
            "Argument(s) {'wrong'} are declared in the hookimpl but can not be found in the hookspec",
        ),
        ("a.prefiq_models", "wrappers are not called here"),
        ("a.twice", "another hook of the module has its name"),
        ("a.unmarked", "it is not marked"),
    ]


def test_model_hooks_run_in_order(container: Container, scope: Scope) -> None:
    """Within a module as written; the module that builds upon another goes first; ``place`` overrules."""
    mark = on.before_create(Task)
    base = module("base", hooks=(mark(hook("a", "base a")), mark(hook("b", "base b"))))
    late = on.before_create(Task, place="last")(hook("z", "late"))
    early = on.before_create(Task, place="first")(hook("e", "early"))
    upper = module("upper", hooks=(late, mark(hook("a", "upper a"))))
    host = Host([module("first", hooks=(early,)), base, upper])
    table = host.model_hooks([Task], container)
    task = Task()
    table.run("before_create", Task, scope, task)
    assert task.log == ["early", "upper a", "base a", "base b", "late"]


def test_hooks_are_routed_by_model(container: Container, scope: Scope) -> None:
    """A hook on a model or mixin reaches what derives from it, and nothing else; an event without hooks has none."""
    only_note = on.after_update(Note)(hook("n", "note"))
    all_of_it = on.after_update(Mixin)(hook("m", "mixin"))  # type: ignore[arg-type]
    table = Host([module("a", hooks=(only_note, all_of_it))]).model_hooks([Task, Note], container)
    assert [hook.name for hook in table.get("after_update", Task)] == ["a.m"]
    assert [hook.name for hook in table.get("after_update", Note)] == ["a.n", "a.m"]
    assert table.get("before_update", Note) == ()
    note = Note()
    table.run("after_update", Note, scope, note)
    assert note.log == ["note", "mixin"]


def test_one_function_may_serve_several_events(container: Container) -> None:
    """Marks add up."""
    both = on.before_create(Task)(on.before_delete(Task)(hook("both", "x")))
    table = Host([module("a", hooks=(both,))]).model_hooks([Task], container)
    assert len(table.get("before_create", Task)) == len(table.get("before_delete", Task)) == 1


def test_parameters_are_injected(container: Container, scope: Scope) -> None:
    """``before``, ``arguments`` and the scope are given; the rest comes from the scope the hook runs in."""

    @on.before_update(Task)
    def change(task: Task, before: Task, clock: IClock) -> None:
        task.log.append((before, clock.now()))

    @on.before(Close)  # type: ignore[arg-type]
    def closing(task: Task, arguments: dict[str, Any], scope: Scope, limit: int = 3) -> None:
        task.log.append((arguments, scope, limit))

    table = Host([module("a", hooks=(change, closing))]).model_hooks([Task], container)
    task, old = Task(), Task()
    table.run("before_update", Task, scope, task, old)
    table.run("before_close", Task, scope, task, arguments={"reason": "x"})
    assert task.log == [(old, 7), ({"reason": "x"}, scope, 3)]
    fork = container.fork({IClock: type("Frozen", (), {"now": lambda self: 0})})
    task.log.clear()
    table.run("before_update", Task, Scope(Bound("acme"), resolve=fork.resolve), task, old)
    assert task.log == [(old, 0)]


def test_hooks_that_cannot_be_called_are_named_together(container: Container) -> None:
    """A contract that nobody binds, an async hook in sync mode, and a model that nobody declares."""

    class Foreign:
        pass

    @on.before_create(Task)
    def missing(task: Task, store: IDomain[Task]) -> None: ...

    @on.before_create(Task)
    async def waits(task: Task) -> None: ...

    @on.before_create(Foreign)
    def foreign(thing: Foreign) -> None: ...

    faults: list[PrefiqError] = []
    host = Host([module("a", hooks=(missing, waits, foreign))])
    host.model_hooks([Task], container, faults=faults)
    first, second, third = faults
    assert isinstance(first, MissingBinding)
    assert (first.module, first.contract) == ("a", "IDomain[Task]")
    assert isinstance(second, HookUnusable)
    assert second.why == "it is async, and DB_MODE is sync"
    assert isinstance(third, HookUnusable)
    assert third.why == "no listed module declares the model Foreign"
    with pytest.raises(Faults):
        host.model_hooks([Task], container)


def test_async_hook_is_waited_for(container: Container, scope: Scope) -> None:
    """In async mode its coroutine is handed to what can wait for it."""

    @on.after_create(Task)
    async def waits(task: Task) -> None:
        task.log.append("ran")

    def wait(coroutine: Any) -> None:
        with pytest.raises(StopIteration):
            coroutine.send(None)

    table = Host([module("a", hooks=(waits,))]).model_hooks([Task], container, wait=wait)
    task = Task()
    table.run("after_create", Task, scope, task)
    assert task.log == ["ran"]


def test_wrappers_are_routed_and_ordered(container: Container, scope: Scope) -> None:
    """The module that builds upon another wraps it; ``place="first"`` is outermost; pluggy's call agrees."""

    def around(name: str, **place: Any) -> Any:
        def run(task: Task, clock: IClock) -> Iterator[None]:
            task.log.append(f"{name} {clock.now()}")
            yield
            task.log.append(f"{name} ends")

        run.__name__ = name
        return on.around_create(Task, **place)(run)

    base = module("base", hooks=(around("a"), around("last", place="last")))
    upper = module("upper", hooks=(around("b"),))
    early = module("early", hooks=(around("first", place="first"),))
    host = Host([early, base, upper])
    table = host.model_hooks([Task, Note], container)
    task = Task()
    with table.around("around_create", Task, scope, task):
        task.log.append("body")
    begins = ["first 7", "b 7", "a 7", "last 7"]
    ends = ["last ends", "a ends", "b ends", "first ends"]
    assert task.log == [*begins, "body", *ends]
    task = Task()
    host.manager.hook.prefiq_around_create(entity=task, scope=scope)
    host.manager.hook.prefiq_around_create(entity=Mixin(), scope=scope)
    assert task.log == [*begins, *ends]


def test_wrapper_of_an_action_or_update_gets_what_hooks_get(container: Container, scope: Scope) -> None:
    """``before`` and ``arguments`` by name; pluggy's own call tells actions apart."""

    @on.around_update(Task)
    def change(task: Task, before: Task) -> Iterator[None]:
        task.log.append(before)
        yield

    @on.around(Close)  # type: ignore[arg-type]
    def close(task: Task, arguments: dict[str, Any]) -> Iterator[None]:
        task.log.append(arguments)
        yield

    host = Host([module("a", hooks=(change, close))])
    table = host.model_hooks([Task], container)
    task, old = Task(), Task()
    with table.around("around_update", Task, scope, task, old):
        pass
    with table.around("around_close", Task, scope, task, arguments={"reason": "x"}):
        pass
    assert task.log == [old, {"reason": "x"}]
    call = host.manager.hook.prefiq_around_action
    for action in ("open", "close"):
        call(entity=task, action=action, arguments={"by": action}, scope=scope)
    host.manager.hook.prefiq_around_update(entity=task, before=old, scope=scope)
    assert task.log[2:] == [{"by": "close"}, old]


def test_yielding_and_wrapping_belong_together(container: Container) -> None:
    """A plain function does not wrap, and a hook that yields would do nothing; what cannot be called is named."""

    @on.around_create(Task)
    def plain(task: Task) -> None: ...

    @on.before_create(Task)
    def yields(task: Task) -> Iterator[None]:
        yield

    @on.before(Close)  # type: ignore[arg-type]
    def acting(task: Task) -> Iterator[None]:
        yield

    @on.after_create(Task)
    async def streams(task: Task) -> Any:
        yield

    @on.around_create(Task)
    async def waits(task: Task) -> None: ...

    @on.after_create(Task)
    def nothing() -> None: ...

    @on.after_create(Task)
    def by_place(task: Task, clock: IClock, /) -> None: ...

    hooks = (plain, yields, acting, streams, waits, nothing, by_place)
    faults: list[PrefiqError] = []
    Host([module("a", hooks=hooks)]).model_hooks([Task], container, faults=faults, wait=print)
    assert sorted((f.hook, f.why, f.fix) for f in faults if isinstance(f, HookUnusable)) == [
        ("a.acting", "it yields, so nothing of it would run", "mark it with on.around"),
        (
            "a.by_place",
            "a parameter behind the first cannot be given by name",
            "remove the / from its parameters",
        ),
        ("a.nothing", "it takes no entity", "give it a first parameter"),
        ("a.plain", "it wraps and does not yield", "write a generator function that yields once"),
        ("a.streams", "it yields, so nothing of it would run", "mark it with on.around_create"),
        ("a.waits", "it wraps and does not yield", "write a generator function that yields once"),
        ("a.yields", "it yields, so nothing of it would run", "mark it with on.around_create"),
    ]


def test_async_wrapper_is_a_fault_in_sync_mode(container: Container) -> None:
    """As every async hook, with its place."""

    @on.around_create(Task)
    async def streams(task: Task) -> AsyncIterator[None]:
        yield

    faults: list[PrefiqError] = []
    Host([module("a", hooks=(streams,))]).model_hooks([Task], container, faults=faults)
    (fault,) = faults
    assert isinstance(fault, HookUnusable)
    assert (fault.hook, fault.why) == ("a.streams", "it is async, and DB_MODE is sync")
    assert fault.source == f"{__file__}:{streams.__code__.co_firstlineno}"


class Shipped:
    pass


def test_subscribers_are_compiled_in_module_order(container: Container, scope: Scope) -> None:
    """Their parameters are contracts of the container; a disabled one is left out."""
    seen: list[Any] = []

    @subscribe(Shipped)
    def first(event: Shipped, clock: IClock, scope: Scope) -> None:
        seen.append((event, clock.now(), scope))

    @subscribe(Shipped)
    def second(event: Shipped) -> None:
        seen.append("second")

    modules = [module("a", subscribers=(first,)), module("b", subscribers=(second, first))]
    host = Host(modules, disable=["b.first"])
    assert host.unknown_disabled() == []
    found = host.subscribers(container)
    assert [one.name for one in found] == ["a.first", "b.second"]
    event = Shipped()
    for one in found:
        one.call(scope, event)
    assert seen == [(event, 7, scope), "second"]


def test_unusable_subscribers_are_named_together(container: Container) -> None:
    """Unmarked, async, without a parameter, or asking for what nobody binds or can be read."""

    def unmarked(event: Shipped) -> None: ...

    @subscribe(Shipped)
    async def later(event: Shipped) -> None: ...

    @subscribe(Shipped)
    def yields(event: Shipped) -> Iterator[None]:
        yield

    @subscribe(Shipped)
    def nothing() -> None: ...

    @subscribe(Shipped)
    def missing(event: Shipped, store: IDomain[Task]) -> None: ...

    @subscribe(Shipped)
    def unreadable(event: Shipped, price: Decimal) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    functions = (unmarked, later, yields, nothing, missing, unreadable, 7)
    host = Host([module("a", subscribers=functions)])
    faults: list[PrefiqError] = []
    assert host.subscribers(container, faults=faults) == []
    assert sorted((f.hook, f.why) for f in faults if isinstance(f, HookUnusable)) == [
        ("a.int", "it is not marked"),
        ("a.later", "it is async, and DB_MODE is sync"),
        ("a.nothing", "it takes no event"),
        ("a.unmarked", "it is not marked"),
        ("a.yields", "it yields, so nothing of it would run"),
    ]
    assert sorted(type(f).__name__ for f in faults) == ["HookUnusable"] * 5 + [
        "MissingBinding",
        "UnreadableParameter",
    ]
    with pytest.raises(Faults):
        host.subscribers(container)


def test_disabled_hook_does_not_run(container: Container) -> None:
    """A disabled name blocks the hook, all its events; an unknown name is a fault with the nearest."""
    both = on.before_create(Task)(on.before_delete(Task)(hook("stamp", "x")))
    kept = on.before_create(Task)(hook("kept", "y"))
    host = Host([module("a", hooks=(both, kept))], disable=["a.stamp", "a.kpt", "a.rule"])
    table = host.model_hooks([Task], container)
    assert [one.name for one in table.get("before_create", Task)] == ["a.kept"]
    assert table.get("before_delete", Task) == ()
    (fault,) = host.unknown_disabled(others=["a.rule"])
    assert isinstance(fault, UnknownDisabled)
    assert (fault.name, fault.nearest) == ("a.kpt", "a.kept")


def test_broadcast_by_pluggy_reaches_the_right_hooks(container: Container, scope: Scope) -> None:
    """Calling the extension point natively does the same as the table, slowly."""
    for_note = on.before_create(Note)(hook("n", "note"))
    for_task = on.before_create(Task)(hook("t", "task"))
    closing = on.after(Close)(hook("c", "closed"))  # type: ignore[arg-type]
    host = Host([module("a", hooks=(for_note, for_task, closing))])
    host.model_hooks([Task, Note], container)
    task = Task()
    host.manager.hook.prefiq_before_create(entity=task, scope=scope)
    for action in ("close", "open"):
        host.manager.hook.prefiq_after_action(entity=task, action=action, arguments={}, scope=scope)
    assert task.log == ["task", "closed"]


class IStore(IDomain[Task], Protocol):
    pass


class Fast:
    def __getattr__(self, name: str) -> Any: ...


class Slow(Fast):
    pass


def test_settings_replace_by_name(scope: Scope) -> None:
    """``<module>.<contract>`` names a binding by any contract that it answers; lifetimes stay."""
    to = Binder("tasks")
    to.app(IStore, Slow)
    to.default(IDomain[Task], Slow)
    for name in ("tasks.IStore", "tasks.IDomain[Task]"):
        faults: list[PrefiqError] = []
        replaced = replace_from_settings(to.bindings, {name: f"{__name__}:Fast"}, faults)
        assert faults == []
        container = compose(replaced)
        assert type(container.resolve(None, IStore)) is Fast
        assert container.resolve(None, IStore) is container.resolve(None, IDomain[Task])
        (entry, _) = container.report.entries
        assert entry.source == f'prefiq.toml [replace] "{name}"'


def test_wrong_replacements_are_named_together() -> None:
    """An unknown name and an import path that leads nowhere are both reported, also of one entry."""
    to = Binder("tasks")
    to.bind(IStore, Slow)
    faults: list[PrefiqError] = []
    wanted = {"tasks.IStor": f"{__name__}:Fast", "tasks.IStore": f"{__name__}:Fst", "tasks.X": "nonsense"}
    assert replace_from_settings(to.bindings, wanted, faults) == list(to.bindings)
    missing, malformed, unknown, both = faults
    assert isinstance(missing, BadReference)
    assert missing.where == 'prefiq.toml [replace] "tasks.IStore"'
    assert isinstance(malformed, BadReference)
    assert isinstance(unknown, UnknownReplacement)
    assert unknown.nearest == "tasks.IStore"
    assert isinstance(both, UnknownReplacement)
    assert both.name == malformed.asked_by.split('"')[1] == "tasks.X"


def test_default_that_is_not_used_cannot_be_replaced() -> None:
    """Replacing what another module's binding took the place of would change nothing, so it is a fault."""
    to, other = Binder("tasks"), Binder("acme")
    to.default(IDomain[Task], Slow)
    other.bind(IStore, Slow)
    faults: list[PrefiqError] = []
    replace_from_settings((*to.seal(), *other.seal()), {"tasks.IDomain[Task]": f"{__name__}:Fast"}, faults)
    (fault,) = faults
    assert isinstance(fault, UnknownReplacement)
    assert fault.nearest == "acme.IDomain[Task]"


def test_loading_reports_discovery_and_hooks_together() -> None:
    """``Host.load`` raises everything at once and keeps nothing."""

    class Bad(ProviderBase):
        hooks: ClassVar[tuple[Any, ...]] = (print,)

    with pytest.raises(Faults) as caught:
        Host.load(["nowhere_at_all"], builtin=[("bad", Bad)])
    assert [fault.code for fault in caught.value.exceptions if isinstance(fault, PrefiqError)] == [
        "PFQ331",
        "PFQ341",
    ]
