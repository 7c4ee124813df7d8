"""The native container: every provider under a name, for people who use dependency-injector directly."""

from __future__ import annotations

from types import SimpleNamespace

from dependency_injector import containers

from prefiq.container.graph import Graph
from prefiq.container.supply import Supply

__all__ = ["native_of"]


def native_of(graph: Graph, supply: Supply) -> containers.DynamicContainer:
    """A container of all providers; makes those that were not asked for yet."""
    native = containers.DynamicContainer()
    for number, module, name in _names(graph):
        provider = supply[number]
        native.set_provider(f"{module}.{name}", provider)
        # The library looks up "shop.IClock" as an attribute of an attribute.
        if module not in vars(native) and not hasattr(native, module):
            setattr(native, module, SimpleNamespace())
        held = vars(native).get(module)
        if isinstance(held, SimpleNamespace):
            setattr(held, name, provider)
    return native


def _names(graph: Graph) -> list[tuple[int, str, str]]:
    # Each contract's name leads to what answers it; a decorated or collected one has its own name too.
    names: dict[tuple[str, str], int] = {}
    answering = {*graph.index.values(), *graph.private.values()}
    for number, node in enumerate(graph.nodes):
        stem = node.name if number in answering else f"{node.name}/{node.implementation}"
        name, count = stem, 1
        while (node.binding.module, name) in names:
            count += 1
            name = f"{stem}/{count}"
        names[node.binding.module, name] = number
    return [(number, module, name) for (module, name), number in names.items()]
