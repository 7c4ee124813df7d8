"""The plan: what the providers would do, compiled into closures; it owns no rules.

After the providers have answered for a contract once, ``.provides``, ``.args`` and ``.kwargs`` of each
provider on the way become one closure, whose source depends on the number and kind of its arguments alone.
Objects of the application come out of their providers; the plan only remembers them.  A native change drops
all that was compiled (see ``native``), and ``PREFIQ_PLAN=0`` lets the providers answer alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, partial
from keyword import iskeyword
from typing import Any, cast

from dependency_injector import providers

from prefiq.container.native import MISSING, Family, Native, Take, taking
from prefiq.container.opening import opened
from prefiq.container.providers import (
    App,
    Many,
    New,
    Resource,
    Scoped,
    TheScope,
    Value,
    noted,
)
from prefiq.container.unrolled import unrolled
from prefiq.contracts import Scope, current_scope

__all__ = ["Compiler", "Steps", "enabled"]

WARM = 32
"""How often a contract is asked for before its way becomes one function."""

Part = tuple[str, Any]
"""How an argument is given: ``c`` a constant, ``t`` a closure to be called, ``s`` the scope."""


def enabled() -> bool:
    """Whether the environment leaves the plan on."""
    return os.environ.get("PREFIQ_PLAN", "1") != "0"


class Steps:
    """One container's quickest way to each contract that was asked for; cleared when a provider changes.

    Args:
        family: Whose providers they are made of.
        on: Whether anything is compiled.
    """

    __slots__ = ("__weakref__", "family", "known", "on")

    def __init__(self, family: Family, *, on: bool) -> None:
        self.known: dict[Any, Take] = {}
        self.family = family
        self.on = on
        family.join(self)

    def first(self, contract: Any, provider: Native) -> Take:
        """What answers a contract for the first time, and compiles the way for the next."""
        if not self.on:
            self.known[contract] = provider.take
            return provider.take
        return partial(self._answer, contract, provider)

    def _answer(self, contract: Any, provider: Native, scope: Scope | None) -> Any:
        family = self.family
        compiler = Compiler(family, family.epoch)
        # The providers go first: every object of the application is built then, and only remembered here.
        found = provider.now(scope)
        step = compiler.compiled(provider)
        self._keep(contract, self._warming(contract, provider, compiler, step), compiler)
        return found

    def _keep(self, contract: Any, step: Take, compiler: Compiler) -> None:
        family = self.family
        with family.lock:
            if family.epoch == compiler.epoch:  # else something changed while it was compiled
                self.known[contract] = step

    def _warming(self, contract: Any, provider: Native, compiler: Compiler, step: Take) -> Take:
        """The closure, which counts until it is worth writing one function for all of it."""
        if not isinstance(provider, Scoped):
            return step
        left = WARM

        def warm(scope: Scope | None) -> Any:
            nonlocal left
            left -= 1
            if left <= 0:
                self._keep(contract, unrolled(provider, compiler) or step, compiler)
            return step(scope)

        return warm


class Compiler:
    """Makes closures of providers as they are in one epoch.

    Args:
        family: Whose providers; others are asked each time, since nobody tells when they change.
        epoch: Read before the state of any provider is.
    """

    __slots__ = ("epoch", "family")

    def __init__(self, family: Family, epoch: int) -> None:
        self.family = family
        self.epoch = epoch

    def compiled(self, provider: Native) -> Take:
        """The closure for a provider."""
        kept = provider.compiled
        if kept is not None and kept[0] == self.epoch and provider.family is self.family:
            return kept[1]
        how, value = self.part(provider)
        step: Take = value if how == "t" else _constant(value) if how == "c" else provider.take
        if provider.family is self.family:
            provider.compiled = (self.epoch, step)
        return step

    def part(self, argument: Any) -> Part:
        """How an argument is given."""
        if not isinstance(argument, Native):
            given = providers.is_provider(argument) and not providers.is_delegated(argument)
            return ("t", taking(argument)) if given else ("c", argument)
        if argument.family is not self.family or argument.last_overriding is not None:  # type: ignore[attr-defined]
            return "t", argument.take
        if isinstance(argument, Scoped | New):
            kept = argument.compiled
            if kept is None or kept[0] != self.epoch:
                kept = argument.compiled = (self.epoch, self.builder(argument))
            return "t", kept[1]
        if isinstance(argument, App | Resource):
            instance = argument.instance
            return ("t", argument.take) if instance is MISSING else ("c", instance)
        if isinstance(argument, Value):
            return "c", argument.provides
        if isinstance(argument, TheScope):
            return "s", None
        if isinstance(argument, Many):
            return "t", _many(tuple(self.compiled(part) for part in argument.args))
        return "t", argument.take

    def builder(self, provider: Any) -> Take:
        """The closure for a provider that builds."""
        names = provider.kwargs
        if provider.attributes or not all(name.isidentifier() and not iskeyword(name) for name in names):
            return cast("Take", provider.take)
        parts = [("", *self.part(argument)) for argument in provider.args]
        parts += [(name, *self.part(argument)) for name, argument in names.items()]
        kind = "new" if isinstance(provider, New) else "opens" if provider.node.binding.opens else "scope"
        make = _maker(kind, tuple((name, how) for name, how, _ in parts))
        return make(provider, provider.provides, provider.node, *(value for *_, value in parts))


def _constant(value: Any) -> Take:
    return lambda _scope: value


def _many(takes: tuple[Take, ...]) -> Take:
    return lambda scope: [take(scope) for take in takes]


SOURCES = {
    "scope": """
def make(key, provides, node, {values}):
    def take(scope):
        try:
            instances = scope.instances
        except AttributeError:
            scope = current_scope()
            instances = scope.instances
        if key in instances:
            return instances[key]
        try:
            made = instances[key] = provides({arguments})
        except Exception as error:
            noted(error, node)
            raise
        return made
    return take
""",
    "opens": """
def make(key, provides, node, {values}):
    def take(scope):
        if scope is None:
            scope = current_scope()
        instances = scope.instances
        if key in instances:
            return instances[key]
        try:
            rest = provides({arguments})
        except Exception as error:
            noted(error, node)
            raise
        made, close = opened(rest)
        scope.on_close(close)
        instances[key] = made
        return made
    return take
""",
    "new": """
def make(key, provides, node, {values}):
    def take(scope):
        try:
            return provides({arguments})
        except Exception as error:
            noted(error, node)
            raise
    return take
""",
}


@lru_cache(maxsize=1024)
def _maker(kind: str, shape: tuple[tuple[str, str], ...]) -> Callable[..., Take]:
    """What makes the closures of one shape; compiled once, since compiling costs much more than calling.

    Args:
        kind: Of ``SOURCES``.
        shape: For each argument its name, empty where it is given by place, and how it is given.
    """
    values = ", ".join(f"v{number}" for number in range(len(shape)))
    arguments = []
    for number, (name, how) in enumerate(shape):
        present = "current_scope() if scope is None else scope" if kind == "new" else "scope"
        value = {"c": f"v{number}", "t": f"v{number}(scope)", "s": present}[how]
        arguments.append(f"{name}={value}" if name else value)
    source = SOURCES[kind].format(values=values, arguments=", ".join(arguments))
    names: dict[str, Any] = {"current_scope": current_scope, "noted": noted, "opened": opened}
    exec(compile(source, f"<plan {kind}>", "exec"), names)  # noqa: S102  our own text; names are identifiers
    made: Callable[..., Take] = names["make"]
    return made
