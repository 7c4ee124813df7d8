"""Domain events and the bus that carries them inside the process.

A subscriber runs in the transaction (it may write, and what it raises undoes everything) or after the
commit.  After-commit delivery is in memory: it is lost if the process dies between commit and delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from prefiq.contracts import ITransactions, Scope
from prefiq.foundation.inject import Injected, injected
from prefiq.lowcode import DeclarationError

__all__ = ["EntityChanged", "Events", "Subscription", "Subscriptions", "subscribe"]

F = TypeVar("F", bound=Callable[..., None])

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
    taken from the scope.

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


class Subscriptions:
    """Who listens to what, fixed at boot.

    Args:
        functions: Functions marked by ``subscribe``, in the order of their modules.

    Raises:
        DeclarationError: A function is not marked, or what it wants cannot be read.
    """

    def __init__(self, functions: Iterable[Callable[..., None]] = ()) -> None:
        self._all: list[tuple[Subscription, Injected]] = []
        self._by_event: dict[type, tuple[tuple[Subscription, Injected], ...]] = {}
        for function in functions:
            marks = subscriptions_of(function)
            if not marks:
                raise DeclarationError(
                    f"{getattr(function, '__qualname__', function)} is not a subscriber",
                    fix="mark it with @subscribe(…)",
                )
            handler = injected(function, taken=1)
            self._all.extend((wanted, handler) for wanted in marks)

    def to(self, event: type) -> Sequence[tuple[Subscription, Injected]]:
        """The subscribers to a class of events, in order."""
        found = self._by_event.get(event)
        if found is None:
            found = tuple(entry for entry in self._all if issubclass(event, entry[0].event))
            self._by_event[event] = found
        return found

    def to_any(self, events: Sequence[object]) -> Sequence[tuple[Subscription, Injected]]:
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

    def _deliver(self, wanted: Subscription, handler: Injected, events: Sequence[object]) -> None:
        if wanted.batch:
            handler(self._scope, events)
        else:
            for event in events:
                handler(self._scope, event)

    def _later(self, wanted: Subscription, handler: Injected, events: Sequence[object]) -> None:
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
