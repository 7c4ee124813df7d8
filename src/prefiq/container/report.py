"""``Report``: what was composed, as data; ``doctor`` and the command line turn it into text."""

from __future__ import annotations

from dataclasses import dataclass

from prefiq.container.binding import Lifetime, Role
from prefiq.container.generics import label, name_of
from prefiq.container.graph import Graph, Node
from prefiq.container.opening import Opening, opening_of
from prefiq.errors import PrefiqError

__all__ = ["Entry", "Need", "Report", "report_on"]


@dataclass(frozen=True, slots=True)
class Need:
    """What one parameter is given.

    Args:
        parameter: Its name.
        contracts: Names of what it is given, several for a list; empty for a value or the scope.
        lazy: Whether it is asked for later.
    """

    parameter: str
    contracts: tuple[str, ...]
    lazy: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One binding.

    Args:
        name: ``<module>.<contract>``, as ``[replace]`` writes it.
        contracts: Names of every contract that it answers.
        implementation: Name of the class or function.
        module: Module that bound it.
        source: Place of the binding.
        lifetime: How long its objects live.
        role: Owner, default, collected or decorator.
        private: Whether other modules may not ask for it.
        needs: What its parameters are given.
        wraps: Implementation that it decorates, or empty.
        unused: Why it is not used; empty where it is.
        opens: ``"plain"`` or ``"async"`` for what is opened and closed, and how; else empty.
    """

    name: str
    contracts: tuple[str, ...]
    implementation: str
    module: str
    source: str
    lifetime: Lifetime
    role: Role
    private: bool
    needs: tuple[Need, ...] = ()
    wraps: str = ""
    unused: str = ""
    opens: Opening = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was composed.

    Args:
        entries: Every binding, in module order, the unused last.
        faults: What is wrong with them; empty in a running application.
    """

    entries: tuple[Entry, ...]
    faults: tuple[PrefiqError, ...] = ()


def report_on(graph: Graph, faults: tuple[PrefiqError, ...] = ()) -> Report:
    """The report on a linked graph."""
    entries = [_entry(graph, node) for node in graph.nodes]
    for skipped in graph.skipped:
        binding = skipped.binding
        entries.append(
            Entry(
                f"{binding.module}.{label(binding.contract)}",
                (),
                name_of(binding.provides),
                binding.module,
                binding.source,
                binding.lifetime,
                binding.role,
                binding.private,
                unused=skipped.why,
            )
        )
    return Report(tuple(entries), faults)


def _entry(graph: Graph, node: Node) -> Entry:
    binding = node.binding
    return Entry(
        f"{binding.module}.{node.name}",
        tuple(label(contract) for contract in node.contracts),
        node.implementation,
        binding.module,
        binding.source,
        node.lifetime,
        binding.role,
        binding.private,
        tuple(
            Need(
                link.parameter,
                tuple(graph.nodes[target].name for target in link.targets),
                link.kind == "lazy",
            )
            for link in node.links
        ),
        graph.nodes[node.inner].implementation if node.inner is not None else "",
        opens=opening_of(binding.provides) if binding.opens else "",
    )
