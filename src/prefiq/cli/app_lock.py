"""What ``apps lock`` and ``apps verify`` look at: metadata and files of packages; nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable

from prefiq.errors import Faults, PrefiqError
from prefiq.plugins.entry_points import AppEntry, installed_apps
from prefiq.plugins.errors import AmbiguousModule, ModuleNotInstalled
from prefiq.plugins.lock import FILE_NAME, LockedApp, changed_files, mismatches, read_lock
from prefiq.settings import Settings

__all__ = ["differences", "entries_of", "lock_data"]


def entries_of(settings: Settings) -> list[AppEntry]:
    """The packages of the listed apps; those listed by import path have none.

    Raises:
        prefiq.errors.Faults: An app is not installed, or two packages offer it.
    """
    names = [ref.name for ref in settings.apps if not ref.path]
    index = installed_apps(names)
    faults: list[PrefiqError] = []
    entries: list[AppEntry] = []
    for name in names:
        offered = index.by_name.get(name, ())
        if not offered:
            faults.append(ModuleNotInstalled(name))
        elif len(offered) > 1:
            faults.append(AmbiguousModule(name, tuple(entry.package for entry in offered)))
        else:
            entries.append(offered[0])
    if faults:
        raise Faults("The listed apps cannot be told", faults)
    return entries


def lock_data(apps: Iterable[LockedApp]) -> list[dict[str, str]]:
    """Locked apps as ``--json`` prints them."""
    return [{name: getattr(app, name) for name in LockedApp.__slots__} for app in apps]


def differences(settings: Settings) -> list[str]:
    """What is not as it was locked, one sentence each."""
    lock = read_lock(settings.folder)
    if lock is None:
        return [f"there is no {FILE_NAME}; prefiq apps lock writes it"]
    entries = entries_of(settings)
    found = [fault.what for fault in mismatches(entries, lock)]
    listed = {entry.name for entry in entries}
    found += [f"The app {name} is locked and not listed" for name in lock if name not in listed]
    for entry in entries:
        found += [f"{entry.package}: {path} is not what was installed" for path in changed_files(entry)]
    return found
