"""The linker: reads what constructors ask for and writes it into the graph.

A parameter is filled from its annotation: a bound contract, ``Lazy[T]``, ``list[T]`` (what modules added),
``T | None``, or ``Scope``.  Explicit arguments of the binding come first; a default stays where nothing is
bound.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Collection
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from prefiq.container.errors import (
    DecoratesNothing,
    MissingBinding,
    PrivateContract,
    UnreadableParameter,
    UnusableBinding,
)
from prefiq.container.generics import label, name_of
from prefiq.container.graph import Graph, Kind, Link, Node
from prefiq.container.lazy import Lazy
from prefiq.container.parameters import NO_ANNOTATION, Parameter, Unreadable, evaluate, parameters_of
from prefiq.contracts import Scope
from prefiq.errors import PrefiqError

__all__ = ["Linker", "Wanted"]

BUILTIN = (bool, bytes, complex, dict, float, int, list, object, set, str, tuple)


class Wanted:
    """What an annotation asks for, taken apart.

    Args:
        annotation: A type, for example ``Lazy[IMailer] | None``.
    """

    __slots__ = ("contract", "optional", "shape", "whole")

    def __init__(self, annotation: Any) -> None:
        self.optional = False
        kind = get_origin(annotation)
        if kind is Annotated:
            annotation = get_args(annotation)[0]
            kind = get_origin(annotation)
        if kind is Union or kind is types.UnionType:
            rest = [member for member in get_args(annotation) if member is not type(None)]
            if len(rest) == 1 and len(get_args(annotation)) == 2:
                self.optional = True
                annotation = rest[0]
                kind = get_origin(annotation)
        self.whole = annotation
        self.shape = "many" if kind is list else "lazy" if kind is Lazy else "one"
        self.contract = get_args(annotation)[0] if self.shape != "one" else annotation
        if annotation is Scope:
            self.shape = "scope"


class Linker:
    """Links the nodes of one graph.

    Args:
        graph: Its nodes are selected; their ``links`` are written here.
        faults: Receives what is wrong.
    """

    def __init__(self, graph: Graph, faults: list[PrefiqError]) -> None:
        self.graph = graph
        self.faults = faults
        self.names = graph.names()

    def link(self, numbers: Collection[int]) -> None:
        """Write the links of these nodes."""
        for number in numbers:
            node = self.graph.nodes[number]
            if node.binding.lifetime != "value":
                self.graph.nodes[number] = node.linked(self._links(node))

    def _links(self, node: Node) -> tuple[Link, ...]:
        binding = node.binding
        if not callable(binding.provides):
            self._unusable(
                node, f"{node.implementation} cannot be called", "bind a class or a function, or use to.value"
            )
            return ()
        parameters = parameters_of(binding.provides)
        if binding.args:
            for name in sorted(set(binding.args) - {parameter.name for parameter in parameters}):
                self._unusable(
                    node, f"{node.implementation} has no parameter {name}", "correct the name in args"
                )
        links: list[Link] = []
        by_name = False
        wrapped = False
        for parameter in parameters:
            link = self._link(node, parameter)
            if link is None:
                by_name = True  # what is left out cannot be given by place, so nothing after it can
                continue
            wrapped = wrapped or (node.inner is not None and node.inner in link.targets)
            if by_name and not link.keyword:
                link = dataclasses.replace(link, keyword=True)
            links.append(link)
        if node.inner is not None and not wrapped:
            self.faults.append(
                DecoratesNothing(node.name, node.implementation, True, "", binding.module, binding.source)
            )
        return tuple(links)

    def _link(self, node: Node, parameter: Parameter) -> Link | None:
        binding = node.binding
        if binding.args:
            explicit = binding.args.get(parameter.name, NO_ANNOTATION)
            if explicit is not NO_ANNOTATION:
                return self._explicit(node, parameter, explicit)
        wanted = self.wanted(parameter, binding.provides, binding.module, binding.source)
        if wanted is None:
            return None
        if node.inner is not None and wanted.contract in self.graph.nodes[node.inner].contracts:
            return self._made(parameter, wanted, (node.inner,))
        return self._resolved(node, parameter, wanted)

    def wanted(self, parameter: Parameter, owner: Any, module: str, source: str) -> Wanted | None:
        """What a parameter of a class or function asks for.

        None where it keeps its default or cannot be read; then a fault is kept.
        """
        why = ""
        if parameter.annotation is NO_ANNOTATION:
            why = "it has no annotation"
        else:
            try:
                annotation = evaluate(parameter, self.names)
            except Unreadable as error:
                why = str(error)
            else:
                if not isinstance(annotation, TypeVar):
                    return Wanted(annotation)
                why = f"nothing says what {annotation.__name__} stands for"
        if parameter.required:
            self.faults.append(
                UnreadableParameter(name_of(owner), parameter.name, parameter.written, why, module, source)
            )
        return None

    def _resolved(self, node: Node, parameter: Parameter, wanted: Wanted) -> Link | None:
        graph, module = self.graph, node.binding.module
        if wanted.shape == "scope":
            return Link(parameter.name, parameter.keyword, "scope")
        whole = graph.find(wanted.whole, module)
        if whole is not None:
            return Link(parameter.name, parameter.keyword, "one", (whole,))
        if wanted.shape == "many" and (
            wanted.contract in graph.collections or self._may_be_empty(parameter, wanted)
        ):
            return self._made(parameter, wanted, graph.collections.get(wanted.contract, ()))
        found = graph.find(wanted.contract, module) if wanted.shape != "many" else None
        if found is not None:
            return self._made(parameter, wanted, (found,))
        if not parameter.required:
            return None
        if wanted.optional:
            return Link(parameter.name, parameter.keyword, "value")
        self._missing(node, wanted.contract, parameter.name)
        return None

    def _explicit(self, node: Node, parameter: Parameter, given: Any) -> Link | None:
        found = self.graph.find(given, node.binding.module) if _like_contract(given) else None
        if found is not None:
            return Link(parameter.name, parameter.keyword, "one", (found,))
        if get_origin(given) is not None or getattr(given, "_is_protocol", False) is True:
            # A Protocol or alias makes no sense as a value: it was meant to be resolved.
            self._missing(node, given, parameter.name)
            return None
        return Link(parameter.name, parameter.keyword, "value", (), given)

    @staticmethod
    def _may_be_empty(parameter: Parameter, wanted: Wanted) -> bool:
        return parameter.required and not wanted.optional and wanted.contract not in BUILTIN

    @staticmethod
    def _made(parameter: Parameter, wanted: Wanted, targets: tuple[int, ...]) -> Link:
        kind: Kind = "many" if wanted.shape == "many" else "lazy" if wanted.shape == "lazy" else "one"
        return Link(parameter.name, parameter.keyword, kind, targets)

    def _missing(self, node: Node, contract: Any, parameter: str) -> None:
        binding = node.binding
        by = f"{node.implementation}({parameter})"
        owner = self.graph.private_owner(contract)
        if owner is None:
            self.faults.append(
                MissingBinding(
                    label(contract), by, self.graph.nearest(contract), binding.module, binding.source
                )
            )
        else:
            other = self.graph.nodes[owner].binding.module
            self.faults.append(PrivateContract(label(contract), other, by, binding.module, binding.source))

    def _unusable(self, node: Node, why: str, advice: str) -> None:
        self.faults.append(UnusableBinding(node.name, why, advice, node.binding.module, node.binding.source))


def _like_contract(value: Any) -> bool:
    return isinstance(value, type) or get_origin(value) is not None
