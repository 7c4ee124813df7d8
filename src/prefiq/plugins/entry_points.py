"""Which apps the installed packages offer, read from their metadata; nothing of them is imported.

What was read is kept, in the process and on disk, for as long as the directories of the import path and the
files of the listed apps are as they were; ``index_file`` says what is trusted on disk.
"""

# A path object costs more than what is done with it here, thousands of times.
# ruff: noqa: PTH112, PTH113, PTH116, PTH123, PTH208

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns

from packaging.utils import canonicalize_name

__all__ = ["GROUP", "AppEntry", "AppIndex", "Stamps", "installed_apps"]

GROUP = "prefiq.apps"
_MARK = GROUP.encode()
SETTLED_NS = 50_000_000
_CANONICAL = re.compile(r"[-_.]+")

Stamps = tuple[tuple[str, int], ...]
"""Paths, each with the time at which it was last changed in nanoseconds; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class AppEntry:
    """One app that an installed package offers.

    Args:
        name: The entry point's name.
        reference: Import path of its provider.
        distribution: Name of the package, as written in its metadata.
        version: Version of the package.
        requires: What the package requires, as written in its metadata.
        info: Directory of the package's metadata; empty where it is not one.
        fixed: Whether this is the module's name whatever its provider says.
    """

    name: str
    reference: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    info: str = ""
    fixed: bool = True

    @property
    def package(self) -> str:
        """Name and version of the package, for people."""
        return f"{self.distribution} {self.version}"

    @property
    def stamps(self) -> Stamps:
        """The files that it was read from: an install in place may change them and no directory."""
        return tuple((path, _time(path)) for path in _files(self.info)) if self.info else ()


@dataclass(frozen=True, slots=True)
class AppIndex:
    """All apps that are installed.

    Args:
        by_name: By entry point name; several where packages claim the same.
        by_distribution: By normalised name of the package.
        versions: Version of each package that the apps require, by normalised name, as far as the names of
            the directories tell.
    """

    by_name: dict[str, tuple[AppEntry, ...]] = field(default_factory=dict)
    by_distribution: dict[str, tuple[AppEntry, ...]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[AppEntry], versions: dict[str, str]) -> AppIndex:
        """The index over these entries, in the order of the import path."""
        by_name: dict[str, tuple[AppEntry, ...]] = {}
        by_distribution: dict[str, tuple[AppEntry, ...]] = {}
        for entry in entries:
            package = canonicalize_name(entry.distribution)
            by_name[entry.name] = (*by_name.get(entry.name, ()), entry)
            by_distribution[package] = (*by_distribution.get(package, ()), entry)
        return cls(by_name, by_distribution, versions)


_kept: list[tuple[Stamps, dict[str, Stamps], AppIndex]] = []


def installed_apps(listed: Collection[str] = ()) -> AppIndex:
    """The apps of every installed package.

    What was found before is used while nothing has changed; ``PREFIQ_INDEX=0`` in the environment reads
    everything anew.

    Args:
        listed: Names of the apps that matter: if one of them is not known or its files have changed,
            everything is read anew.
    """
    if os.environ.get("PREFIQ_INDEX") == "0":
        return _scan(sys.path)
    from prefiq.plugins import index_file

    directories = _stamps(sys.path)
    for kept, files, index in _kept:
        if kept == directories and _holds(index, files, listed):
            return index
    found = index_file.read(directories)
    if found is not None and _holds(found[1], found[0], listed):
        _kept[:] = [(directories, *found)]
        return found[1]
    index = _scan(sys.path)
    files = {name: tuple(s for e in entries for s in e.stamps) for name, entries in index.by_name.items()}
    # What changes again within one tick of the clock would keep its time; so it is looked at once more.
    if max((time for _, time in directories), default=0) < time_ns() - SETTLED_NS:
        _kept[:] = [(directories, files, index)]
        index_file.write(directories, files, index)
    return index


def _holds(index: AppIndex, files: dict[str, Stamps], listed: Collection[str]) -> bool:
    names = listed or files
    return all(
        name in index.by_name and all(_time(path) == time for path, time in files.get(name, ()))
        for name in names
    )


def _stamps(paths: Iterable[str]) -> Stamps:
    return tuple((path, _time(path or ".")) for path in paths)


def _time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return 0


def _files(info: str) -> tuple[str, str]:
    return f"{info}/entry_points.txt", f"{info}/{'PKG-INFO' if info.endswith('.egg-info') else 'METADATA'}"


def _scan(paths: Iterable[str]) -> AppIndex:
    entries: list[AppEntry] = []
    seen: set[str] = set()
    versions: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        for name, version, info in _packages(path or "."):
            if name in seen:
                continue  # shadowed by one that is earlier on the import path, as imports are
            seen.add(name)
            versions[name] = version
            if info and (text := _offers(info)):
                entries += _dist_info(info, text) if info.endswith(".dist-info") else _other(info)
        if not os.path.isdir(path or "."):
            entries += _archive(path, seen)
    needed = {_package_of(requirement) for entry in entries for requirement in entry.requires}
    return AppIndex.of(entries, {name: v for name, v in versions.items() if name in needed and v})


def _packages(path: str) -> Iterator[tuple[str, str, str]]:
    """Normalised name, version and metadata directory of each package in a directory."""
    try:
        names = sorted(os.listdir(path))
    except (OSError, ValueError):
        return
    for entry in names:
        if entry.endswith(".dist-info"):
            name, _, version = entry[: -len(".dist-info")].partition("-")
            yield _normalised(name), version, f"{path}/{entry}"
        elif entry.endswith(".egg-info"):
            yield _normalised(entry[: -len(".egg-info")].partition("-")[0]), "", f"{path}/{entry}"
        elif entry.endswith(".egg"):
            yield _normalised(entry.partition("-")[0]), "", f"{path}/{entry}/EGG-INFO"


def _normalised(name: str) -> str:
    return _CANONICAL.sub("-", name).lower()


def _offers(info: str) -> str:
    """The package's entry points where some are ours, else an empty text."""
    try:
        handle = os.open(f"{info}/entry_points.txt", os.O_RDONLY)
    except OSError:
        return ""
    try:
        found = bytearray()
        while part := os.read(handle, 1 << 16):
            found += part
    except OSError:
        return ""
    finally:
        os.close(handle)
    return found.decode("utf-8", "replace") if _MARK in found else ""


