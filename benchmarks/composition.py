"""Composition: boot, validation, resolution, fork, hooks, discovery, memory and import, beside peers in the same run.

Peers are dishka, wireup, modern-di, svcs, plain dependency-injector and plain pluggy.  svcs and
dependency-injector check nothing at boot, and the latter keeps nothing per request: less duty for their time.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy
import svcs

from benchmarks import _modules as made
from benchmarks._measure import Row, interleaved, row
from benchmarks._modules import Clock, Executor, boot, modules
from prefiq import Entity, ProviderBase, Scope, field, on
from prefiq.container import check, compose
from prefiq.contracts import Bound
from prefiq.contracts.scope import NOBODY
from prefiq.foundation.hooks import CompiledHook, HookMark, HookTable
from prefiq.foundation.service_context import Pipelines, ServiceContext
from prefiq.foundation.services import Services
from prefiq.lowcode import Catalog
from prefiq.plugins import Host, discover, entry_points

TARGET_BOOT = {10: 2.0, 100: 12.0, 1000: 150.0}
PEERS: Mapping[str, Callable[[Any], object]] = {
    "dishka": made.dishka_boot,
    "modern-di": made.modern_boot,
    "wireup": made.wireup_boot,
    "svcs, no checks": made.svcs_boot,
    "dependency-injector, no checks": made.native_boot,
    "pluggy, register only": made.pluggy_boot,
}


def against(what: str, spent: Mapping[str, float], targets: Mapping[str, float] = {}) -> list[Row]:
    """One row for each peer: Prefiq's time in the peer's."""
    return [
        row(f"{what} ÷ {peer}", spent["prefiq"] / seconds, "×", targets.get(peer), peer)
        for peer, seconds in spent.items()
        if peer != "prefiq"
    ]


def boots() -> list[Row]:
    rows: list[Row] = []
    for count, target in TARGET_BOOT.items():
        found = modules(count)
        contestants = {"prefiq": boot, **PEERS}
        spent = interleaved(
            {name: lambda run=run, found=found: run(found) for name, run in contestants.items()},
            rounds=25 if count == 10 else 9 if count == 100 else 4,
        )
        best = min((seconds, peer) for peer, seconds in spent.items() if "," not in peer and peer != "prefiq")
        told = f"{best[1]}, container alone: {best[0] * 1000:.1f}"
        rows.append(row(f"boot {count} modules", spent["prefiq"] * 1000, "ms CPU", target, told))
        rows += against(f"boot {count}", spent)
        alone = interleaved(
            {
                "prefiq": lambda found=found: made.alone(found),
                best[1]: lambda f=found, p=best[1]: PEERS[p](f),
            },
            rounds=9,
        )
        rows += against(f"container alone, {count} modules", alone)
    return rows


def validation() -> list[Row]:
    named = [("core", made.CoreProvider)]
    named += [(f"m{module.number}", module.provider) for module in modules(1000, report=True)]
    bindings = Host(discover((), builtin=named).modules).bindings()
    spent = interleaved({"compose": lambda: compose(bindings), "check": lambda: check(bindings)}, rounds=7)
    what = f"select, link and validate {len(bindings)} bindings"
    return [
        row(what, spent["compose"] * 1000, "ms CPU", 80, ""),
        row(f"{what}, and report on them", spent["check"] * 1000, "ms CPU", None, ""),
    ]


def resolution() -> list[Row]:
    found = modules(10)
    service: Any = found[5].service
    resolve, tenancy = boot(found).resolve, Bound("acme")
    dishka, wireup = made.dishka_boot(found), made.wireup_boot(found)
    modern, registry, native = made.modern_boot(found), made.svcs_boot(found), made.native_boot(found)
    request = made.modern_di.Scope.REQUEST

    def ours() -> object:
        scope = Scope(tenancy, NOBODY, resolve)
        instance = scope[service]
        scope.close()
        return instance

    def current() -> object:
        with Scope(tenancy, NOBODY, resolve) as scope:
            return scope[service]

    def dishka_() -> object:
        with dishka() as opened:
            return opened.get(service)

    def wireup_() -> object:
        with wireup.enter_scope() as opened:
            return opened.get(service)

    def modern_() -> object:
        with modern.build_child_container(scope=request) as opened:
            return opened.resolve(service)

    def svcs_() -> object:
        with svcs.Container(registry) as opened:
            return opened.get(service)

    def native_() -> object:
        token = made.CURRENT.set({})
        instance = native[service]()
        made.CURRENT.reset(token)
        return instance

    contestants = {
        "prefiq": ours,
        "prefiq by ContextVar": current,
        "wireup": wireup_,
        "modern-di": modern_,
        "dishka": dishka_,
        "svcs": svcs_,
        "dependency-injector": native_,
    }
    spent = interleaved(contestants, rounds=60, number=2000)
    peer = f"wireup {spent['wireup'] * 1e6:.2f}"
    what = "request: scope, service → repository → executor + clock, close"
    rows = [
        row(f"{what}; explicit", spent["prefiq"] * 1e6, "µs", 1.0, peer),
        row(f"{what}; ContextVar", spent["prefiq by ContextVar"] * 1e6, "µs", 1.6, peer),
        row(
            "request by ContextVar ÷ wireup", spent["prefiq by ContextVar"] / spent["wireup"], "×", None, peer
        ),
    ]
    del spent["prefiq by ContextVar"]
    rows += against("request", spent, {"wireup": 0.55})
    scope = Scope(tenancy, NOBODY, resolve)
    with dishka() as one, wireup.enter_scope() as two:
        spent = interleaved(
            {
                "prefiq": lambda: scope[Clock],
                "wireup": lambda: two.get(Clock),
                "dishka": lambda: one.get(Clock),
                "call": lambda: None,
            },
            rounds=150,
            number=1000,
        )
    bare = {name: seconds - spent["call"] for name, seconds in spent.items() if name != "call"}
    rows.append(
        row(
            "object of the application", bare["prefiq"] * 1e9, "ns", 150, f"wireup {bare['wireup'] * 1e9:.0f}"
        )
    )
    return [*rows, *against("object of the application", bare)]


def forks() -> list[Row]:
    found = modules(1000)
    container, tenancy = boot(found), Bound("acme")
    service, repository = found[500].service, found[500].repository
    fake = repository(None, None)
    Scope(tenancy, NOBODY, container.resolve)[service]

    def fork(replaced: Mapping[Any, Any]) -> object:
        forked = container.fork(replaced)
        return Scope(tenancy, NOBODY, forked.resolve)[service]

    executor, clock = made.BareExecutor(), Clock()
    spent = interleaved(
        {
            "repository": lambda: fork({repository: fake}),
            "executor": lambda: fork({Executor: executor}),
            "clock": lambda: fork({Clock: clock}),
        },
        rounds=30,
        number=100,
    )
    rebuild = interleaved({"dishka": lambda: made.dishka_boot(found)}, rounds=2)["dishka"]
    peer = f"dishka, build again: {rebuild * 1e3:.0f} ms"
    what = "fork in 1000 modules with first resolution, replaced:"
    return [
        row(f"{what} a repository", spent["repository"] * 1e6, "µs", 60, peer),
        row(f"{what} the executor of all", spent["executor"] * 1e6, "µs", 2000, peer),
        row(f"{what} the clock of all", spent["clock"] * 1e6, "µs", 2000, peer),
    ]


class Note(Entity):
    title: str = field(max_length=10)


def hooks() -> list[Row]:
    @on.before_create(Note)
    def first(_note: Note) -> None:
        return None

    @on.before_create(Note)
    def second(_note: Note) -> None:
        return None

    class NotesProvider(ProviderBase):
        models = (Note,)
        hooks = (first, second)

    host = Host(discover((), builtin=[("core", made.CoreProvider), ("notes", NotesProvider)]).modules)
    ours = dict(host.model_hooks([Note], compose(host.bindings())))
    note, manager = Note(title="x"), made.pluggy_boot(modules(1000))
    none, two = _service(HookTable(_others())), _service(HookTable({**_others(), **ours}))
    scope = two.context.scope
    spent = interleaved(
        {
            "none": lambda: none._run_hooks("before_create", note),
            "two": lambda: two._run_hooks("before_create", note),
            "call": lambda: None,
        },
        rounds=60,
        number=5000,
    )
    broadcast = interleaved(
        {"pluggy": lambda: manager.hook.before_create(entity=note, scope=scope)}, rounds=20, number=5
    )["pluggy"]
    peer = f"pluggy broadcast {broadcast * 1e6:.0f} µs"
    what = "model hook among 1000 hooked models"
    return [
        row(f"{what}, no handler", (spent["none"] - spent["call"]) * 1e9, "ns", 60, peer),
        row(f"{what}, two handlers", (spent["two"] - spent["call"]) * 1e6, "µs", 0.5, peer),
    ]


def _service(table: HookTable) -> Services[Note]:
    """A service that runs hooks, and nothing else of it."""
    catalog, faults = Catalog.read({"notes": [Note]})
    assert not faults
    nothing: Any = None
    scope = Scope(Bound("acme"))
    context = ServiceContext(scope, nothing, nothing, nothing, nothing, Pipelines(catalog, table))
    return Services.of(Note)(nothing, context)


def _others() -> dict[tuple[str, type], tuple[CompiledHook, ...]]:
    """Hooks of a thousand other models."""
    found: dict[tuple[str, type], tuple[CompiledHook, ...]] = {}
    for number in range(1000):
        model = type(f"Other{number}", (), {})
        hook = CompiledHook("other.hook", HookMark("before_create", model), "", lambda *_: None)
        found["before_create", model] = (hook,)
    return found


@contextmanager
def installed(count: int) -> Iterator[None]:
    """A directory on the import path with this many distributions, ten of which offer an app."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "site"
        for number in range(count):
            info = folder / f"fake_{number}-1.0.dist-info"
            info.mkdir(parents=True)
            head = f"Metadata-Version: 2.1\nName: fake-{number}\nVersion: 1.0\n"
            (info / "METADATA").write_text(head + "Description: x\n" * 20)
            if number % 4 == 0:
                group = entry_points.GROUP if number < 40 else "console_scripts"
                (info / "entry_points.txt").write_text(f"[{group}]\nfake{number} = fake{number}:Provider\n")
        before = dict(os.environ)
        os.environ["XDG_CACHE_HOME"] = name
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            os.environ.clear()
            os.environ.update(before)
            entry_points._kept.clear()


