"""The validator: circles, captive objects, broken promises and async factories, all found together.

What is missing, private, unreadable or bound twice was found while selecting and linking.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from typing import Any

from prefiq.container.errors import (
    AsyncFactory,
    AsyncResource,
    CaptiveDependency,
    ContractNotSatisfied,
    CyclicBindings,
    UnusableBinding,
)
from prefiq.container.generics import label, name_of, origin
from prefiq.container.graph import Graph, Node
from prefiq.container.opening import called, opening_of
from prefiq.container.satisfies import made_by, shortcomings
from prefiq.errors import PrefiqError

__all__ = ["validate", "validate_changed"]

LONG = frozenset({"app", "resource", "value"})


def validate(graph: Graph, numbers: Collection[int]) -> list[PrefiqError]:
    """The faults of these nodes of a linked graph."""
    faults: list[PrefiqError] = []
    for number in numbers:
        faults.extend(_factory(graph.nodes[number], waits=graph.waits))
        faults.extend(_promises(graph.nodes[number]))
    faults.extend(_cycles(graph, numbers))
    faults.extend(_captives(graph, numbers))
    return faults


def validate_changed(graph: Graph, changed: Collection[int]) -> list[PrefiqError]:
    """The faults that some changed nodes bring into a graph that had none; no others are walked."""
    faults: list[PrefiqError] = []
    for number in changed:
        faults.extend(_factory(graph.nodes[number], waits=graph.waits))
        faults.extend(_promises(graph.nodes[number]))
    faults.extend(_cycles(graph, changed))  # a new circle leads through what changed
    faults.extend(_captives(graph, _holders(graph, changed)))
    return faults


def _holders(graph: Graph, changed: Collection[int]) -> list[int]:
    """The changed nodes, and what holds them where they are new each time: it might hold a scope's now."""
    found = dict.fromkeys(changed)
    waiting = [number for number in changed if graph.nodes[number].lifetime == "new"]
    while waiting:
        for user in graph.users(waiting.pop()):
            if user not in found:
                found[user] = None
                if graph.nodes[user].lifetime == "new":
                    waiting.append(user)
    return list(found)


def _factory(node: Node, *, waits: bool) -> Iterator[PrefiqError]:
    binding = node.binding
    if binding.lifetime == "value":
        return
    if binding.opens:
        yield from _opening(node, waits=waits)
        return
    function = called(binding.provides)
    if isinstance(function, type):
        return
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield AsyncFactory(node.name, node.implementation, binding.module, binding.source)
    elif inspect.isgeneratorfunction(function):
        yield UnusableBinding(
            node.name,
            f"{node.implementation} is a generator function",
            "use to.resource, which opens and closes it",
            binding.module,
            binding.source,
        )


def _opening(node: Node, *, waits: bool) -> Iterator[PrefiqError]:
    binding = node.binding
    how = opening_of(binding.provides)
    if how == "async" and not waits:
        yield AsyncResource(node.name, node.implementation, binding.module, binding.source)
    elif not how and inspect.iscoroutinefunction(called(binding.provides)):
        yield AsyncFactory(node.name, node.implementation, binding.module, binding.source)
    elif not how:
        yield UnusableBinding(
            node.name,
            f"{node.implementation} is no generator function and makes no context manager",
            "yield the object once, and close it after the yield",
            binding.module,
            binding.source,
        )


def _promises(node: Node) -> Iterator[PrefiqError]:
    binding = node.binding
    if binding.opens or (not isinstance(binding.provides, type) and _generates(binding.provides)):
        return
    made: Any = type(binding.provides) if binding.lifetime == "value" else made_by(binding.provides)
    if made is None:
        return
    name = label(made)
    if binding.lifetime != "value" and not isinstance(origin(binding.provides), type):
        name += f", made by {name_of(binding.provides)},"
    for contract in node.contracts or (binding.contract,):
        promised = origin(contract)
        if made is promised and not isinstance(binding.provides, type):
            continue  # a function that says it returns the contract: the type checker's business
        lacks = shortcomings(promised, made)
        if lacks and binding.lifetime == "value":
            own = getattr(binding.provides, "__dict__", {})
            lacks = tuple(clause for clause in lacks if clause.removeprefix("has no ") not in own)
        if lacks:
            yield ContractNotSatisfied(label(contract), name, lacks, binding.module, binding.source)
            return


def _generates(provides: Any) -> bool:
    function = called(provides)
    return not isinstance(function, type) and (
        inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    )


def _cycles(graph: Graph, numbers: Collection[int]) -> Iterator[PrefiqError]:
    done: set[int] = set()
    for start in numbers:
        if start in done:
            continue
        path = [start]
        iterators = [graph.nodes[start].needs()]
        place = {start: 0}
        while path:
            step = next(iterators[-1], None)
            if step is None:
                number = path.pop()
                iterators.pop()
                del place[number]
                done.add(number)
            elif step in place:
                circle = [*path[place[step] :], step]
                first = graph.nodes[step].binding
                names = tuple(_told(graph.nodes[number]) for number in circle)
                yield CyclicBindings(names, first.module, first.source)
            elif step not in done:
                place[step] = len(path)
                path.append(step)
                iterators.append(graph.nodes[step].needs())


def _told(node: Node) -> str:
    """A node in a circle: several decorators of one contract need telling apart."""
    return node.name if node.inner is None else f"{node.name} (decorator {node.implementation})"


def _captives(graph: Graph, numbers: Collection[int]) -> Iterator[PrefiqError]:
    for number in numbers:
        node = graph.nodes[number]
        if node.lifetime not in LONG:
            continue
        found = _path_to_scope(graph, number)
        if found is not None:
            yield CaptiveDependency((node.name, *found), node.binding.module, node.binding.source)


def _path_to_scope(graph: Graph, start: int) -> tuple[str, ...] | None:
    """Names on the way from an object of the application to one of a scope that it would hold, or None."""
    waiting: list[tuple[int, tuple[str, ...]]] = [(start, ())]
    seen = {start}
    while waiting:
        number, path = waiting.pop()
        node = graph.nodes[number]
        if any(link.kind == "scope" for link in node.links):
            return (*path, "Scope")
        for needed in node.needs():
            other = graph.nodes[needed]
            if other.lifetime == "scope":
                return (*path, other.name)
            # Another long-lived object answers for itself; one that is new each time is held by this one.
            if other.lifetime == "new" and needed not in seen:
                seen.add(needed)
                waiting.append((needed, (*path, other.name)))
    return None
