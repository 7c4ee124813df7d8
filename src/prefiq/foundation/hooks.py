"""Hooks on a model's life: functions that run before or after it is written, inside the transaction.

``on`` marks a function; a provider lists it; at boot the plugin host turns all of them into one
``HookTable``, a tuple per (event, model), so that a hook costs the same however many modules there are.
A hook may change the entity (``before_*``) or refuse (raise); what it raises leaves nothing behind::

    @on.before_create(Project)
    def stamp(project: Project, clock: IClock) -> None:
        project.started = clock.now()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, Protocol, TypeAlias, TypeVar

from typing_extensions import ParamSpec

from prefiq.contracts import Scope

__all__ = ["CompiledHook", "HookMark", "HookTable", "compile_hook", "marks_of", "on"]

M = TypeVar("M")
P = ParamSpec("P")
R = TypeVar("R")
Decorator: TypeAlias = Callable[[Callable[Concatenate[M, P], R]], Callable[Concatenate[M, P], R]]
Place = Literal["", "first", "last"]

ATTRIBUTE = "__prefiq_hooks__"
WRITES = frozenset({"create", "update", "delete"})


class Declared(Protocol):
    """What a hook on an action needs to know of it."""

    owner: type
    name: str


@dataclass(frozen=True, slots=True)
class HookMark:
    """What a function was marked with.

    Args:
        event: ``"before_create"``, …, ``"after_delete"``; ``"before_close"`` for an action ``close``.
        model: The model, or a mixin or base: then every model that derives from it.
        action: Name of the action; empty for the writes.
        place: ``"first"`` or ``"last"`` of all hooks of the event; empty for module order.
    """

    event: str
    model: type
    action: str = ""
    place: Place = ""


class on:  # noqa: N801  read as a word: @on.before_create(Project)
    """Marks functions as hooks; they stay ordinary functions.

    The first parameter is the entity.  ``before_update`` and ``after_update`` may take ``before``, the
    entity as it was; hooks of actions may take ``arguments``, a mapping of what the action was given.
    Every other parameter is injected from the scope by its annotation.
    """

    @staticmethod
    def before_create(model: type[M], *, place: Place = "") -> Decorator[M, P, R]:
        """Before a new entity is validated: it may still be changed."""
        return _marker(HookMark("before_create", model, place=place))

    @staticmethod
    def after_create(model: type[M], *, place: Place = "") -> Decorator[M, P, R]:
        """After a new entity is stored, before the transaction ends."""
        return _marker(HookMark("after_create", model, place=place))

    @staticmethod
    def before_update(model: type[M], *, place: Place = "") -> Decorator[M, P, R]:
        """Before a change is validated: it may still be changed."""
        return _marker(HookMark("before_update", model, place=place))

    @staticmethod
    def after_update(model: type[M], *, place: Place = "") -> Decorator[M, P, R]:
        """After a change is stored, before the transaction ends."""
        return _marker(HookMark("after_update", model, place=place))

    @staticmethod
    def before_delete(model: type[M], *, place: Place = "") -> Decorator[M, P, R]:
        """Before an entity is deleted."""
        return _marker(HookMark("before_delete", model, place=place))

    @staticmethod
    def after_delete(model: type[M], *, place: Place = "") -> Decorator[M, P, R]:
        """After an entity is deleted, before the transaction ends."""
        return _marker(HookMark("after_delete", model, place=place))

    @staticmethod
    def before(action: Declared, *, place: Place = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Before an action's own code runs: ``@on.before(Project.close)``."""
        return _marker(_action_mark("before", action, place))

    @staticmethod
    def after(action: Declared, *, place: Place = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
        """After an action's outcome is stored, before the transaction ends."""
        return _marker(_action_mark("after", action, place))


def _action_mark(moment: str, action: Any, place: Place) -> HookMark:
    owner, name = getattr(action, "owner", None), getattr(action, "name", "")
    if not isinstance(owner, type) or not name:
        raise TypeError(f"{action!r} is no action; write @on.{moment}(Project.close)")
    if name in WRITES:
        raise TypeError(f"an action cannot be named {name!r}: {moment}_{name} is the event of the write")
    return HookMark(f"{moment}_{name}", owner, name, place)


def _marker(mark: HookMark) -> Callable[[Callable[..., Any]], Any]:
    if not isinstance(mark.model, type):
        raise TypeError(f"{mark.model!r} is no model; write @on.{mark.event}(Project)")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, ATTRIBUTE, (*marks_of(function), mark))
        return function

    return decorate


