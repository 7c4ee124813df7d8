"""Replacing implementations by name, as ``[replace]`` in ``prefiq.toml`` does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prefiq.container.binding import Binding
from prefiq.container.errors import UnknownReplacement
from prefiq.container.generics import label
from prefiq.container.selection import contracts_of
from prefiq.errors import PrefiqError
from prefiq.nearest import nearest

__all__ = ["replace"]


def replace(
    bindings: Iterable[Binding], wanted: Mapping[str, Any], faults: list[PrefiqError], *, source: str
) -> list[Binding]:
    """The bindings with some implementations replaced; lifetimes stay.

    Args:
        bindings: Of all modules, in module order.
        wanted: Class or function by ``<module>.<contract>``, for example ``"projects.IProject"`` or
            ``"projects.IDomain[Project]"``; None where it could not be loaded, so that only the name counts.
        faults: Receives an ``UnknownReplacement`` for each name that answers nothing.
        source: File and table that ask for it, for errors and the report.
    """
    found = list(bindings)
    if not wanted:
        return found
    owners = {
        contract
        for binding in found
        if binding.active and binding.role == "owner"
        for contract in contracts_of(binding)
    }
    places: dict[str, int] = {}
    for number, binding in enumerate(found):
        if not binding.active or binding.role not in {"owner", "default"}:
            continue
        for contract in contracts_of(binding):
            # A default that somebody's binding took the place of answers nothing.
            if binding.role == "owner" or contract not in owners:
                places.setdefault(f"{binding.module}.{label(contract)}", number)
    for name, implementation in wanted.items():
        place = places.get(name)
        if place is None:
            faults.append(UnknownReplacement(name, nearest(name, places), source))
        elif implementation is not None:
            found[place] = found[place].replaced_by(implementation, source=f'{source} "{name}"')
    return found
