"""From the list of apps to loaded modules in order; nothing that is not listed is imported."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefiq.errors import PrefiqError
from prefiq.nearest import nearest
from prefiq.plugins.entry_points import AppEntry, AppIndex, installed_apps
from prefiq.plugins.errors import (
    AmbiguousModule,
    ModuleCycle,
    ModuleListedTwice,
    ModuleNotInstalled,
    NotAProvider,
    ProviderMisdeclared,
)
from prefiq.plugins.loading import Step, failed, load_object
from prefiq.plugins.lock import LockedApp, mismatches
from prefiq.plugins.provider_base import ProviderBase
from prefiq.plugins.requirements import check_requirements, in_order
from prefiq.settings import AppRef

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
        requires: Names of the listed modules that its package requires.
        info: Directory of its package's metadata; empty where there is none.
    """

    name: str
    provider: ProviderBase
    distribution: str = ""
    version: str = ""
    path: Path = Path()
    requires: tuple[str, ...] = ()
    info: str = ""

    @property
    def package(self) -> str:
        """Name and version of its package, for people; empty where there is none."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def migrations(self) -> str:
        """Name of the package of its migrations; two modules in one package have one each.

        ``migrations`` beside a provider that stands in ``__init__.py`` or ``provider.py`` of a package, and
        ``invoice_migrations`` beside one in ``invoice.py``.
        """
        if self.provider.migrations:
            return self.provider.migrations
        name = type(self.provider).__module__
        if hasattr(sys.modules.get(name), "__path__"):
            return f"{name}.migrations"
        stem, dot, last = name.rpartition(".")
        if dot and last == "provider":
            return f"{stem}.migrations"
        return f"{name}_migrations"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What became of a list of apps.

    Args:
        modules: Those that could be loaded, each after what it requires.
        faults: Everything that is wrong with the rest.
    """

    modules: tuple[LoadedModule, ...]
    faults: tuple[PrefiqError, ...]


def discover(
    apps: Sequence[str | AppRef],
    *,
    builtin: Sequence[tuple[str, type[ProviderBase]]] = (),
    lock: Mapping[str, LockedApp] | None = None,
) -> Discovery:
    """Find, check, import and order the listed modules.

    Args:
        apps: Entry point names, import paths ``package.module:Provider``, or either as the settings hold it.
        builtin: Name and provider of the modules that come with Prefiq; they are first.
        lock: What the packages must be; None where nothing is locked.
    """
    faults: list[PrefiqError] = []
    refs = [app if isinstance(app, AppRef) else _ref(app) for app in apps]
    index = installed_apps([ref.name for ref in refs if not ref.path])
    entries = _entries(refs, index, faults)
    packaged = [entry for entry in entries if entry.distribution]
    wrong: list[PrefiqError] = list(mismatches(packaged, lock)) if lock is not None else []
    required = check_requirements(packaged, index, wrong)
    faults.extend(wrong)
    # Without what it requires a module may well fail to import, which would only hide the reason.
    broken = {fault.module for fault in wrong if hasattr(fault, "module")}
    modules = [LoadedModule(name, kind(), path=_directory(kind)) for name, kind in builtin]
    modules += [
        module
        for entry in entries
        if entry.name not in broken
        and (module := _load(entry, required.get(entry.name, ()), faults)) is not None
    ]
    loaded: dict[str, LoadedModule] = {}
    for module in modules:
        if module.name in loaded:
            faults.append(ModuleListedTwice(module.name))
        loaded[module.name] = module
    before = {name: {*required.get(name, ()), *module.provider.after} for name, module in loaded.items()}
    order, circle = in_order(loaded, before)
    if circle:
        faults.append(ModuleCycle(circle))
    return Discovery(tuple(loaded[name] for name in order), tuple(faults))


def _ref(app: str) -> AppRef:
    return AppRef(app.partition(":")[0].rpartition(".")[2], app) if ":" in app else AppRef(app)


def _entries(refs: Iterable[AppRef], index: AppIndex, faults: list[PrefiqError]) -> list[AppEntry]:
    """What the list names, as far as it can be told without importing."""
    entries: list[AppEntry] = []
    seen: set[tuple[str, str]] = set()
    for ref in refs:
        same = (ref.path, ref.name if ref.named or not ref.path else "")
        if same in seen:
            faults.append(ModuleListedTwice(ref.path or ref.name))
            continue
        seen.add(same)
        if ref.path:
            entries.append(AppEntry(ref.name, ref.path, "", "", fixed=ref.named))
            continue
        offered = index.by_name.get(ref.name, ())
        if not offered:
            faults.append(ModuleNotInstalled(ref.name, nearest(ref.name, index.by_name)))
        elif len(offered) > 1:
            faults.append(AmbiguousModule(ref.name, tuple(entry.package for entry in offered)))
        else:
            entries.append(offered[0])
    return entries


def _load(entry: AppEntry, requires: Iterable[str], faults: list[PrefiqError]) -> LoadedModule | None:
    package = entry.package.strip()
    asked_by = f"app {entry.name}" + (f" of {package}" if package else "")
    try:
        with Step(entry.name, package, "import"):
            kind = load_object(entry.reference, asked_by=asked_by)
            if not (isinstance(kind, type) and issubclass(kind, ProviderBase)):
                faults.append(NotAProvider(entry.name, package, entry.reference))
                return None
            provider = kind()
    except PrefiqError as error:
        faults.append(error)
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  somebody else's code: anything may come
        faults.append(failed(entry.name, package, "import", error))
        return None
    with Step(entry.name, package, "attributes"):  # each may be code
        wrong = _misdeclared(entry.name, package, provider)
    faults.extend(wrong)
    if wrong:
        return None
    name = entry.name if entry.fixed else kind.name or entry.name
    return LoadedModule(
        name,
        provider,
        entry.distribution,
        entry.version,
        _directory(kind),
        tuple(sorted(requires)),
        entry.info,
    )


TUPLES = ("models", "extensions", "hooks", "subscribers", "seeds", "after")
TEXTS = ("name", "migrations")


def _is_list(value: object) -> bool:
    return isinstance(value, tuple | list)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def is_settings(value: object) -> bool:
    """Whether it can be a provider's ``settings``: a class of values that nobody changes, or None."""
    return value is None or (
        isinstance(value, type)
        and dataclasses.is_dataclass(value)
        and bool(getattr(value, "__dataclass_params__").frozen)  # noqa: B009  no attribute that checkers know
    )


ATTRIBUTES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    **dict.fromkeys(TUPLES, ("a tuple", _is_list)),
    **dict.fromkeys(TEXTS, ("a text", _is_text)),
    "settings": ("a frozen dataclass", is_settings),
}


def _misdeclared(module: str, package: str, provider: ProviderBase) -> list[PrefiqError]:
    """What is wrong with a provider's attributes; each may be code, as a property for example."""
    faults: list[PrefiqError] = []
    for attribute, (wanted, fits) in ATTRIBUTES.items():
        try:
            value = getattr(provider, attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  somebody else's code: anything may come
            faults.append(failed(module, package, attribute, error))
            continue
        if not fits(value):
            found = value.__name__ if isinstance(value, type) else type(value).__name__
            faults.append(ProviderMisdeclared(module, package, attribute, wanted, found))
    return faults


def _directory(kind: type) -> Path:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Path(file).parent if file else Path()
