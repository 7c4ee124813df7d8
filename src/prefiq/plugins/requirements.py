"""What listed modules require of each other, from their packages' metadata, before anything is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from prefiq.errors import PrefiqError
from prefiq.plugins.entry_points import AppEntry, AppIndex
from prefiq.plugins.errors import RequirementNotInstalled, RequirementNotListed, RequirementVersion

__all__ = ["check_requirements", "in_order"]


def check_requirements(
    listed: Sequence[AppEntry], index: AppIndex, faults: list[PrefiqError]
) -> dict[str, set[str]]:
    """The modules that each listed module requires, by name.

    Args:
        listed: The modules of the list of apps that come from packages.
        index: All that are installed.
        faults: Receives what is not installed, not listed, or of another version.
    """
    names: dict[str, list[str]] = {}
    for entry in listed:
        names.setdefault(canonicalize_name(entry.distribution), []).append(entry.name)
    versions: dict[str, str | None] = {}
    before: dict[str, set[str]] = {}
    for entry in listed:
        needed = before.setdefault(entry.name, set())
        for requirement in _requirements(entry):
            package = canonicalize_name(requirement.name)
            if package == canonicalize_name(entry.distribution):
                continue
            offered = index.by_distribution.get(package, ())
            if package not in versions:
                found = offered[0].version if offered else index.versions.get(package)
                versions[package] = found or _version(requirement.name)
            version = versions[package]
            text = f"{requirement.name}{requirement.specifier}"
            if version is None:
                faults.append(RequirementNotInstalled(entry.name, entry.package, text))
                continue
            ours = offered or package == "prefiq"
            if ours and not requirement.specifier.contains(version, prereleases=True):
                faults.append(RequirementVersion(entry.name, entry.package, text, version))
            if offered and package not in names:
                offers = tuple(other.name for other in offered)
                faults.append(RequirementNotListed(entry.name, entry.package, requirement.name, offers))
            needed.update(names.get(package, ()))
    return before


def _requirements(entry: AppEntry) -> Iterator[Requirement]:
    for text in entry.requires:
        requirement = _parsed(text)
        if requirement is not None and (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            yield requirement


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:  # the installer let it pass; it is not ours to judge
        return None


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def in_order(names: Iterable[str], before: dict[str, set[str]]) -> tuple[list[str], tuple[str, ...]]:
    """The names, each after those that come before it, else as they were given.

    Args:
        names: As listed.
        before: By name, the names that come before it; others are ignored.

    Returns:
        The order, and a circle (the first name repeated at the end), empty where there is none.
    """
    waiting = list(names)
    place = {name: number for number, name in enumerate(waiting)}
    needs = {
        name: sorted((n for n in before.get(name, ()) if n in place), key=place.__getitem__)
        for name in waiting
    }
    done: dict[str, None] = {}
    for name in waiting:
        path = [name] if name not in done else []
        while path:
            top = path[-1]
            step = next((needed for needed in needs[top] if needed not in done), None)
            if step is None:
                done[path.pop()] = None
            elif step in path:
                return list(done), (*path[path.index(step) :], step)
            else:
                path.append(step)
    return list(done), ()
