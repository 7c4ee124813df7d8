"""Everything that a module can do wrong at a start, and that it hides nothing and leaves nothing behind."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from prefiq import Application, Binder, ProviderBase, Settings
from prefiq.container.errors import CyclicBindings, DuplicateOwner, MissingBinding
from prefiq.errors import Faults, PrefiqError
from prefiq.plugins import loading
from prefiq.plugins.errors import HookUnusable, ModuleFailed, NotLocked, ProviderMisdeclared, UnknownHook

HEAD = """
from prefiq import ProviderBase, Entity, field
from prefiq.plugins import hookimpl
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes an installed package ``acme-<name> 1.0`` that offers the app ``<name>``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = set(sys.modules)

    def make(name: str, code: str) -> None:
        (site / f"acme_{name}.py").write_text(HEAD + textwrap.dedent(code))
        info = site / f"acme_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[prefiq.apps]\n{name} = acme_{name}:Provider\n")

    yield make
    for module in set(sys.modules) - before:
        if module.startswith("acme_"):
            del sys.modules[module]


def faults_of(folder: Path, *apps: str) -> list[PrefiqError]:
    with pytest.raises(Faults) as caught:
        Application.boot(Settings.for_test(folder, APPS=list(apps)))
    return [error for error in caught.value.exceptions if isinstance(error, PrefiqError)]


RAISES = """
raise Boom
"""
ATTRIBUTES = (
    "models",
    "extensions",
    "hooks",
    "subscribers",
    "seeds",
    "after",
    "name",
    "migrations",
    "settings",
)
METHODS = ("bind", "routes", "commands", "checks", "boot")
ERRORS = {
    "Exception": "class Boom(Exception): pass",
    "SystemExit": "Boom = SystemExit",
    "BaseException": "class Boom(BaseException): pass",
    "GeneratorExit": "Boom = GeneratorExit",
}


def broken(where: str, error: str = "Exception") -> str:
    """A module whose provider raises in one place."""
    if where == "import":
        return f"{ERRORS[error]}\nraise Boom\n"
    if where == "constructor":
        body = "def __init__(self): raise Boom"
    elif where in ATTRIBUTES:
        body = f"{where} = property(lambda self: (_ for _ in ()).throw(Boom))"
    else:
        body = f"def {where}(self, *given): raise Boom"
    return f"{ERRORS[error]}\nclass Provider(ProviderBase):\n    {body}\n"


AT_BOOT = ("import", "constructor", "bind", *(one for one in ATTRIBUTES if one != "name"), "boot")
STEPS = {"constructor": "import"}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("where", AT_BOOT)
def test_whatever_raises_is_named_with_its_package(
    install: Install, tmp_path: Path, where: str, error: str
) -> None:
    """Module, package, step and kind of error; another module's fault in the same step is told too."""
    install("bad", broken(where, error))
    install("worse", broken(where))
    found = faults_of(tmp_path, "bad", "worse")
    assert [
        (fault.module, fault.distribution, fault.step) for fault in found if isinstance(fault, ModuleFailed)
    ] == [
        ("bad", "acme-bad 1.0", STEPS.get(where, where)),
        ("worse", "acme-worse 1.0", STEPS.get(where, where)),
    ]
    assert len(found) == 2
    first = found[0]
    assert isinstance(first, ModuleFailed)
    assert first.error == {"Exception": "Boom", "BaseException": "Boom"}.get(error, error)
    assert "acme_bad.py:" in first.source


def test_an_interrupt_is_no_fault_of_a_module(install: Install, tmp_path: Path) -> None:
    """Who presses Ctrl-C while a module is imported or asked stops the start."""
    install("bad", "raise KeyboardInterrupt")
    install("asks", "class Provider(ProviderBase):\n    def bind(self, to): raise KeyboardInterrupt")
    for app in ("bad", "asks"):
        with pytest.raises(KeyboardInterrupt):
            Application.prepare(Settings.for_test(tmp_path, APPS=[app]))


