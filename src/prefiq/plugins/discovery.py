"""From the list of apps to loaded modules in order; nothing that is not listed is imported."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefiq.errors import PrefiqError
from prefiq.plugins.entry_points import AppEntry, AppIndex, installed_apps
from prefiq.plugins.errors import (
    AmbiguousModule,
    ModuleCycle,
    ModuleListedTwice,
    ModuleNotInstalled,
    NotAProvider,
)
from prefiq.plugins.loading import failed, load_object
from prefiq.plugins.provider_base import ProviderBase
from prefiq.plugins.requirements import check_requirements, in_order

__all__ = ["Discovery", "LoadedModule", "discover"]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModule:
    """A module that is listed and whose provider was made.

    Args:
        name: Its name: prefix of its tables, permissions and hooks.
        provider: Its provider.
        distribution: Name of its package; empty for one that is listed by import path.
        version: Version of its package; empty likewise.
        path: Directory that its provider stands in.
    """

    name: str
    provider: ProviderBase
    distribution: str = ""
    version: str = ""
    path: Path = Path()

    @property
    def package(self) -> str:
        """Name and version of its package, for people; empty where there is none."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def migrations(self) -> str:
        """Name of the package of its migrations."""
        if self.provider.migrations:
            return self.provider.migrations
        stem, dot, _ = type(self.provider).__module__.rpartition(".")
        return f"{stem}.migrations" if dot else "migrations"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What became of a list of apps.

    Args:
        modules: Those that could be loaded, each after what it requires.
        faults: Everything that is wrong with the rest.
    """

    modules: tuple[LoadedModule, ...]
    faults: tuple[PrefiqError, ...]


def discover(apps: Sequence[str], *, builtin: Sequence[tuple[str, type[ProviderBase]]] = ()) -> Discovery:
    """Find, check, import and order the listed modules.

    Args:
        apps: Entry point names, and import paths ``package.module:Provider``.
        builtin: Name and provider of the modules that come with Prefiq; they are first.
    """
    faults: list[PrefiqError] = []
    index = installed_apps()
    entries = _entries(apps, index, faults)
    packaged = [entry for entry in entries if entry.distribution]
    wrong: list[PrefiqError] = []
    before = check_requirements(packaged, index, wrong)
    faults.extend(wrong)
    # Without what it requires a module may well fail to import, which would only hide the reason.
    broken = {fault.module for fault in wrong if hasattr(fault, "module")}
    modules = [LoadedModule(name, kind(), path=_directory(kind)) for name, kind in builtin]
    modules += [
        module
        for entry in entries
        if entry.name not in broken and (module := _load(entry, faults)) is not None
    ]
    loaded: dict[str, LoadedModule] = {}
    for module in modules:
        if module.name in loaded:
            faults.append(ModuleListedTwice(module.name))
        loaded[module.name] = module
    for name, module in loaded.items():
        before.setdefault(name, set()).update(module.provider.after)
    order, circle = in_order(loaded, before)
    if circle:
        faults.append(ModuleCycle(circle))
    return Discovery(tuple(loaded[name] for name in order), tuple(faults))


def _entries(apps: Sequence[str], index: AppIndex, faults: list[PrefiqError]) -> list[AppEntry]:
    """What the list names, as far as it can be told without importing."""
    entries: list[AppEntry] = []
    seen: set[str] = set()
    for app in apps:
        if app in seen:
            faults.append(ModuleListedTwice(app))
            continue
        seen.add(app)
        if ":" in app:
            entries.append(AppEntry(app.partition(":")[0].rpartition(".")[2], app, "", ""))
            continue
        offered = index.by_name.get(app, ())
        if not offered:
            nearest = next(iter(difflib.get_close_matches(app, index.by_name, n=1)), "")
            faults.append(ModuleNotInstalled(app, nearest))
        elif len(offered) > 1:
            faults.append(AmbiguousModule(app, tuple(entry.package for entry in offered)))
        else:
            entries.append(offered[0])
    return entries


def _load(entry: AppEntry, faults: list[PrefiqError]) -> LoadedModule | None:
    package = entry.package.strip()
    try:
        kind = load_object(
            entry.reference, asked_by=f"app {entry.name}" + (f" of {package}" if package else "")
        )
        if not (isinstance(kind, type) and issubclass(kind, ProviderBase)):
            faults.append(NotAProvider(entry.name, package, entry.reference))
            return None
        provider = kind()
    except PrefiqError as error:
        faults.append(error)
        return None
    except (Exception, SystemExit) as error:  # noqa: BLE001  somebody else's code: anything may come
        faults.append(failed(entry.name, package, "import", error))
        return None
    name = entry.name if entry.distribution else kind.name or entry.name
    return LoadedModule(name, provider, entry.distribution, entry.version, _directory(kind))


def _directory(kind: type) -> Path:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Path(file).parent if file else Path()
