"""Domain events and the bus that carries them inside the process.

A subscriber runs in the transaction (it may write, and what it raises undoes everything) or after the
commit.  After-commit delivery is in memory: it is lost if the process dies between commit and delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

from prefiq.contracts import ITransactions, Scope
from prefiq.foundation.hooks import tell_if_slow
from prefiq.lowcode import DeclarationError

__all__ = [
    "EntityChanged",
    "Events",
    "Subscriber",
    "Subscription",
    "Subscriptions",
    "compile_subscriber",
    "subscribe",
    "subscriptions_of",
]

F = TypeVar("F", bound="Callable[..., Awaitable[None] | None]")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EntityChanged:
    """An entity was created, updated or deleted, or an action was run on it.

    Args:
        model: Its class.
        name: Its qualified name, ``"projects.Project"``.
        id: Its id.
        action: ``"created"``, ``"updated"``, ``"deleted"`` or the action's name.
        entity: As it was stored (as it last was, when deleted).
        changes: Field → (before, after) for every field that changed.
        arguments: What the action was given.
        version: Version after the change.
        at: When, in UTC.
        actor: Who: the actor's id.
        tenant: Whose; empty for shared rows.
    """

    model: type
    name: str
    id: UUID
    action: str
    entity: Any
    changes: Mapping[str, tuple[Any, Any]]
    version: int
    at: datetime
    actor: str
    tenant: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What ``@subscribe`` leaves on a function.

    Args:
        event: Class of the events wanted.
        model: Only events about this model and those that derive from it, for ``EntityChanged``.
        action: Only this action, for ``EntityChanged``; empty for every one.
        after_commit: Whether it runs after the commit instead of in the transaction.
        batch: Whether it takes a sequence of events instead of one.
    """

    event: type
    model: type | None = None
    action: str = ""
    after_commit: bool = False
    batch: bool = False


def subscribe(
    event: type,
    *,
    model: type | None = None,
    action: str = "",
    after_commit: bool = False,
    batch: bool = False,
) -> Callable[[F], F]:
    """Mark a function as a subscriber; its provider lists it in ``subscribers``.

    The first parameter is the event (or the sequence of them with ``batch``), every other annotated one is
    taken from the scope.  With ``DB_MODE=async`` it may be ``async def``.

    Args:
        event: Class of the events wanted, for example ``EntityChanged``; those of its subclasses come too.
        model: Only events about this model, or a mixin or base: then about every model that derives from it.
        action: Only this action: ``"created"``, ``"updated"``, ``"deleted"`` or an action's name.
        after_commit: Run after the commit; what it raises is logged, for nothing can be undone any more.
        batch: Take all events of one use case at once.

    Raises:
        DeclarationError: A model or an action is asked of events that have none.
    """
    if (model is not None or action) and not issubclass(event, EntityChanged):
        raise DeclarationError(
            f"{event.__name__} has neither model nor action",
            fix="subscribe to EntityChanged, or to the event alone",
        )
    wanted = Subscription(event, model, action, after_commit, batch)

    def mark(function: F) -> F:
        function.__prefiq_subscriptions__ = (wanted, *subscriptions_of(function))  # type: ignore[attr-defined]
        return function

    return mark


def subscriptions_of(function: object) -> tuple[Subscription, ...]:
    """What a function was marked with, the outermost mark first."""
    return getattr(function, "__prefiq_subscriptions__", ())


class Subscriber:
    """A subscriber that is ready to run: its parameters are known, their values come from the scope.

    Args:
        name: ``<module>.<function>``.
        wanted: What it listens to.
        call: Runs it for the scope and the event or events.
    """

    __slots__ = ("call", "name", "wanted")

    def __init__(
        self, name: str, wanted: tuple[Subscription, ...], call: Callable[[Scope, Any], object]
    ) -> None:
        self.name = name
        self.wanted = wanted
        self.call = call

    def __repr__(self) -> str:
        return f"<subscriber {self.name}>"


