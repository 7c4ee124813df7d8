"""Which apps the installed packages offer, read from their metadata; nothing of them is imported."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

__all__ = ["GROUP", "AppEntry", "AppIndex", "installed_apps"]

GROUP = "prefiq.apps"


@dataclass(frozen=True, slots=True)
class AppEntry:
    """One app that an installed package offers.

    Args:
        name: The entry point's name.
        reference: Import path of its provider.
        distribution: Name of the package, as written in its metadata.
        version: Version of the package.
        requires: What the package requires, as written in its metadata.
    """

    name: str
    reference: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """Name and version of the package, for people."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class AppIndex:
    """All apps that are installed.

    Args:
        by_name: By entry point name; several where packages claim the same.
        by_distribution: By normalised name of the package.
    """

    by_name: dict[str, tuple[AppEntry, ...]] = field(default_factory=dict)
    by_distribution: dict[str, tuple[AppEntry, ...]] = field(default_factory=dict)


_cached: list[tuple[object, list[tuple[Path, int]], AppIndex]] = []


def installed_apps() -> AppIndex:
    """The apps of every installed package.

    The result is kept while the directories on the import path and the files it was read from stay as they
    are; an editable install changes the latter in place.
    """
    key = _directories()
    for kept, files, index in _cached:
        if kept == key and all(_mtime(file) == time for file, time in files):
            return index
    files, index = _scan()
    _cached[:] = [(key, files, index)]
    return index


def _directories() -> tuple[tuple[str, int], ...]:
    return tuple((entry, _mtime(Path(entry or "."))) for entry in sys.path)


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _scan() -> tuple[list[tuple[Path, int]], AppIndex]:
    by_name: dict[str, list[AppEntry]] = {}
    by_distribution: dict[str, tuple[AppEntry, ...]] = {}
    files: list[tuple[Path, int]] = []
    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt")
        if not text or GROUP not in text:
            continue
        package = canonicalize_name(distribution.metadata["Name"])
        if package in by_distribution:
            continue  # shadowed by one that is earlier on the import path, as imports are
        where = getattr(distribution, "_path", None)
        if isinstance(where, Path):
            files += [(where / file, _mtime(where / file)) for file in ("entry_points.txt", "METADATA")]
        entries = tuple(
            AppEntry(
                point.name,
                point.value,
                distribution.metadata["Name"],
                distribution.version,
                tuple(distribution.requires or ()),
            )
            for point in distribution.entry_points
            if point.group == GROUP
        )
        if entries:
            by_distribution[package] = entries
        for entry in entries:
            by_name.setdefault(entry.name, []).append(entry)
    return files, AppIndex({name: tuple(found) for name, found in by_name.items()}, by_distribution)
