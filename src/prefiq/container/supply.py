"""``Supply``: the providers of one container, each made and wired when it is first asked for.

A fork's supply lies over another: it makes what depends on what the fork replaces, and hands on the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dependency_injector import providers

from prefiq.container.graph import Graph, Link
from prefiq.container.native import Family, Native
from prefiq.container.providers import App, LazyAsk, Many, TheScope, Value, provider_for

__all__ = ["Supply"]


class Supply:
    """Providers by node.

    Args:
        graph: A linked graph without faults.
        parent: What this one lies over, or None.
        replaced: The nodes that are not the parent's.
    """

    __slots__ = ("_affected", "_lock", "_pending", "_providers", "family", "graph", "parent", "replaced")

    def __init__(self, graph: Graph, parent: Supply | None = None, replaced: Iterable[int] = ()) -> None:
        self.graph = graph
        self.parent = parent
        self.replaced = frozenset(replaced)
        self.family: Family = Family() if parent is None else parent.family
        self._affected = dict.fromkeys(self.replaced, True)
        self._providers: dict[int, Any] = {}
        self._pending: dict[int, Any] = {}
        self._lock = threading.RLock()

    def __getitem__(self, number: int) -> Any:
        """The provider of a node, made when first asked for."""
        found = self._providers.get(number)
        return self._make(number) if found is None else found

    def existing(self, number: int) -> Any:
        """The provider of a node here or below, or None where none was made yet."""
        found = self._providers.get(number)
        return self.parent.existing(number) if found is None and self.parent is not None else found

    def singletons(self) -> Iterator[App]:
        """The providers of objects of the application that were made so far."""
        return (made for made in tuple(self._providers.values()) if isinstance(made, App))

    def restore(self) -> list[tuple[str, str]]:
        """Undo what was changed natively.

        Returns:
            For each provider that was left changed, the contract's name and how it was changed.
        """
        undone: list[tuple[str, str]] = []
        for number, provider in tuple(self._providers.items()):
            if not provider.modified or not self.own(number):
                continue
            name = self.graph.nodes[number].name
            if provider.last_overriding is not None:
                provider.reset_override()
                undone.append((name, "is overridden"))
            if self._differs(number, provider):
                with self._lock:
                    self._wire(number)
                self.family.drop()
                undone.append((name, "was given other arguments"))
        return undone

    def _differs(self, number: int, provider: Any) -> bool:
        node = self.graph.nodes[number]
        if provider.provides is not node.binding.provides:
            return True
        if not hasattr(provider, "node"):
            return False
        given = [*provider.args, *provider.kwargs.values()]
        return (
            bool(provider.attributes)
            or len(given) != len(node.links)
            or any(
                link.kind == "one" and argument is not self[link.targets[0]]
                for link, argument in zip(node.links, given, strict=True)
            )
        )

    def many(self, numbers: Iterable[int]) -> Many:
        """A provider of the list of what these nodes give."""
        return Many(*(self[number] for number in numbers), family=self.family)

    def lazy(self, number: int) -> LazyAsk:
        """A provider of a ``Lazy`` that asks a node."""
        return LazyAsk(self[number], self.graph.nodes[number].name, self._scoped(number), family=self.family)

    def the_scope(self) -> TheScope:
        """A provider of the scope itself."""
        return TheScope(family=self.family)

    def own(self, number: int) -> bool:
        """Whether the provider of a node is made here, not handed on."""
        return self.parent is None or self.affected(number)

    def affected(self, number: int) -> bool:
        """Whether a node depends, directly or not, on what is replaced here.

        Looks down from what is asked for, so a fork costs the same however many nodes there are.
        """
        known = self._affected
        found = known.get(number)
        if found is not None:
            return found
        nodes = self.graph.nodes
        users: dict[int, list[int]] = {number: []}
        waiting = [number]
        reached: list[int] = []
        while waiting:
            user = waiting.pop()
            for needed in nodes[user].needs(lazy=True):
                state = known.get(needed)
                if state:
                    reached.append(user)
                elif state is None:
                    if needed in users:
                        users[needed].append(user)
                    else:
                        users[needed] = [user]
                        waiting.append(needed)
        states = dict.fromkeys(users, False)
        while reached:
            user = reached.pop()
            if not states[user]:
                states[user] = True
                reached.extend(users[user])
        known.update(states)
        return states[number]

    def _make(self, number: int) -> Any:
        with self._lock:  # two threads must not make two singletons
            outermost = not self._pending
            mine: list[int] = []
            waiting = [number]
            while waiting:
                n = waiting.pop()
                if n in self._pending or n in self._providers:
                    continue
                if self.parent is not None and not self.affected(n):
                    self._pending[n] = self.parent[n]
                    continue
                made = self._pending[n] = provider_for(self.graph.nodes[n], self.family)
                made.number = n
                mine.append(n)
                waiting.extend(self.graph.nodes[n].needs(lazy=True))
            try:
                for n in mine:
                    self._wire(n)
                found = self._known(number)
                if outermost:  # others read without the lock, so not before all are wired
                    self._providers.update(self._pending)
            finally:
                if outermost:
                    self._pending = {}
            return found

    def _known(self, number: int) -> Any:
        found = self._pending.get(number)
        return self._providers[number] if found is None else found

    def _wire(self, number: int) -> None:
        node, provider = self.graph.nodes[number], self._known(number)
        if node.lifetime != "value":
            args: list[Any] = []
            kwargs: dict[str, Any] = {}
            for link in node.links:
                made = self._argument(link)
                if link.keyword:
                    kwargs[link.parameter] = made
                else:
                    args.append(made)
            if provider.provides is not node.binding.provides:
                provider.set_provides(node.binding.provides)
            provider.wire(args, kwargs, self.family)
        if self.parent is not None and number not in self.replaced:
            original = self.parent.existing(number)
            if original is not None and original.modified:
                self._carry(original, provider)

    def _argument(self, link: Link) -> Any:
        kind, family = link.kind, self.family
        if kind == "one":
            return self._known(link.targets[0])
        if kind == "many":
            return Many(*(self._known(target) for target in link.targets), family=family)
        if kind == "scope":
            return TheScope(family=family)
        if kind == "value":
            return Value(link.value, family=family)
        target = link.targets[0]
        return LazyAsk(
            self._known(target), self.graph.nodes[target].name, self._scoped(target), family=family
        )

    def _scoped(self, number: int) -> bool:
        """Whether building this node needs a scope."""
        nodes = self.graph.nodes
        return any(
            nodes[n].lifetime == "scope" or any(link.kind == "scope" for link in nodes[n].links)
            for n in self.graph.in_order([number])
        )

    def _carry(self, original: Any, provider: Any) -> None:
        """Repeat what was changed natively on the provider that this one stands for."""
        memo: dict[int, Any] = {}
        for related in original.traverse():
            if isinstance(related, Native) and related.number is not None:
                memo[id(related)] = self._known_or_made(related.number)
        if hasattr(original, "args"):
            provider.set_provides(original.provides)
            copy: Callable[[Any], Any] = lambda value: (  # noqa: E731
                providers.deepcopy(value, memo) if providers.is_provider(value) else value
            )
            provider.set_args(*map(copy, original.args))
            provider.set_kwargs(**{name: copy(value) for name, value in original.kwargs.items()})
            provider.set_attributes(**{name: copy(value) for name, value in original.attributes.items()})
        for overriding in original.overridden:
            provider.override(overriding)

    def _known_or_made(self, number: int) -> Any:
        found = self._pending.get(number)
        return self[number] if found is None else found