def discovery() -> list[Row]:
    listed = tuple(f"fake{number}" for number in range(0, 40, 4))

    def cold() -> object:
        os.environ["PREFIQ_INDEX"] = "0"
        try:
            return entry_points.installed_apps(listed)
        finally:
            del os.environ["PREFIQ_INDEX"]

    def started() -> object:
        entry_points._kept.clear()  # as in a new process: only the index on disk is left
        return entry_points.installed_apps(listed)

    with installed(2000):
        subprocess.run(["/bin/sleep", "0.2"], check=True)  # directories that changed just now are not kept
        spent = interleaved(
            {
                "cold": cold,
                "disk": started,
                "warm": lambda: entry_points.installed_apps(listed),
                "stdlib": lambda: metadata.entry_points(group=entry_points.GROUP),
                "pluggy": lambda: pluggy.PluginManager("x").load_setuptools_entrypoints("none"),
            },
            rounds=7,
        )
    peer = f"entry_points() {spent['stdlib'] * 1e3:.0f} ms, pluggy {spent['pluggy'] * 1e3:.0f} ms"
    return [
        row("discovery, 2000 distributions: everything read", spent["cold"] * 1e3, "ms CPU", 20, peer),
        row("discovery, 2000 distributions: new process", spent["disk"] * 1e3, "ms CPU", 0.5, peer),
        row("discovery, 2000 distributions: same process", spent["warm"] * 1e3, "ms CPU", 0.5, peer),
    ]


def memory() -> list[Row]:
    """KiB that a composed module takes, its classes not counted."""

    def kept(run: Callable[[Any], Any]) -> float:
        found = modules(500)
        run(modules(3))  # what is made once
        gc.collect()
        tracemalloc.start()
        held = run(found)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held is not None
        return size / 500 / 1024

    def resolved(found: Any) -> Any:
        container = boot(found)
        for module in found:
            scope = Scope(Bound("acme"), NOBODY, container.resolve)
            scope[module.service]
        return container

    peers = {name: kept(run) for name, run in PEERS.items()}
    peer = ", ".join(f"{name.partition(',')[0]} {size:.1f}" for name, size in peers.items())
    return [
        row("memory per module, composed", kept(boot), "KiB", None, peer),
        row("memory per module, once resolved", kept(resolved), "KiB", None, ""),
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
        row("import prefiq.container", cost("import prefiq.container"), "ms CPU", None),
    ]


def rows() -> list[Row]:
    """Every row of this benchmark."""
    return [
        *boots(),
        *validation(),
        *resolution(),
        *forks(),
        *hooks(),
        *discovery(),
        *memory(),
        *imports(),
    ]