def _dist_info(info: str, text: str) -> list[AppEntry]:
    name = version = ""
    requires: list[str] = []
    try:
        with open(f"{info}/METADATA", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break
                key, _, value = line.partition(":")
                if key == "Name":
                    name = value.strip()
                elif key == "Version":
                    version = value.strip()
                elif key == "Requires-Dist":
                    requires.append(value.strip())
    except OSError:
        return []
    return [
        AppEntry(app, reference, name, version, tuple(requires), info)
        for app, reference in _points(text)
        if name
    ]


def _points(text: str) -> Iterator[tuple[str, str]]:
    ours = False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            ours = line == f"[{GROUP}]"
        elif ours and line and line[0] not in "#;":
            name, _, reference = line.partition("=")
            yield name.strip(), reference.partition("[")[0].strip()


def _other(info: str) -> list[AppEntry]:
    """The apps of a package in an older form of metadata."""
    from importlib import metadata

    return _of_distribution(metadata.PathDistribution(Path(info)), info)


def _archive(path: str, seen: set[str]) -> list[AppEntry]:
    """The apps of packages in a file on the import path."""
    if not os.path.isfile(path):
        return []
    from importlib import metadata

    entries: list[AppEntry] = []
    for distribution in metadata.distributions(path=[path]):
        name = _normalised(distribution.metadata["Name"] or "")
        if name not in seen:
            seen.add(name)
            entries += _of_distribution(distribution, "")
    return entries


def _of_distribution(distribution: object, info: str) -> list[AppEntry]:
    from importlib import metadata

    assert isinstance(distribution, metadata.Distribution)
    return [
        AppEntry(
            point.name,
            point.value,
            distribution.metadata["Name"],
            distribution.version,
            tuple(distribution.requires or ()),
            info,
        )
        for point in distribution.entry_points
        if point.group == GROUP
    ]


def _package_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return _normalised(found[0]) if found else ""
