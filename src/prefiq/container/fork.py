"""``fork``: another container in which other things answer some contracts; the first stays as it is.

Providers that do not depend on what is replaced are shared, all others are made anew when they are first
asked for, so a fork reaches singletons that were built already, works across threads and tasks, nests, and leaves nothing to undo.
Only where a resource depends on what is replaced does the fork open its own: then it is a context manager.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, get_origin

from prefiq.container.binding import Binding, Lifetime
from prefiq.container.errors import MissingBinding
from prefiq.container.generics import label
from prefiq.container.graph import Node
from prefiq.container.linker import Linker
from prefiq.container.opening import called
from prefiq.container.validator import validate_changed
from prefiq.errors import Faults, PrefiqError

if TYPE_CHECKING:
    from prefiq.container.container import Container

__all__ = ["fork"]


def fork(container: Container, replaced: Mapping[Any, Any]) -> Container:
    """A container that shares everything which does not depend on what is replaced.

    Args:
        container: Stays unchanged.
        replaced: By contract: an instance, or a class or function that makes one, or a generator function that
            opens and closes one.  What owns the contract is replaced as a whole, under every contract that it answers; its decorators stay.

    Raises:
        Faults: A contract is not bound, or what replaces it does not fit.
    """
    from prefiq.container.container import Container

    source = _caller()
    faults: list[PrefiqError] = []
    old = container.graph
    changed: dict[int, Node] = {}
    for contract, provides in replaced.items():
        number = old.base.get(contract)
        if number is None:
            number = old.private_owner(contract)
            while number is not None and (inner := old.nodes[number].inner) is not None:
                number = inner
        if number is None:
            faults.append(MissingBinding(label(contract), "fork", old.nearest(contract), "", source))
            continue
        changed[number] = _replacement(old.nodes[number], provides, source)
    graph = old.overlaid(changed)
    Linker(graph, faults).link(changed)
    faults.extend(validate_changed(graph, changed))
    if faults:
        raise Faults("The fork does not fit together", faults)
    return Container(graph, container, changed)


def _replacement(node: Node, provides: Any, source: str) -> Node:
    makes = isinstance(provides, type) or get_origin(provides) is not None or inspect.isroutine(provides)
    old = node.binding
    lifetime: Lifetime
    function = called(provides)
    generates = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if makes and generates and not isinstance(function, type):
        lifetime, opens = ("scope" if node.lifetime == "scope" else "resource"), True
    else:
        lifetime, opens = old.replaced_by(provides, source=source).lifetime if makes else "value", False
    binding = Binding(
        old.contract,
        provides,
        lifetime,
        old.module,
        source,
        old.role,
        old.private,
        opens,
        replaced=old,
    )
    return dataclasses.replace(node, binding=binding, lifetime=binding.lifetime, links=())


def _caller() -> str:
    """Place of the first caller outside of Prefiq, for errors."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("prefiq."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