def marks_of(function: object) -> tuple[HookMark, ...]:
    """What a function was marked with, in the order of marking (the nearest decorator first)."""
    return getattr(function, ATTRIBUTE, ())


HookCall: TypeAlias = Callable[[Scope, Any, Any, Mapping[str, Any] | None], object]


class CompiledHook:
    """A hook that is ready to run: its parameters are known, their values come from the scope.

    Args:
        name: ``<module>.<function>``, as ``disable`` in ``prefiq.toml`` writes it.
        mark: What it is called for.
        source: ``file:line`` of the function.
        call: Runs it for (scope, entity, before, arguments).
    """

    __slots__ = ("call", "mark", "name", "source")

    def __init__(self, name: str, mark: HookMark, source: str, call: HookCall) -> None:
        self.name = name
        self.mark = mark
        self.source = source
        self.call = call

    def __call__(
        self, scope: Scope, entity: Any, before: Any = None, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Run it in a scope."""
        self.call(scope, entity, before, arguments)

    def __repr__(self) -> str:
        return f"<hook {self.name} {self.mark.event} {self.mark.model.__name__}>"


def compile_hook(
    function: Callable[..., Any],
    *,
    name: str,
    mark: HookMark,
    source: str = "",
    injected: Mapping[str, Any] | None = None,
    given: frozenset[str] = frozenset(),
    wait: Callable[[Any], object] | None = None,
) -> CompiledHook:
    """A hook whose parameters have been read.

    Contracts are kept, never what answers them: a fork's scope gives the fork's objects.

    Args:
        function: The marked function.
        name: ``<module>.<function>``.
        mark: What it is called for.
        source: ``file:line`` of the function.
        injected: Contract by parameter name; None stands for the value None.
        given: Which of ``before`` and ``arguments`` it takes.
        wait: What runs the coroutine of an ``async def`` hook to its end; None for a plain function.
    """
    contracts = tuple((injected or {}).items())
    wants_before, wants_arguments = "before" in given, "arguments" in given

    def call(scope: Scope, entity: Any, before: Any, arguments: Mapping[str, Any] | None) -> object:
        more = {key: None if contract is None else scope[contract] for key, contract in contracts}
        if wants_before:
            more["before"] = before
        if wants_arguments:
            more["arguments"] = arguments or {}
        return function(entity, **more)

    def bare(_scope: Scope, entity: Any, _before: Any, _arguments: Mapping[str, Any] | None) -> object:
        return function(entity)

    plain: HookCall = call if contracts or given else bare
    if wait is None:
        return CompiledHook(name, mark, source, plain)
    waiting = wait

    def awaited(scope: Scope, entity: Any, before: Any, arguments: Mapping[str, Any] | None) -> object:
        return waiting(plain(scope, entity, before, arguments))

    return CompiledHook(name, mark, source, awaited)


class HookTable:
    """Every model hook of an application: one tuple per (event, model), in the order of running.

    Args:
        hooks: The tuples; left out where there are none.
    """

    __slots__ = ("_hooks",)

    def __init__(self, hooks: Mapping[tuple[str, type], tuple[CompiledHook, ...]] | None = None) -> None:
        self._hooks = dict(hooks or {})

    def get(self, event: str, model: type) -> tuple[CompiledHook, ...]:
        """The hooks of one event of one model; a service asks once and keeps the tuple."""
        return self._hooks.get((event, model), ())

    def run(
        self,
        event: str,
        model: type,
        scope: Scope,
        entity: Any,
        before: Any = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Run the hooks of one event in order; the first that raises ends it."""
        for hook in self._hooks.get((event, model), ()):
            hook.call(scope, entity, before, arguments)

    def __iter__(self) -> Iterator[tuple[tuple[str, type], tuple[CompiledHook, ...]]]:
        return iter(self._hooks.items())

    def __len__(self) -> int:
        return len(self._hooks)
