"""From the list of apps to modules in order, and every way in which that fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefiq.errors import PrefiqError
from prefiq.plugins import ProviderBase, discover
from prefiq.plugins.errors import (
    AmbiguousModule,
    BadReference,
    ModuleCycle,
    ModuleFailed,
    ModuleListedTwice,
    ModuleNotInstalled,
    NotAProvider,
    RequirementNotInstalled,
    RequirementNotListed,
    RequirementVersion,
)

if TYPE_CHECKING:
    from tests.unit.plugins.conftest import Install


def names(*apps: str) -> list[str]:
    found = discover(apps)
    assert found.faults == ()
    return [module.name for module in found.modules]


def faults(*apps: str) -> list[PrefiqError]:
    return list(discover(apps).faults)


def test_only_what_is_listed_is_imported(install: Install) -> None:
    """An installed package that is not listed is never imported."""
    install("things")
    install("evil", "raise SystemExit('imported')")
    (module,) = discover(["things"]).modules
    assert (module.name, module.distribution, module.version) == ("things", "acme-things", "1.0")
    assert isinstance(module.provider, ProviderBase)
    assert module.path == Path(sys.modules["acme_things"].__file__ or "").parent
    assert "acme_evil" not in sys.modules


def test_import_path_takes_its_last_segment_as_name(install: Install) -> None:
    """``a.b:C`` is named after ``b`` unless the provider says ``name``."""
    install("invoice", apps={})
    install(
        "named",
        "from prefiq.plugins import ProviderBase\nclass Provider(ProviderBase):\n    name = 'other'\n",
        apps={},
    )
    assert names("acme_invoice:Provider", "acme_named:Provider") == ["acme_invoice", "other"]


def test_order_follows_requirements_and_after(install: Install) -> None:
    """A module comes after what its package requires and after what it says, else as listed."""
    install("things")
    install("ledger", requires=("acme-things>=1",))
    install(
        "audit",
        "from prefiq.plugins import ProviderBase\n"
        "class Provider(ProviderBase):\n    after = ('ledger', 'not_listed')\n",
    )
    install("zoo")
    assert names("audit", "zoo", "ledger", "things") == ["things", "ledger", "audit", "zoo"]


def test_builtin_modules_are_first(install: Install) -> None:
    """What comes with Prefiq stands before every listed module."""
    install("things")
    found = discover(["things"], builtin=[("lowcode", ProviderBase)])
    assert [module.name for module in found.modules] == ["lowcode", "things"]


def test_unknown_name_suggests_the_nearest(install: Install) -> None:
    """A misspelt app names the nearest installed one; an unknown one says how to install it."""
    install("things")
    (near,) = faults("thngs")
    assert isinstance(near, ModuleNotInstalled)
    assert near.nearest == "things"
    (far,) = faults("quux")
    assert str(far) == (
        "No installed package offers the app quux (module quux) [PFQ331]\n"
        "  Try: install the package that offers it (often: pip install prefiq-quux), or remove it from apps"
    )


def test_two_packages_with_one_name_are_a_fault(install: Install) -> None:
    """The name alone does not say which is meant; unlisted, it does not matter."""
    install("one", apps={"things": "acme_one:Provider"})
    install("two", apps={"things": "acme_two:Provider"})
    install("free")
    (fault,) = faults("things")
    assert isinstance(fault, AmbiguousModule)
    assert sorted(fault.distributions) == ["acme-one 1.0", "acme-two 1.0"]
    assert names("free") == ["free"]


def test_shadowed_package_is_no_second_one(install: Install) -> None:
    """The same package twice on the import path is the first one."""
    install("things", version="1.0", folder="later")
    install("things", version="2.0", folder="earlier")
    (module,) = discover(["things"]).modules
    assert module.version == "2.0"


@pytest.mark.parametrize(
    "apps", [("things", "things"), ("things", "acme_things:Provider", "acme_other:Provider")]
)
def test_listing_twice_is_a_fault(install: Install, apps: tuple[str, ...]) -> None:
    """One name stands for one module."""
    install(
        "things",
        "from prefiq.plugins import ProviderBase\nclass Provider(ProviderBase):\n    name = 'things'\n",
    )
    install("other", apps={})
    (fault,) = faults(*apps)
    assert isinstance(fault, ModuleListedTwice)


def test_requirements_are_checked_before_import(install: Install) -> None:
    """What is not listed, not installed or of another version is told from metadata; nothing of it is imported."""
    install("things", version="1.4")
    install("crm")
    broken = "raise SystemExit('imported too early')"
    install("a", broken, requires=("acme-things>=2",))
    install("b", broken, requires=("acme-crm",))
    install("c", broken, requires=("acme-nowhere>=3",))
    install("d", broken, requires=("prefiq>=99",))
    found = discover(["things", "a", "b", "c", "d"])
    version, unlisted, missing, core = found.faults
    assert isinstance(version, RequirementVersion)
    assert (version.requirement, version.found) == ("acme-things>=2", "1.4")
    assert isinstance(unlisted, RequirementNotListed)
    assert unlisted.offers == ("crm",)
    assert isinstance(missing, RequirementNotInstalled)
    assert missing.fix == 'pip install "acme-nowhere>=3"'
    assert isinstance(core, RequirementVersion)
    assert core.requirement == "prefiq>=99"
    assert not {"acme_a", "acme_b", "acme_c", "acme_d"} & set(sys.modules)
    assert [module.name for module in found.modules] == ["things"]


def test_requirements_of_extras_and_other_platforms_do_not_count(install: Install) -> None:
    """Only what holds here and now is required."""
    install("a", requires=('acme-nowhere; extra == "x"', 'acme-nowhere; sys_platform == "nowhere"', "pytest"))
    assert names("a") == ["a"]


def test_cycles_are_reported(install: Install) -> None:
    """Modules that come after each other are named with the way around."""
    code = "from prefiq.plugins import ProviderBase\nclass Provider(ProviderBase):\n    after = ({!r},)\n"
    install("a", code.format("b"))
    install("b", code.format("c"))
    install("c", code.format("a"))
    (fault,) = faults("a", "b", "c")
    assert isinstance(fault, ModuleCycle)
    assert fault.path == ("a", "b", "c", "a")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "SystemExit"),
        ("raise ValueError('password=hunter2')", "ValueError"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        (
            """
            from prefiq.plugins import ProviderBase
            class Provider(ProviderBase):
                def __init__(self):
                    raise RuntimeError("secret")
            """,
            "RuntimeError",
        ),
    ],
)
def test_broken_module_is_named_with_its_package(install: Install, code: str, error: str) -> None:
    """Whatever a module raises when it is loaded is reported with package and line, without secrets."""
    install("good")
    install("bad", code)
    found = discover(["bad", "good"])
    (fault,) = found.faults
    assert isinstance(fault, ModuleFailed)
    assert (fault.module, fault.distribution, fault.step, fault.error) == (
        "bad",
        "acme-bad 1.0",
        "import",
        error,
    )
    assert "acme_bad.py:" in fault.source
    assert fault.__cause__ is not None
    assert [module.name for module in found.modules] == ["good"]


def test_what_is_no_provider_is_refused(install: Install) -> None:
    """An entry point must name a class that derives from ``ProviderBase``, and exist."""
    install("function", "def Provider(): ...")
    install("nothing", "")
    install("gone", apps={"gone": "acme_missing:Provider"})
    function, nothing, gone, malformed = faults("function", "nothing", "gone", "a b:C")
    assert isinstance(function, NotAProvider)
    assert isinstance(nothing, BadReference)
    assert nothing.why == "acme_nothing has no Provider"
    assert isinstance(gone, BadReference)
    assert gone.where == "app gone of acme-gone 1.0"
    assert isinstance(malformed, BadReference)


def test_change_of_an_installed_package_is_seen(install: Install) -> None:
    """The kept index is dropped when a package's metadata changes in place, as editable installs do."""
    site = install("things")
    assert names("things") == ["things"]
    file = site / "acme_things-1.0.dist-info" / "entry_points.txt"
    stamp = file.stat().st_mtime_ns
    file.write_text("[prefiq.apps]\nrenamed = acme_things:Provider\n")
    os.utime(file, ns=(stamp + 10**9, stamp + 10**9))
    assert names("renamed") == ["renamed"]
    assert isinstance(faults("things")[0], ModuleNotInstalled)


def test_migrations_stand_beside_the_provider(install: Install) -> None:
    """The package of migrations is named by the provider, or beside it; several modules of a package have one each."""
    site = install("a")
    install(
        "b",
        "from prefiq.plugins import ProviderBase\nclass Provider(ProviderBase):\n    migrations = 'x.y'\n",
    )
    a, b = discover(["a", "b"]).modules
    assert a.migrations == "acme_a_migrations"
    assert b.migrations == "x.y"
    code = "from prefiq.plugins import ProviderBase\nclass P(ProviderBase):\n    pass\n"
    (site / "acme_shop").mkdir()
    for file in ("__init__", "provider", "invoice", "order"):
        (site / f"acme_shop/{file}.py").write_text(code)
    modules = discover([f"acme_shop{name}:P" for name in ("", ".provider", ".invoice", ".order")]).modules
    assert {module.name: module.migrations for module in modules} == {
        "acme_shop": "acme_shop.migrations",
        "provider": "acme_shop.migrations",
        "invoice": "acme_shop.invoice_migrations",
        "order": "acme_shop.order_migrations",
    }