@pytest.mark.parametrize("where", ["routes", "commands", "checks"])
def test_what_is_asked_later_is_named_too(install: Install, tmp_path: Path, where: str) -> None:
    """These are asked when HTTP, the command line or doctor starts; the others still answer."""
    install("bad", broken(where))
    install("good", f"class Provider(ProviderBase):\n    def {where}(self): return ['one']")
    app = Application.prepare(Settings.for_test(tmp_path, APPS=["bad", "good"]))
    faults: list[PrefiqError] = []
    assert [one for _, one in getattr(app.host, where)(faults)] == ["one"]
    (fault,) = faults
    assert isinstance(fault, ModuleFailed)
    assert (fault.module, fault.distribution, fault.step) == ("bad", "acme-bad 1.0", where)


@pytest.mark.parametrize("attribute", ["models", "extensions", "hooks", "subscribers", "seeds", "after"])
@pytest.mark.parametrize("value", ["'audit'", "None", "object", "{}"])
def test_attribute_of_the_wrong_kind_is_named(
    install: Install, tmp_path: Path, attribute: str, value: str
) -> None:
    """A text in place of a tuple is the common slip: a comma is missing."""
    install("bad", f"class Provider(ProviderBase):\n    {attribute} = {value}")
    (fault,) = faults_of(tmp_path, "bad")
    assert isinstance(fault, ProviderMisdeclared)
    assert (fault.attribute, fault.wanted, fault.distribution) == (attribute, "a tuple", "acme-bad 1.0")


@pytest.mark.parametrize("method", ["bind", "boot"])
def test_async_method_is_named(install: Install, tmp_path: Path, method: str) -> None:
    """It would never run."""
    install("bad", f"class Provider(ProviderBase):\n    async def {method}(self, given): ...")
    (fault,) = faults_of(tmp_path, "bad")
    assert isinstance(fault, ModuleFailed)
    assert fault.error == f"TypeError: {method} is async def; write a plain def"


def test_one_fault_of_every_kind_is_told_together(install: Install, tmp_path: Path) -> None:
    """A module that cannot be imported hides neither another's wrong hook nor a contradiction of a third."""
    install("imports", "raise ValueError")
    install("kinds", "class Provider(ProviderBase):\n    after = 'x'")
    install(
        "hooked",
        "@hookimpl\ndef prefiq_nonsense(): ...\nclass Provider(ProviderBase):\n    hooks = (prefiq_nonsense,)",
    )
    install(
        "binds", "class Provider(ProviderBase):\n    def bind(self, to): to.value(int, 1); raise ValueError"
    )
    install("twice", "class Provider(ProviderBase):\n    def bind(self, to): to.value(int, 2)")
    install("models", "class Provider(ProviderBase):\n    models = (int,)")
    found = faults_of(tmp_path, "imports", "kinds", "hooked", "binds", "twice", "models", "absent")
    codes = sorted(fault.code for fault in found)
    assert codes == ["PFQ200", "PFQ331", "PFQ337", "PFQ337", "PFQ340", "PFQ347"]
    assert {type(fault) for fault in found} >= {ModuleFailed, ProviderMisdeclared, UnknownHook}


def test_contradictions_are_told_beside_a_module_that_failed(install: Install, tmp_path: Path) -> None:
    """What exists contradicts itself whatever the missing module would have brought."""
    install("imports", "raise ValueError")
    bind = "class Provider(ProviderBase):\n    def bind(self, to): to.value(int, 1)"
    install("one", bind)
    install("two", bind)
    found = faults_of(tmp_path, "imports", "one", "two")
    assert [type(fault) for fault in found] == [ModuleFailed, DuplicateOwner]


def test_what_only_follows_is_not_told(install: Install, tmp_path: Path) -> None:
    """A module that needs what the broken one binds is not at fault."""
    install("imports", "class IMailer: ...\nraise ValueError")
    needs = """
    class IMailer: ...
    class Letters:
        def __init__(self, mailer: IMailer) -> None: ...
    class Provider(ProviderBase):
        def bind(self, to): to.bind(Letters)
    """
    install("needs", needs)
    assert [type(fault) for fault in faults_of(tmp_path, "imports", "needs")] == [ModuleFailed]
    assert [type(fault) for fault in faults_of(tmp_path, "needs")] == [MissingBinding]


