"""Random sets of modules with random faults: a boot works, or names exactly what was planted."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefiq import (
    Application,
    Binder,
    Entity,
    Extension,
    Lazy,
    ProviderBase,
    Scope,
    ServiceExtension,
    Settings,
    action,
    on,
)
from prefiq import field as declared
from prefiq.contracts.scope import current_scope_or_none
from prefiq.errors import Faults, PrefiqError
from prefiq.lowcode import Violation
from prefiq.plugins.errors import ModuleFailed

SECRET = "s3cret-of-a-caller"


class Note(Entity):
    text: str = declared(max_length=10)


@dataclass
class Planted:
    """What a fault adds to an application.

    Args:
        modules: Providers in this process.
        packages: Name → (code, requirements) of packages to be installed and listed.
        faults: (kind of error, what tells which) that the report must have.
        early: Whether it keeps a module from being loaded or asked, so that nobody knows what it would bring.
        booting: Whether it is found only when everything else is right.
        declaring: Whether it is in a declaration, so that nothing is put together before it is mended.
    """

    modules: list[type[ProviderBase]] = field(default_factory=list)
    packages: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    early: bool = False
    booting: bool = False
    declaring: bool = False


def module(name: str, bind: Callable[[Binder], None], **more: Any) -> type[ProviderBase]:
    return type(
        f"{name.title()}Provider", (ProviderBase,), {"name": name, "bind": lambda _, to: bind(to), **more}
    )


def made(name: str, **needs: Any) -> type:
    """A class whose constructor takes these."""
    space: dict[str, Any] = {}
    exec(
        f"def __init__(self{''.join(', ' + n for n in needs)}): self.given = ({''.join(n + ', ' for n in needs)})",
        space,
    )
    space["__init__"].__annotations__ = needs
    return type(name, (), {"__init__": space["__init__"]})


def healthy(number: int, before: list[type], log: list[str]) -> tuple[type[ProviderBase], list[Any]]:
    """A module that is all right and depends on earlier ones; with its contracts."""
    executor = made(f"Executor{number}", scope=Scope)
    needs = {f"other{n}": other for n, other in enumerate(before[-2:])}
    service = made(f"Service{number}", executor=executor, **needs)
    clock, later = made(f"Clock{number}"), made(f"Later{number}", service=Lazy[service])  # type: ignore[valid-type]
    index = made(f"Index{number}")

    def opening() -> Iterator[Any]:
        log.append(f"open {number}")
        yield index()
        log.append(f"close {number}")

    def bind(to: Binder) -> None:
        to.bind(executor)
        to.bind(service)
        to.app(clock)
        to.app(later)
        to.resource(index, opening)

    before.append(service)
    return module(f"healthy{number}", bind), [executor, service, clock, later, index]


def missing() -> Planted:
    absent, asks = made("Absent"), made("Asks")
    asks = made("AsksAbsent", absent=absent)
    return Planted([module("missing", lambda to: to.bind(asks))], faults=[("MissingBinding", "Absent")])


def cyclic() -> Planted:
    first, second = made("First"), made("Second")
    first.__init__ = made("", second=second).__init__  # type: ignore[misc]
    second.__init__ = made("", first=first).__init__  # type: ignore[misc]

    def bind(to: Binder) -> None:
        to.bind(first)
        to.bind(second)

    return Planted([module("cyclic", bind)], faults=[("CyclicBindings", "First -> Second -> First")])


def captive() -> Planted:
    short = made("Short", scope=Scope)
    long = made("Long", short=short)

    def bind(to: Binder) -> None:
        to.bind(short)
        to.app(long)

    return Planted([module("captive", bind)], faults=[("CaptiveDependency", "Long")])


def duplicate() -> Planted:
    twice = made("Twice")
    return Planted(
        [module("once", lambda to: to.bind(twice)), module("again", lambda to: to.app(twice))],
        faults=[("DuplicateOwner", "Twice")],
    )


def private() -> Planted:
    mine = made("Mine")
    asks = made("AsksMine", mine=mine)
    return Planted(
        [module("owner", lambda to: to.bind(mine, private=True)), module("thief", lambda to: to.bind(asks))],
        faults=[("PrivateContract", "Mine")],
    )


def unsatisfied() -> Planted:
    contract, other = made("Contract"), made("Unrelated")
    return Planted(
        [module("liar", lambda to: to.bind(contract, other))], faults=[("ContractNotSatisfied", "Contract")]
    )


def coroutine() -> Planted:
    contract = made("Awaited")

    async def make() -> Any:
        return contract()

    return Planted(
        [module("async", lambda to: to.bind(contract, make))], faults=[("AsyncFactory", "Awaited")]
    )


def blind_decorator() -> Planted:
    contract = made("Wrapped")
    blind = type("Blind", (contract,), {"__init__": lambda self: None})

    def bind(to: Binder) -> None:
        to.bind(contract)
        to.decorate(contract, blind)

    return Planted([module("blind", bind)], faults=[("DecoratesNothing", "Wrapped")])


def bind_raises() -> Planted:
    def bind(_to: Binder) -> None:
        raise ValueError(SECRET)

    return Planted([module("raises", bind)], faults=[("ModuleFailed", "raises bind")], early=True)


def bind_exits() -> Planted:
    def bind(_to: Binder) -> None:
        raise SystemExit(SECRET)

    return Planted([module("exits", bind)], faults=[("ModuleFailed", "exits bind")], early=True)


def bad_hook() -> Planted:
    @on.before_create(Note)
    def asks(note: Note, absent: Unbound) -> None: ...

    found = module("hooked", lambda _to: None, models=(Note,), hooks=(asks,))
    return Planted([found], faults=[("MissingBinding", "Unbound")])


class Unbound:
    pass


def async_hook() -> Planted:
    class Memo(Entity):
        text: str = declared(max_length=10)

    @on.before_create(Memo)
    async def waits(memo: Memo) -> None: ...

    found = module("waiting", lambda _to: None, models=(Memo,), hooks=(waits,))
    return Planted([found], faults=[("HookUnusable", "waiting.waits")])


def bad_version() -> Planted:
    packages = {"base": (PROVIDER, ()), "needs": (PROVIDER, ("acme-base>=9",))}
    return Planted(packages=packages, faults=[("RequirementVersion", "needs")], early=True)


def not_installed() -> Planted:
    packages = {"lonely": (PROVIDER, ("acme-nowhere",))}
    return Planted(packages=packages, faults=[("RequirementNotInstalled", "lonely")], early=True)


def import_raises() -> Planted:
    packages = {"broken": (f"raise RuntimeError({SECRET!r})", ())}
    return Planted(packages=packages, faults=[("ModuleFailed", "broken import")], early=True)


def boot_raises() -> Planted:
    def boot(_self: Any, _app: Any) -> None:
        raise ValueError(SECRET)

    found = module("late", lambda _to: None, boot=boot)
    return Planted([found], faults=[("ModuleFailed", "late boot")], booting=True)


def dropped_chain() -> Planted:
    class Sheet(Entity):
        text: str = declared(max_length=10)

    class Drops(ServiceExtension[Sheet]):
        def create(self, entity: Sheet, /) -> Sheet:
            return entity

    owner = module("sheets", lambda _to: None, models=(Sheet,))
    drops = module("drops", lambda _to: None, extensions=(Drops,))
    return Planted([owner, drops], faults=[("ExtensionUnusable", "drops.Drops")])


def colliding_extensions() -> Planted:
    class Page(Entity):
        text: str = declared(max_length=10)

    class First(Extension[Page]):
        rate: int = declared(default=0)

        @action
        def bill(self) -> None: ...

    class Second(Extension[Page]):
        rate: int = declared(default=0)

        @action
        def bill(self) -> None: ...

    return Planted(
        [
            module("pages", lambda _to: None, models=(Page,)),
            module("collides1", lambda _to: None, extensions=(First,)),
            module("collides2", lambda _to: None, extensions=(Second,)),
        ],
        faults=[("Violation", "conflicts bill")],
        declaring=True,
    )


PROVIDER = "from prefiq import ProviderBase\nclass Provider(ProviderBase): pass\n"
FAULTS = (
    missing, cyclic, captive, duplicate, private, unsatisfied, coroutine, blind_decorator, bind_raises,
    bind_exits, bad_hook, async_hook, bad_version, not_installed, import_raises, boot_raises, dropped_chain,
    colliding_extensions,
)  # fmt: skip
FOLLOWING = {"MissingBinding", "DecoratesNothing"}
"""What is not told where a module could not be asked: it may only follow from that."""


def told(fault: PrefiqError) -> tuple[str, str]:
    """The kind of a fault and what tells it from others of the kind."""
    if isinstance(fault, ModuleFailed):
        return "ModuleFailed", f"{fault.module} {fault.step}"
    if isinstance(fault, Violation):
        return "Violation", f"{fault.rule} {fault.field}"
    for name in ("path", "contract", "hook", "extension", "module"):
        value = getattr(fault, name, None)
        if value:
            kind = type(fault).__name__
            if isinstance(value, tuple):
                value = value[0] if kind == "CaptiveDependency" else " -> ".join(value)
            return kind, value
    return type(fault).__name__, ""


@contextlib.contextmanager
def installed(folder: Path, packages: dict[str, tuple[str, tuple[str, ...]]]) -> Iterator[None]:
    """Packages on the import path for one example."""
    site = folder / "site"
    site.mkdir()
    for name, (code, requires) in packages.items():
        (site / f"acme_{name}.py").write_text(code)
        info = site / f"acme_{name}-1.0.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n{needs}")
        (info / "entry_points.txt").write_text(f"[prefiq.apps]\n{name} = acme_{name}:Provider\n")
    cache = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    sys.path.insert(0, str(site))
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for known in [name for name in sys.modules if name.startswith("acme_")]:
            del sys.modules[known]
        if cache is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = cache


def expected(planted: list[Planted]) -> Counter[tuple[str, str]]:
    """The report: what is found at boot alone is reached only where all else is right."""
    found = [one for one in planted if not one.booting] or planted
    if any(one.declaring for one in planted):
        found = [one for one in planted if one.declaring or one.early]
    early = any(one.early for one in planted)
    return Counter(
        fault
        for one in found
        for fault in one.faults
        if not (early and not one.early and fault[0] in FOLLOWING)
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4),
    st.lists(st.sampled_from(FAULTS), unique=True, max_size=5),
    st.randoms(use_true_random=False),
)
def test_boot_works_or_names_exactly_what_is_wrong(count: int, plants: list[Any], random: Any) -> None:
    """Every contract resolves, or the report has each planted fault and nothing else; nothing stays open."""
    log: list[str] = []
    services: list[type] = []
    sound = [healthy(number, services, log) for number in range(count)]
    planted = [plant() for plant in plants]
    modules = [provider for provider, _ in sound] + [provider for one in planted for provider in one.modules]
    random.shuffle(modules)
    packages = {name: package for one in planted for name, package in one.packages.items()}
    apps = list(packages)
    random.shuffle(apps)
    with tempfile.TemporaryDirectory() as name, installed(Path(name), packages):
        configured = Settings.for_test(Path(name), APPS=apps)
        if not planted:
            with Application.boot(configured, modules=modules) as app, app.scope(as_system="test") as scope:
                for contract in (contract for _, contracts in sound for contract in contracts):
                    assert type(scope[contract]).__name__ == contract.__name__
        else:
            with pytest.raises(Faults) as caught:
                Application.boot(configured, modules=modules)
            found = [error for error in caught.value.exceptions if isinstance(error, PrefiqError)]
            assert Counter(map(told, found)) == expected(planted)
            text = str(caught.value)
            assert "Traceback" not in text
            assert SECRET not in text
            assert all(fault.what and fault.fix and fault.where for fault in found)
    assert log.count("open") == log.count("close")
    assert sorted(line.split()[1] for line in log if line.startswith("open")) == sorted(
        line.split()[1] for line in log if line.startswith("close")
    )
    assert current_scope_or_none() is None
