"""``Graph``: which binding answers which contract, and what each object is built from; data only.

A node is known by its number, so that a fork shares the index and copies two lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from prefiq.container.binding import Binding, Lifetime
from prefiq.container.generics import label, name_of, origin
from prefiq.nearest import nearest

__all__ = ["Graph", "Kind", "Link", "Node", "Skipped"]

Kind = Literal["one", "many", "lazy", "scope", "value"]


@dataclass(frozen=True, slots=True)
class Link:
    """What one parameter is given.

    Args:
        parameter: Its name.
        keyword: Whether it is given by name.
        kind: An object, a list of objects, a ``Lazy``, the scope itself, or a value.
        targets: Numbers of the nodes that are given, in order.
        value: What is given where ``kind`` is ``"value"``.
    """

    parameter: str
    keyword: bool
    kind: Kind
    targets: tuple[int, ...] = ()
    value: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One object to be built.

    Args:
        binding: What declared it.
        contracts: Every contract that it answers; empty for one of a collection.
        lifetime: How long it lives; a decorator's is that of what it wraps.
        inner: Number of the node that it wraps, or None.
        links: What it is built from; filled by the linker.
    """

    binding: Binding
    contracts: tuple[Any, ...]
    lifetime: Lifetime
    inner: int | None = None
    links: tuple[Link, ...] = ()

    @property
    def name(self) -> str:
        """The contract's name."""
        return label(self.binding.contract)

    @property
    def implementation(self) -> str:
        """The name of what makes it."""
        return name_of(self.binding.provides)

    def linked(self, links: tuple[Link, ...]) -> Node:
        """The same node with these links."""
        return Node(self.binding, self.contracts, self.lifetime, self.inner, links)

    def needs(self, *, lazy: bool = False) -> Iterator[int]:
        """Numbers of the nodes that it is built from; with ``lazy`` also of those it may ask later."""
        for link in self.links:
            if lazy or link.kind != "lazy":
                yield from link.targets


@dataclass(frozen=True, slots=True)
class Skipped:
    """A binding that is not used.

    Args:
        binding: Which.
        why: A clause without full stop.
    """

    binding: Binding
    why: str


class Overlay:
    """A list of nodes that differs from another in a few places.

    Args:
        nodes: The other; where it is such a list itself, both differ from the same one.
        changed: By number, what differs.
    """

    __slots__ = ("changed", "under")

    def __init__(self, nodes: list[Node] | Overlay, changed: Mapping[int, Node]) -> None:
        if isinstance(nodes, Overlay):
            self.under: list[Node] = nodes.under
            self.changed: dict[int, Node] = {**nodes.changed, **changed}
        else:
            self.under, self.changed = nodes, dict(changed)

    def __getitem__(self, number: int) -> Node:
        found = self.changed.get(number)
        return self.under[number] if found is None else found

    def __setitem__(self, number: int, node: Node) -> None:
        self.changed[number] = node

    def __len__(self) -> int:
        return len(self.under)

    def __iter__(self) -> Iterator[Node]:
        return (self.changed.get(number, node) for number, node in enumerate(self.under))


@dataclass(slots=True)
class Graph:
    """Every object of an application, or of a fork, and what it is built from.

    Args:
        nodes: The objects, by number.
        index: Number of the node that answers a contract (the outermost decorator).
        base: Number of the node that owns a contract, below its decorators.
        private: The same for private bindings, by module and contract.
        collections: Numbers of the nodes of a collection, in module order.
        skipped: Bindings that are not used.
        parent: What this one lies over, or None.
        waits: Whether resources may be async: with ``DB_MODE=async``.
    """

    nodes: list[Node] | Overlay = field(default_factory=list)
    index: dict[Any, int] = field(default_factory=dict)
    base: dict[Any, int] = field(default_factory=dict)
    private: dict[tuple[str, Any], int] = field(default_factory=dict)
    collections: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    parent: Graph | None = None
    waits: bool = False
    _resources: list[int] | None = None
    _users: dict[int, list[int]] | None = None
    _names: Mapping[str, Any] | None = None

    def add(self, node: Node) -> int:
        """Add a node; returns its number."""
        if isinstance(self.nodes, Overlay):
            raise TypeError("a fork has as many nodes as what it lies over")
        self.nodes.append(node)
        return len(self.nodes) - 1

    def overlaid(self, changed: Mapping[int, Node]) -> Graph:
        """The same graph with some other nodes; everything else is shared, not copied."""
        return Graph(
            Overlay(self.nodes, changed),
            self.index,
            self.base,
            self.private,
            self.collections,
            self.skipped,
            self,
            self.waits,
        )

    def changed(self) -> Mapping[int, Node]:
        """The nodes that differ from the first graph's."""
        return self.nodes.changed if isinstance(self.nodes, Overlay) else {}

    def find(self, contract: Any, module: str = "") -> int | None:
        """Number of the node that answers a contract when this module asks, or None."""
        try:
            if self.private:
                own = self.private.get((module, contract))
                if own is not None:
                    return own
            return self.index.get(contract)
        except TypeError:  # not hashable, so not a contract
            return None

    def private_owner(self, contract: Any) -> int | None:
        """Number of a node that answers the contract privately, or None."""
        return next((number for (_, key), number in self.private.items() if key == contract), None)

    def nearest(self, contract: Any) -> str:
        """The bound contract with the most similar name, or an empty text."""
        known = [label(key) for key in (*self.index, *(key for _, key in self.private))]
        return nearest(label(contract), known)

    def names(self) -> Mapping[str, Any]:
        """Bound contracts by name where it is unambiguous, for annotations that cannot be looked up."""
        if self._names is None and self.parent is not None:
            self._names = self.parent.names()
        if self._names is None:
            names: dict[str, Any] = {}
            twice: set[str] = set()
            for contract in (*self.index, *(key for _, key in self.private), *self.collections):
                cls = origin(contract)
                name = getattr(cls, "__name__", "")
                if names.setdefault(name, cls) is not cls:
                    twice.add(name)
            self._names = {name: cls for name, cls in names.items() if name not in twice}
        return self._names

    def resources(self) -> list[int]:
        """The nodes that the lifecycle opens and closes."""
        if self.parent is None:
            if self._resources is None:
                self._resources = [n for n, node in enumerate(self.nodes) if node.lifetime == "resource"]
            return self._resources
        candidates = {*self.parent.resources(), *self.changed()}
        return sorted(number for number in candidates if self.nodes[number].lifetime == "resource")

    def users(self, number: int) -> list[int]:
        """The nodes that are built from this one or may ask for it later."""
        first = self
        while first.parent is not None:
            first = first.parent
        if first._users is None:
            users: dict[int, list[int]] = {}
            for user, node in enumerate(first.nodes):
                for needed in node.needs(lazy=True):
                    users.setdefault(needed, []).append(user)
            first._users = users
        changed = self.changed()
        found = [user for user in first._users.get(number, ()) if user not in changed]
        found += [user for user, node in changed.items() if number in node.needs(lazy=True)]
        return found

    def in_order(self, numbers: Iterable[int]) -> list[int]:
        """These nodes and all that they are built from, each after what it needs; for a graph without circles."""
        done: dict[int, None] = {}
        for start in numbers:
            stack = [(start, self.nodes[start].needs())]
            entered = {start}
            while stack:
                number, needs = stack[-1]
                step = next((n for n in needs if n not in done and n not in entered), None)
                if step is None:
                    stack.pop()
                    done[number] = None
                else:
                    entered.add(step)
                    stack.append((step, self.nodes[step].needs()))
        return list(done)