class IFirst(Protocol):
    def first(self) -> None: ...


class First:
    def __init__(self, second: Second) -> None: ...

    def first(self) -> None: ...


class Second:
    def __init__(self, first: IFirst) -> None: ...


def test_faults_of_bindings_and_hooks_come_together(tmp_path: Path) -> None:
    """A circle of bindings does not hide a hook that cannot be called."""

    class Wrong(ProviderBase):
        hooks = (lambda: None,)

        def bind(self, to: Binder) -> None:
            to.bind(IFirst, First)
            to.bind(Second)

    with pytest.raises(Faults) as caught:
        Application.prepare(Settings.for_test(tmp_path), modules=[Wrong])
    assert {type(fault) for fault in caught.value.exceptions} == {CyclicBindings, HookUnusable}


def test_nothing_is_left_open(install: Install, tmp_path: Path) -> None:
    """A module that fails in ``boot`` closes what was opened; every module was told, none is half-booted."""
    seen: list[str] = []

    class Opens(ProviderBase):
        def bind(self, to: Binder) -> None:
            to.resource(list, opening)

        def boot(self, app: Any) -> None:
            seen.append("boot")

    def opening() -> Iterator[list[object]]:
        seen.append("open")
        yield []
        seen.append("close")

    install("bad", broken("boot"))
    with pytest.raises(Faults) as caught:
        Application.boot(Settings.for_test(tmp_path, APPS=["bad"]), modules=[Opens])
    assert seen == ["open", "boot", "close"]
    assert [fault.code for fault in caught.value.exceptions if isinstance(fault, PrefiqError)] == ["PFQ337"]


def test_what_does_not_close_is_told_behind_what_does_not_boot(install: Install, tmp_path: Path) -> None:
    """Neither hides the other."""

    class Opens(ProviderBase):
        def bind(self, to: Binder) -> None:
            to.resource(list, opening)

    def opening() -> Iterator[list[object]]:
        yield []
        raise ValueError

    install("bad", broken("boot"))
    with pytest.raises(Faults) as caught:
        Application.boot(Settings.for_test(tmp_path, APPS=["bad"]), modules=[Opens])
    codes = [fault.code for fault in caught.value.exceptions if isinstance(fault, PrefiqError)]
    assert codes == ["PFQ337", "PFQ311"]


def test_a_slow_module_is_logged(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By name, step and time, as a warning; a quick one is not."""
    install("slow", "class Provider(ProviderBase): ...")
    with caplog.at_level(logging.WARNING):
        Application.prepare(Settings.for_test(tmp_path, APPS=["slow"]))
        assert [record for record in caplog.records if record.name == "prefiq.modules"] == []
        del sys.modules["acme_slow"]
        monkeypatch.setattr(loading, "SLOW_SECONDS", 0.0)
        Application.prepare(Settings.for_test(tmp_path, APPS=["slow"]))
    messages = [record.getMessage() for record in caplog.records if record.name == "prefiq.modules"]
    assert any(
        message.startswith("the module slow took 0.") and message.endswith("s in import")
        for message in messages
    )


def test_a_lock_beside_prefiq_toml_counts(install: Install, tmp_path: Path) -> None:
    """The application looks at ``apps.lock`` in its folder."""
    install("things", "raise SystemExit('imported')")
    (tmp_path / "apps.lock").write_text("")
    (fault,) = faults_of(tmp_path, "things")
    assert isinstance(fault, NotLocked)
    assert "acme_things" not in sys.modules


def test_name_beside_an_import_path_is_the_modules_name(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes before the provider's own; two listed so may come from one provider."""
    install("own", "class Provider(ProviderBase):\n    name = 'theirs'\nclass Other(ProviderBase): ...")
    (tmp_path / "prefiq.toml").write_text(
        'apps = ["acme_own:Provider", {path = "acme_own:Provider", name = "mine"}, '
        '{path = "acme_own:Other", name = "acme_own2"}]\n'
    )
    app = Application.prepare(Settings.for_test(tmp_path))
    assert [module.name for module in app.host.modules] == ["prefiq", "theirs", "mine", "acme_own2"]