def compile_subscriber(
    function: Callable[..., Any],
    *,
    name: str,
    injected: Mapping[str, Any] | None = None,
    wait: Callable[[Any], object] | None = None,
    slow: float = 0.0,
) -> Subscriber:
    """A subscriber whose parameters have been read; what it asks for is kept as contracts.

    Args:
        function: The marked function.
        name: ``<module>.<function>``.
        injected: Contract by parameter name; None stands for the value None.
        wait: What runs the coroutine of an ``async def`` subscriber to its end; None for a plain function.
        slow: Seconds for each event after which a run is logged; 0 logs none and costs nothing.
    """
    contracts = tuple((injected or {}).items())

    def call(scope: Scope, given: Any) -> object:
        more = {key: None if contract is None else scope[contract] for key, contract in contracts}
        return function(given, **more)

    def awaited(scope: Scope, given: Any) -> object:
        return wait(call(scope, given)) if wait is not None else None

    plain = call if wait is None else awaited

    def watched(scope: Scope, given: Any) -> object:
        begun = perf_counter()
        try:
            return plain(scope, given)
        finally:
            count = len(given) if isinstance(given, list) else 1
            tell_if_slow("subscriber", name, (perf_counter() - begun) / max(count, 1), slow)

    return Subscriber(name, subscriptions_of(function), watched if slow > 0 else plain)


class Subscriptions:
    """Who listens to what, fixed at boot.

    Args:
        subscribers: In the order of their modules.
    """

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self._all: list[tuple[Subscription, Subscriber]] = []
        self._by_event: dict[type, tuple[tuple[Subscription, Subscriber], ...]] = {}
        self.add(subscribers)

    def add(self, subscribers: Iterable[Subscriber]) -> None:
        """Let these listen too; only while the application is composed."""
        self._all.extend((wanted, one) for one in subscribers for wanted in one.wanted)
        self._by_event.clear()

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(dict.fromkeys(subscriber for _, subscriber in self._all))

    def to(self, event: type) -> Sequence[tuple[Subscription, Subscriber]]:
        """The subscribers to a class of events, in order."""
        found = self._by_event.get(event)
        if found is None:
            found = tuple(entry for entry in self._all if issubclass(event, entry[0].event))
            self._by_event[event] = found
        return found

    def to_any(self, events: Sequence[object]) -> Sequence[tuple[Subscription, Subscriber]]:
        """The subscribers to one of these events, in order, each once."""
        kinds = {type(event) for event in events}
        if len(kinds) == 1:
            return self.to(kinds.pop())
        return [entry for entry in self._all if any(issubclass(kind, entry[0].event) for kind in kinds)]


class Events:
    """The bus of one scope.

    Args:
        scope: Whose objects subscribers get.
        transactions: Of the same scope.
        subscriptions: Who listens.
    """

    def __init__(self, scope: Scope, transactions: ITransactions, subscriptions: Subscriptions) -> None:
        self._scope = scope
        self._transactions = transactions
        self._subscriptions = subscriptions

    def publish(self, *events: object) -> None:
        """Tell the subscribers: those in the transaction now, the others once it has committed."""
        for wanted, handler in self._subscriptions.to_any(events):
            matching = [event for event in events if _matches(wanted, event)]
            if not matching:
                continue
            if wanted.after_commit:
                self._transactions.after_commit(partial(self._later, wanted, handler, matching))
            else:
                self._deliver(wanted, handler, matching)

    def _deliver(self, wanted: Subscription, handler: Subscriber, events: Sequence[object]) -> None:
        if wanted.batch:
            handler.call(self._scope, events)
        else:
            for event in events:
                handler.call(self._scope, event)

    def _later(self, wanted: Subscription, handler: Subscriber, events: Sequence[object]) -> None:
        for part in [events] if wanted.batch else [[event] for event in events]:
            try:
                self._deliver(wanted, handler, part)
            except Exception:
                # The business is committed: an answer that says otherwise would be a lie.
                logger.exception("a subscriber failed after the commit: %s", handler.name)


def _matches(wanted: Subscription, event: object) -> bool:
    if not isinstance(event, wanted.event):
        return False
    if not isinstance(event, EntityChanged):
        return True
    return (wanted.model is None or issubclass(event.model, wanted.model)) and (
        not wanted.action or event.action == wanted.action
    )
