"""Composition: boot, resolution, fork, hook dispatch and import, beside dishka and wireup in the same run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import dishka
import wireup

from benchmarks._measure import Row, interleaved, row
from prefiq import Binder, Entity, ProviderBase, Scope, field, on
from prefiq.container import Container, compose
from prefiq.contracts import Bound
from prefiq.foundation.hooks import HookTable
from prefiq.plugins import Host, discover

TARGET_BOOT = {10: 2.0, 100: 12.0}


class Clock:
    pass


class Executor:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope


def module(number: int) -> type[ProviderBase]:
    """A provider with a repository and a service, as a module author writes them."""

    class Repository:
        def __init__(self, executor: Executor, clock: Clock) -> None:
            self.executor, self.clock = executor, clock

    class Service:
        def __init__(self, repository: Repository) -> None:
            self.repository = repository

    Service.__init__.__annotations__["repository"] = Repository

    def bind(_self: ProviderBase, to: Binder) -> None:
        to.bind(Repository)
        to.bind(Service)

    return type(
        f"Module{number}Provider",
        (ProviderBase,),
        {"bind": bind, "service": Service, "repository": Repository},
    )


class CoreProvider(ProviderBase):
    def bind(self, to: Binder) -> None:
        to.app(Clock)
        to.bind(Executor)


def boot(providers: list[type[ProviderBase]]) -> Container:
    """Order, register, bind, link and validate."""
    named = [("core", CoreProvider), *((f"module{n}", provider) for n, provider in enumerate(providers))]
    host = Host(discover((), builtin=named).modules)
    return compose(host.bindings())


def dishka_boot(providers: list[Any]) -> Any:
    made = dishka.Provider()
    made.provide(Clock, scope=dishka.Scope.APP)
    made.provide(_executor, provides=Executor, scope=dishka.Scope.REQUEST)
    for provider in providers:
        made.provide(provider.repository, scope=dishka.Scope.REQUEST)
        made.provide(provider.service, scope=dishka.Scope.REQUEST)
    return dishka.make_container(made)


def wireup_boot(providers: list[Any]) -> Any:
    made: list[Any] = [wireup.injectable(Clock), wireup.injectable(_executor, lifetime="scoped")]
    for provider in providers:
        made.append(wireup.injectable(provider.repository, lifetime="scoped"))
        made.append(wireup.injectable(provider.service, lifetime="scoped"))
    return wireup.create_sync_container(injectables=made)


def _executor() -> Executor:
    return Executor(None)  # type: ignore[arg-type]


def boots() -> list[Row]:
    rows: list[Row] = []
    for count, target in TARGET_BOOT.items():
        providers = [module(n) for n in range(count)]
        spent = interleaved(
            {"prefiq": lambda p=providers: boot(p), "dishka": lambda p=providers: dishka_boot(p)}, rounds=7
        )
        rows.append(
            row(f"boot {count} modules", spent["prefiq"] * 1000, "ms CPU", target, "dishka, container alone")
        )
        rows.append(
            row(f"boot {count} modules, ratio", spent["prefiq"] / spent["dishka"], "× dishka", None, "dishka")
        )
    return rows


def resolution() -> list[Row]:
    providers = [module(n) for n in range(10)]
    service: Any = providers[5].service  # type: ignore[attr-defined]
    container, peer, other = boot(providers), dishka_boot(providers), None
    contestants: dict[str, Callable[[], object]] = {}

    def ours() -> object:
        with Scope(Bound("acme"), resolve=container.resolve) as scope:
            return scope[service]

    def theirs() -> object:
        with peer() as request:
            return request.get(service)

    contestants |= {"prefiq": ours, "dishka": theirs}
    try:
        other = wireup_boot(providers)
    except Exception as error:  # noqa: BLE001  a peer that cannot take part must not stop the others
        print(f"wireup left out: {error}", file=sys.stderr)
    if other is not None:

        def wired() -> object:
            with other.enter_scope() as request:
                return request.get(service)

        contestants["wireup"] = wired
    spent = interleaved(contestants, rounds=9, number=2000)
    rows = [
        row(
            "request: open scope, resolve service → repository → executor, close",
            spent["prefiq"] * 1e6,
            "µs",
            1.6,
        ),
        row("request, ratio", spent["prefiq"] / spent["dishka"], "× dishka", None, "dishka"),
    ]
    if "wireup" in spent:
        rows.append(row("request, ratio", spent["prefiq"] / spent["wireup"], "× wireup", 0.55, "wireup"))
    return rows


def forks() -> list[Row]:
    container = boot([module(n) for n in range(100)])
    spent = interleaved(
        {
            "one": lambda: container.fork({Clock: Clock()}),
            "again": lambda: boot([module(n) for n in range(100)]),
        },
        rounds=5,
    )
    return [
        row("fork that replaces what every module of 100 depends on", spent["one"] * 1000, "ms CPU", None),
        row("the same, ratio", spent["one"] / spent["again"], "× composing again", None),
    ]


def hooks() -> list[Row]:
    class Note(Entity):
        title: str = field(max_length=10)

    @on.before_create(Note)
    def first(_note: Note) -> None:
        return None

    @on.before_create(Note)
    def second(_note: Note) -> None:
        return None

    class NotesProvider(ProviderBase):
        models = (Note,)
        hooks = (first, second)

    host = Host(discover((), builtin=[("core", CoreProvider), ("notes", NotesProvider)]).modules)
    table = host.model_hooks([Note], compose(host.bindings()))
    empty = HookTable()
    scope, note = Scope(Bound("acme"), resolve=lambda *_: None), Note(title="x")
    spent = interleaved(
        {
            "none": lambda: empty.run("before_create", Note, scope, note),
            "two": lambda: table.run("before_create", Note, scope, note),
            "call": lambda: None,
        },
        rounds=9,
        number=20000,
    )
    return [
        row(
            "model hook, no handler", (spent["none"] - spent["call"]) * 1e9, "ns", 60, "pluggy broadcast 1300"
        ),
        row("model hook, two handlers", (spent["two"] - spent["call"]) * 1e6, "µs", 0.5, "pluggy broadcast"),
    ]


def imports() -> list[Row]:
    def cost(code: str) -> float:
        program = f"import time; t=time.process_time(); {code}; print(time.process_time()-t)"
        runs = [
            float(
                subprocess.run(
                    [sys.executable, "-c", program], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(9)
        ]
        return min(runs) * 1000

    return [
        row("import prefiq", cost("import prefiq"), "ms CPU", 15),
        row("import what a module of models needs", cost("from prefiq import Entity, field"), "ms CPU", None),
    ]


def rows() -> list[Row]:
    """Every row of this benchmark."""
    return [*boots(), *resolution(), *forks(), *hooks(), *imports()]
