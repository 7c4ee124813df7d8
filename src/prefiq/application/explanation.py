"""``explain``: how it comes that a contract is answered as it is; data first, ``lines`` are for people."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prefiq.container.binding import Binding, Lifetime
from prefiq.container.errors import MissingBinding
from prefiq.container.generics import label, name_of
from prefiq.container.graph import Graph, Node
from prefiq.container.opening import Opening, opening_of
from prefiq.nearest import nearest

__all__ = ["Argument", "Event", "Explanation", "explain", "lines"]

Deed = Literal["bound", "bound as default", "added", "replaced", "extended", "decorated"]
_ROLES: Mapping[str, Deed] = {"default": "bound as default", "collected": "added", "decorator": "decorated"}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done to a contract.

    Args:
        deed: What was done.
        module: Who did it; empty where a setting or a fork did.
        implementation: What came in.
        source: ``file:line``, or file and key of a setting.
        lifetime: How long its objects live.
        reason: Condition that held, or why it is not used; empty where there is none.
        without: What would be used if this had not been done; empty where nothing would.
    """

    deed: Deed
    module: str
    implementation: str
    source: str
    lifetime: Lifetime
    reason: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """What one parameter is given.

    Args:
        parameter: Its name.
        contract: Names of what it asks for.
        implementation: Names of what it is given.
        lazy: Whether it is asked for later.
    """

    parameter: str
    contract: tuple[str, ...]
    implementation: tuple[str, ...]
    lazy: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """How it comes that a contract is answered as it is.

    Args:
        contract: Its name.
        answers: Every contract that the same object answers.
        implementation: What answers it; the outermost decorator where there are some.
        lifetime: How long its objects live.
        private: Module that it is private to; empty where all may ask for it.
        history: What was done, in order; the last is what is asked first.
        unused: What was bound and is not used.
        arguments: What the implementation is given.
        dependants: What asks for it, ``<module>.<contract> (<implementation>)``.
        further: How many objects depend on those.
        opens: ``"plain"`` or ``"async"`` for what is opened and closed, and how; else empty.
    """

    contract: str
    answers: tuple[str, ...]
    implementation: str
    lifetime: Lifetime
    private: str
    history: tuple[Event, ...]
    unused: tuple[Event, ...]
    arguments: tuple[Argument, ...]
    dependants: tuple[str, ...]
    further: int
    opens: Opening = ""


def explain(graph: Graph, contract: Any) -> Explanation:
    """Explain one contract.

    Args:
        graph: Of a container.
        contract: A contract, or its name.

    Raises:
        MissingBinding: Nothing is bound to it.
    """
    contract = _named(graph, contract) if isinstance(contract, str) else contract
    members = graph.collections.get(contract, ())
    number = graph.find(contract)
    if number is None:
        number = graph.private_owner(contract)
    if number is None and not members:
        raise MissingBinding(label(contract), "explain", graph.nearest(contract))
    chain = [*members] if number is None else [*_chain(graph, number), *members]
    node = graph.nodes[chain[-1] if number is None else number]
    used = _dependants(graph, chain)
    direct = sorted({user for one in chain for user in graph.users(one)} - set(chain))
    outer = node.binding if number is not None and node.binding.private else None
    answered = (*node.contracts, contract)
    unused = [
        skipped for skipped in graph.skipped if any(_same(skipped.binding.contract, one) for one in answered)
    ]
    defaults = [one.binding for one in unused if one.binding.active and one.binding.role == "default"]
    history: list[Event] = []
    for one in chain:
        history += _history(graph.nodes[one], graph, defaults)
    return Explanation(
        contract=label(contract),
        answers=tuple(label(key) for key in node.contracts) or (label(contract),),
        implementation=node.implementation,
        lifetime=node.lifetime,
        private=outer.module if outer is not None else "",
        history=tuple(history),
        unused=tuple(_event(skipped.binding, reason=skipped.why) for skipped in unused),
        arguments=tuple(_arguments(graph, node)),
        dependants=tuple(_place(graph.nodes[user]) for user in direct),
        further=len(used - set(chain) - set(direct)),
        opens=opening_of(node.binding.provides) if node.binding.opens else "",
    )


