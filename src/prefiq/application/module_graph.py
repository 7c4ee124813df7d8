"""The modules of an application and what each has from the others; data, and as a mermaid diagram."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefiq.application.application import Application
    from prefiq.container.graph import Node

__all__ = ["Edge", "ModuleGraph", "ModuleNode", "graph_of", "mermaid"]

OWN = "prefiq"
KINDS = ("requires", "uses", "refers to", "extends", "decorates", "hooks into")
STRONG = ("requires", "uses", "refers to", "extends")
"""What a module cannot do without; decorators and hooks are for the sake of the other."""


@dataclass(frozen=True, slots=True)
class ModuleNode:
    """One module.

    Args:
        name: Its name.
        package: Name and version of its package; empty where it is listed by import path.
        models: How many models it declares.
        bindings: How many bindings it made.
    """

    name: str
    package: str
    models: int
    bindings: int


@dataclass(frozen=True, slots=True)
class Edge:
    """What one module has from another.

    Args:
        source: The module that needs or changes the other.
        target: The other.
        kinds: ``"requires"``, ``"uses"``, ``"refers to"``, ``"extends"``, ``"decorates"``, ``"hooks into"``.
        details: Contracts and models, each with its kind, for people.
    """

    source: str
    target: str
    kinds: tuple[str, ...]
    details: tuple[str, ...]

    @property
    def strong(self) -> bool:
        """Whether the source cannot do without the target."""
        return any(kind in STRONG for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class ModuleGraph:
    """The modules in order, and what each has from the others.

    Prefiq's own part, from which everybody has everything, is left out.

    Args:
        modules: In module order.
        edges: By source and target in module order.
    """

    modules: tuple[ModuleNode, ...]
    edges: tuple[Edge, ...]


def graph_of(app: Application) -> ModuleGraph:
    """The graph of a prepared application."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    names = [module.name for module in app.host.modules if module.name != OWN]

    def add(source: str, target: str, kind: str, detail: str) -> None:
        if source != target and source in names and target in names:
            found.setdefault((source, target), {})[f"{kind} {detail}"] = None

    for module in app.host.modules:
        for required in module.requires:
            add(module.name, required, "requires", required)
    nodes = app.container.graph.nodes
    for node in nodes:
        for extender, _, _ in node.binding.extended:
            add(extender, node.binding.module, "extends", node.name)
        for link in node.links:
            for target in link.targets:
                if target != node.inner:
                    add(
                        _asker(node, link.parameter), nodes[target].binding.module, "uses", nodes[target].name
                    )
        if node.inner is not None:
            owner = nodes[node.inner]
            while owner.inner is not None:  # a decorator is for the contract, not for another decorator
                owner = nodes[owner.inner]
            add(node.binding.module, owner.binding.module, "decorates", node.name)
    for spec in app.catalog:
        owned = [(spec.module, spec.fields), *((spec.module, child.model.fields) for child in spec.children)]
        for extension in spec.extensions:
            add(extension.module, spec.module, "extends", spec.qualified)
            owned.append((extension.module, extension.fields))
        for asker, fields in owned:
            for field in fields:
                if field.ref is not None and field.ref.model:
                    add(asker, field.ref.model.partition(".")[0], "refers to", field.ref.model)
    for hook in app.host.hooks():
        for model in app.catalog:
            if model.cls is hook.mark.model:
                add(hook.module.name, model.module, "hooks into", f"{model.qualified}, {hook.mark.event}")
    order = {name: number for number, name in enumerate(names)}
    edges = [
        Edge(source, target, tuple(dict.fromkeys(_kind(detail) for detail in details)), tuple(details))
        for (source, target), details in found.items()
    ]
    edges.sort(key=lambda edge: (order[edge.source], order[edge.target]))
    counts = [node.binding.module for node in nodes]
    modules = tuple(
        ModuleNode(
            module.name, module.package, len(app.catalog.of_module(module.name)), counts.count(module.name)
        )
        for module in app.host.modules
        if module.name != OWN
    )
    return ModuleGraph(modules, tuple(edges))


def _asker(node: Node, parameter: str) -> str:
    """The module that a parameter is for: of a service, one that extends it may have asked."""
    attribute = parameter.removeprefix("x__")
    if attribute != parameter and node.binding.extended:
        modules = {name: module for module, name, _ in node.binding.extended}
        for cls in getattr(node.binding.provides, "__mro__", ()):
            if cls.__name__ in modules and attribute in inspect.get_annotations(cls):
                return modules[cls.__name__]
    return node.binding.module


def _kind(detail: str) -> str:
    return next(kind for kind in KINDS if detail.startswith(f"{kind} "))


def mermaid(graph: ModuleGraph) -> str:
    """The graph as a mermaid flowchart; what a module only adds to another is dotted."""
    rows = ["flowchart TD"]
    for module in graph.modules:
        label = module.name + (f"<br><small>{module.package}</small>" if module.package else "")
        rows.append(f'    {_id(module.name)}["{label}"]')
    for edge in graph.edges:
        arrow = "-->" if edge.strong else "-.->"
        rows.append(f'    {_id(edge.source)} {arrow}|"{", ".join(edge.kinds)}"| {_id(edge.target)}')
    return "\n".join(rows) + "\n"


def _id(name: str) -> str:
    # Some words, "end" for example, mean something to mermaid.
    return "m_" + re.sub(r"\W", "_", name)
