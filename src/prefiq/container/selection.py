"""Which binding answers which contract: conditions, defaults, owners, collections, decorators."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prefiq.container.binding import Binding
from prefiq.container.errors import DecoratesNothing, DuplicateOwner
from prefiq.container.generics import extends, label, name_of
from prefiq.container.graph import Graph, Node, Skipped
from prefiq.errors import PrefiqError

__all__ = ["contracts_of", "select"]


def contracts_of(binding: Binding) -> tuple[Any, ...]:
    """What a binding answers: its contract and the families that this extends.

    A private one answers its contract alone: a helper of a module does not speak for the model.
    """
    return (binding.contract,) if binding.private else (binding.contract, *extends(binding.contract))


def select(bindings: Iterable[Binding], faults: list[PrefiqError]) -> Graph:
    """The nodes of an application, not linked yet.

    Args:
        bindings: Of all modules, in module order.
        faults: Receives what is wrong.
    """
    graph = Graph()
    by_role: dict[str, list[Binding]] = {"owner": [], "default": [], "collected": [], "decorator": []}
    for binding in bindings:
        if binding.active:
            by_role[binding.role].append(binding)
        else:
            graph.skipped.append(Skipped(binding, f"the condition does not hold: {binding.reason}"))
    for binding in by_role["owner"]:
        _own(graph, binding, faults)
    for binding in by_role["default"]:
        _fall_back(graph, binding)
    for binding in by_role["collected"]:
        member = graph.add(Node(binding, (), binding.lifetime))
        graph.collections[binding.contract] = (*graph.collections.get(binding.contract, ()), member)
    graph.base.update(graph.index)
    for binding in by_role["decorator"]:
        _wrap(graph, binding, faults)
    return graph


def _own(graph: Graph, binding: Binding, faults: list[PrefiqError]) -> None:
    contracts = contracts_of(binding)
    number = graph.add(Node(binding, contracts, binding.lifetime))
    for contract in contracts:
        if binding.private:
            first = graph.private.setdefault((binding.module, contract), number)
        else:
            first = graph.index.setdefault(contract, number)
        if first != number:
            other = graph.nodes[first].binding
            faults.append(
                DuplicateOwner(label(contract), binding.module, binding.source, other.module, other.source)
            )


def _fall_back(graph: Graph, binding: Binding) -> None:
    contracts = tuple(c for c in contracts_of(binding) if c not in graph.index)
    if binding.contract not in contracts:
        owner = graph.nodes[graph.index[binding.contract]].binding
        graph.skipped.append(Skipped(binding, f"module {owner.module} binds it ({owner.source})"))
        return
    number = graph.add(Node(binding, contracts, binding.lifetime))
    for contract in contracts:
        graph.index[contract] = number


def _wrap(graph: Graph, binding: Binding, faults: list[PrefiqError]) -> None:
    inner = graph.find(binding.contract, binding.module)
    if inner is None:
        faults.append(
            DecoratesNothing(
                label(binding.contract),
                name_of(binding.provides),
                False,
                graph.nearest(binding.contract),
                binding.module,
                binding.source,
            )
        )
        return
    wrapped = graph.nodes[inner]
    lifetime = "app" if wrapped.lifetime in {"value", "resource"} else wrapped.lifetime
    number = graph.add(Node(binding, wrapped.contracts, lifetime, inner))
    for contract in wrapped.contracts:
        if wrapped.binding.private:
            graph.private[wrapped.binding.module, contract] = number
        else:
            graph.index[contract] = number
