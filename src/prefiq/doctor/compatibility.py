"""Which part of a module's version must rise, from what it showed when it was released and what it shows now.

Removed or narrowed: major.  Added: minor.  Else: patch.  Below 1.0.0 each counts one part lower, as semantic
versioning lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from packaging.version import Version

from prefiq.doctor.surface import Difference, Surface, differences

__all__ = ["PARTS", "Consequence", "consequences", "needed_version", "part_of"]

Part = Literal["patch", "minor", "major"]
PARTS: tuple[Part, ...] = ("patch", "minor", "major")
PUBLIC = ("models", "fields", "actions", "routes", "permissions", "contracts", "members", "hooks")
"""What others build upon; tables, bindings, subscribers and seeds are a module's own affair."""
_SMALLER_IS_NARROWER = ("max_length", "precision", "scale", "lt", "le")
_LARGER_IS_NARROWER = ("min_length", "gt", "ge")
_FOR_PEOPLE = {"label", "help", "order_by"}


@dataclass(frozen=True, slots=True)
class Consequence:
    """What one difference means for who builds upon the module.

    Args:
        part: The part of the version that must rise for it.
        difference: What differs.
        why: For people, a clause.
    """

    part: Part
    difference: Difference
    why: str


def consequences(released: Surface, present: Surface) -> tuple[Consequence, ...]:
    """Every difference of what others build upon, the gravest first."""
    found = [
        Consequence(part, change, why)
        for change in differences(released, present)
        if change.kind in PUBLIC
        for part, why in _judged(change)
    ]
    return tuple(sorted(found, key=lambda one: -PARTS.index(one.part)))


def part_of(found: Iterable[Consequence]) -> Part:
    """The part that must rise at least; ``"patch"`` where nothing that others build upon differs."""
    return max((one.part for one in found), key=PARTS.index, default="patch")


def needed_version(released: str, part: Part) -> str:
    """The lowest version that says so.

    Args:
        released: The version compared with.
        part: The part that must rise.
    """
    version = Version(released)
    major, minor, patch = version.major, version.minor, version.micro
    if major == 0:  # 0.y.z: y breaks, z adds
        part = {"major": "minor", "minor": "patch", "patch": "patch"}[part]  # type: ignore[assignment]
    if part == "major":
        return f"{major + 1}.0.0"
    if part == "minor":
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


Verdict = Iterator[tuple[Part, str]]


def _judged(change: Difference) -> Verdict:
    if change.deed == "removed":
        yield "major", "removed"
    elif change.deed == "added":
        yield from _added(change)
    else:
        yield from _CHANGED.get(change.kind, _exactly)(change)


def _added(change: Difference) -> Verdict:
    if change.kind == "fields" and change.after.get("required"):
        yield "major", "added and required: who creates without it is refused"
    elif change.kind == "members":
        yield "major", "added to a contract: who implements it must add it"
    else:
        yield "minor", "added"


def _exactly(change: Difference) -> Verdict:
    for key in change.before:
        if key in _FOR_PEOPLE or key == "states":
            yield "patch" if key in _FOR_PEOPLE else "minor", f"{key} changed"
        else:
            yield "major", f"{key} changed"


def _model(change: Difference) -> Verdict:
    for key, old in change.before.items():
        new = change.after[key]
        if key in _FOR_PEOPLE:
            yield "patch", f"{key} changed"
        elif key == "states":
            gone = [state for state in old if state not in new]
            yield ("major", f"the state {', '.join(gone)} is gone") if gone else ("minor", "states added")
        elif key in {"remote", "audit"} and new:
            yield "minor", f"{key} is on"
        else:
            yield "major", f"{key} changed from {old} to {new}"


def _field(change: Difference) -> Verdict:
    for key, old in change.before.items():
        new = change.after[key]
        part = _field_part(key, old, new)
        yield part, f"{key} {_says(old)} → {_says(new)}"


def _field_part(key: str, old: Any, new: Any) -> Part:
    if key in _FOR_PEOPLE or key in {"default", "index", "validators", "on_delete"}:
        return "minor" if key in {"validators", "on_delete", "default"} else "patch"
    if key in _SMALLER_IS_NARROWER or key in _LARGER_IS_NARROWER:
        return _limit_part(key, old, new)
    if key in {"required", "unique", "read_only", "hidden"}:
        return "major" if new else "minor"
    if key in {"nullable", "search", "filter", "sort"}:
        return "minor" if new else "major"
    if key == "choices":
        return "major" if set(old) - set(new) else "minor"
    if key == "pattern" and not new:
        return "minor"
    return "major"


def _limit_part(key: str, old: Any, new: Any) -> Part:
    if new is None:
        return "minor"
    if old is None:
        return "major"
    try:
        larger = float(new) > float(old)
    except ValueError:  # dates
        larger = str(new) > str(old)
    return "minor" if larger is (key in _SMALLER_IS_NARROWER) else "major"


def _action(change: Difference) -> Verdict:
    for key, old in change.before.items():
        new = change.after[key]
        if key == "from" and not set(old) - set(new) and old:
            yield "minor", "possible in more states"
        else:
            yield "major", f"{key} {_says(old)} → {_says(new)}"


def _member(change: Difference) -> Verdict:
    old, new = change.before.get("parameters"), change.after.get("parameters")
    if "returns" in change.before:
        yield "major", f"returns {change.before['returns']} → {change.after['returns']}"
    if old == new:
        return
    if old is None or new is None:
        yield "major", "is an attribute and was a method, or the other way round"
        return
    same = new[: len(old)] == old
    more = new[len(old) :]
    if same and more and not any(parameter["required"] for parameter in more):
        # A caller may leave it out; who implements the contract has to take it.
        yield "major", "takes more: who implements it must take it too"
    else:
        yield "major", "takes other parameters"


def _says(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


_CHANGED: Mapping[str, Callable[[Difference], Verdict]] = {
    "models": _model,
    "fields": _field,
    "actions": _action,
    "members": _member,
}