def lines(found: Explanation) -> Iterator[str]:
    """The explanation for people."""
    yield f"{found.contract} is answered by {found.implementation} ({_lives(found.lifetime, found.opens)})"
    if found.private:
        yield f"  private to the module {found.private}"
    if len(found.answers) > 1:
        yield f"  the same object answers {', '.join(found.answers)}"
    for event in found.history:
        by = f" by {event.module}" if event.module else ""
        held = f", because {event.reason}" if event.reason else ""
        yield f"  {event.deed}{by}: {event.implementation} ({event.source}){held}"
        yield f"    without it: {event.without or 'nothing'}"
    for event in found.unused:
        yield f"  not used, of {event.module}: {event.implementation} ({event.source}): {event.reason}"
    for argument in found.arguments:
        given = ", ".join(argument.implementation) or "a value"
        asked = f" ({', '.join(argument.contract)})" if argument.contract else ""
        yield f"  {argument.parameter} = {given}{asked}" + (", asked for later" if argument.lazy else "")
    for dependant in found.dependants:
        yield f"  used by {dependant}"
    if found.further:
        yield f"  and by {found.further} more through these"


def _named(graph: Graph, name: str) -> Any:
    """The contract of a name: ``IProject``, ``projects.IProject``, ``IDomain[Project]``."""
    known: dict[str, Any] = {}
    for contract, number in [
        *graph.index.items(),
        *((key, number) for (_, key), number in graph.private.items()),
        *((key, members[0]) for key, members in graph.collections.items()),
    ]:
        inner = number
        while (below := graph.nodes[inner].inner) is not None:
            inner = below
        known.setdefault(f"{graph.nodes[inner].binding.module}.{label(contract)}", contract)
        known.setdefault(label(contract), contract)
    if name in known:
        return known[name]
    raise MissingBinding(name, "explain", nearest(name, known))


def _dependants(graph: Graph, numbers: Iterable[int]) -> set[int]:
    found: set[int] = set()
    waiting = list(numbers)
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting.extend(graph.users(number))
    return found


def _chain(graph: Graph, number: int) -> list[int]:
    """The node and all that it wraps, the innermost first."""
    found = [number]
    while (inner := graph.nodes[found[-1]].inner) is not None:
        found.append(inner)
    return found[::-1]


def _history(node: Node, graph: Graph, defaults: list[Binding]) -> Iterator[Event]:
    steps = [node.binding]
    while (before := steps[-1].replaced) is not None:
        steps.append(before)
    steps.reverse()
    first = steps[0]
    without = ""
    if node.inner is not None:
        without = graph.nodes[node.inner].implementation
    elif first.role == "owner" and defaults:
        answers = f" for {label(defaults[0].contract)}" if defaults[0].contract != first.contract else ""
        without = f"{name_of(defaults[0].provides)}, the default of {defaults[0].module}{answers}"
    yield _event(first, reason=first.reason, without=without)
    yield from _extended(first)
    for before, after in itertools.pairwise(steps):
        yield Event(
            "replaced",
            "",
            name_of(after.provides),
            after.source,
            after.lifetime,
            "",
            name_of(before.provides),
        )
        yield from _extended(after)


def _extended(binding: Binding) -> Iterator[Event]:
    """The parts that other modules put in front of a service, the last one outermost."""
    without = name_of(binding.provides)
    for module, name, source in binding.extended:
        yield Event("extended", module, name, source, binding.lifetime, "", without)
        without = name


def _event(binding: Binding, *, reason: str = "", without: str = "") -> Event:
    return Event(
        _ROLES.get(binding.role, "bound"),
        binding.module,
        name_of(binding.provides),
        binding.source,
        binding.lifetime,
        reason,
        without,
    )


def _arguments(graph: Graph, node: Node) -> Iterator[Argument]:
    for link in node.links:
        targets = [graph.nodes[target] for target in link.targets]
        contracts = ("Scope",) if link.kind == "scope" else tuple(dict.fromkeys(one.name for one in targets))
        given = ("Scope",) if link.kind == "scope" else tuple(one.implementation for one in targets)
        yield Argument(link.parameter, contracts, given, link.kind == "lazy")


def _place(node: Node) -> str:
    return f"{node.binding.module}.{node.name} ({node.implementation})"


def _same(one: Any, other: Any) -> bool:
    return bool(one is other or one == other)


def _lives(lifetime: Lifetime, opens: Opening) -> str:
    lives = {
        "scope": "one per scope",
        "app": "one per application",
        "new": "a new one each time",
        "resource": "one per application",
        "value": "a value",
    }[lifetime]
    return f"{lives}, opened and closed with it{', async' if opens == 'async' else ''}" if opens else lives
