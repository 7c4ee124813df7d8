"""What Prefiq's providers add to dependency-injector's: they tell when somebody changes them natively.

A person who takes the native container may override a provider, give it other arguments or reset it.  The
plan is compiled from the providers, so each such change drops what was compiled of that family.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from dependency_injector import providers

from prefiq.contracts import Scope
from prefiq.contracts.scope import standing_in

if TYPE_CHECKING:
    from prefiq.container.plan import Steps

__all__ = ["MISSING", "Family", "Native", "Take", "overriding", "taking"]

MISSING: Any = object()
Take: TypeAlias = Callable[[Scope | None], Any]

CHANGES = (
    "override",
    "reset_last_overriding",
    "reset_override",
    "set_provides",
    "add_args",
    "set_args",
    "clear_args",
    "add_kwargs",
    "set_kwargs",
    "clear_kwargs",
    "add_attributes",
    "set_attributes",
    "clear_attributes",
)
"""The library's methods by which a provider is changed."""


class Family:
    """An application's container and its forks, which share providers.

    ``epoch`` counts the native changes; what was compiled in an earlier one is not used any more.
    """

    __slots__ = ("__weakref__", "_steps", "epoch", "lock")

    def __init__(self) -> None:
        self.epoch = 0
        self.lock = threading.RLock()  # what is freed in it may run code of anybody
        self._steps: weakref.WeakSet[Steps] = weakref.WeakSet()

    def join(self, steps: Steps) -> None:
        """Clear these steps, too, when something changes."""
        with self.lock:
            self._steps.add(steps)

    def drop(self) -> None:
        """Use nothing any more that was compiled."""
        with self.lock:
            self.epoch += 1
            for steps in self._steps:
                steps.known.clear()


class Native:
    """Beside each provider class of the library: ``take`` for an explicit scope, and news of changes."""

    family: Family | None = None
    number: int | None = None
    """Of the node that it stands for; None where it is an argument alone."""
    modified = False
    """Whether it was changed since it was wired."""
    compiled: tuple[int, Take] | None = None
    """What the plan made of it, and in which epoch."""

    def take(self, scope: Scope | None) -> Any:
        """The object for a scope, or for none, by the providers alone."""
        raise NotImplementedError

    def now(self, scope: Scope | None) -> Any:
        """The object, by the plan where there is one; stays right when providers change."""
        compiled, family = self.compiled, self.family
        if compiled is not None and family is not None and compiled[0] == family.epoch:
            return compiled[1](scope)
        return self.take(scope)

    def changed(self) -> None:
        """Something about it is not as it was."""
        self.modified = True
        if self.family is not None:
            self.family.drop()


def _telling(name: str) -> Callable[..., Any]:
    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(super(Native, self), name)(*args, **kwargs)
        finally:
            self.changed()

    change.__name__ = name
    return change


for _name in CHANGES:
    setattr(Native, _name, _telling(_name))


def overriding(provider: Any, scope: Scope | None) -> Any:
    """What overrides a provider gives, which may ask for the current scope: so let this be it."""
    with standing_in(scope):
        return provider()


def taking(argument: Any) -> Take:
    """How an argument of a provider is given: ours for the scope, others' called, anything else as it is."""
    if isinstance(argument, Native):
        return argument.take
    if providers.is_provider(argument) and not providers.is_delegated(argument):
        return lambda scope: overriding(argument, scope)
    return lambda _scope: argument
