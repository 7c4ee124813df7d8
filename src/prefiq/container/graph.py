"""``Graph``: which binding answers which contract, and what each object is built from; data only.

A node is known by its number, so that a fork shares the index and copies two lists.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from prefiq.container.binding import Binding, Lifetime
from prefiq.container.generics import label, name_of, origin

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


@dataclass(slots=True)
class Graph:
    """Every object of an application and what it is built from.

    Args:
        nodes: The objects, by number.
        index: Number of the node that answers a contract (the outermost decorator).
        base: Number of the node that owns a contract, below its decorators.
        private: The same for private bindings, by module and contract.
        collections: Numbers of the nodes of a collection, in module order.
        skipped: Bindings that are not used.
    """

    nodes: list[Node] = field(default_factory=list)
    index: dict[Any, int] = field(default_factory=dict)
    base: dict[Any, int] = field(default_factory=dict)
    private: dict[tuple[str, Any], int] = field(default_factory=dict)
    collections: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    _users: dict[int, list[int]] | None = None
    _names: dict[str, Any] | None = None

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
        return next(iter(difflib.get_close_matches(label(contract), known, n=1, cutoff=0.6)), "")

    def names(self) -> Mapping[str, Any]:
        """Bound contracts by name where it is unambiguous, for annotations that cannot be looked up."""
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

    def users(self) -> Mapping[int, list[int]]:
        """By node, the nodes that are built from it or may ask for it later."""
        if self._users is None:
            users: dict[int, list[int]] = {}
            for number, node in enumerate(self.nodes):
                for needed in node.needs(lazy=True):
                    users.setdefault(needed, []).append(number)
            self._users = users
        return self._users

    def dependants(self, numbers: Iterable[int]) -> set[int]:
        """These nodes and all that depend on them, directly or not."""
        users = self.users()
        found: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting.extend(users.get(number, ()))
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
