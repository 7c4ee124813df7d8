"""Hooks on a model's life: functions that run before or after it is written, inside the transaction.

``on`` marks a function; a provider lists it; at boot the plugin host turns all of them into one
``HookTable``, a tuple per (event, model), so that a hook costs the same however many modules there are.
A hook may change the entity (``before_*``) or refuse (raise); what it raises leaves nothing behind.  A
wrapper (``around_*``) is a generator function: it yields once, for everything that happens in between::

    @on.before_create(Project)
    def stamp(project: Project, clock: IClock) -> None:
        project.started = clock.now()

    @on.around(Project.close)
    def told(project: Project, mailer: IMailer) -> Iterator[None]:
        with mailer.batch():
            yield

With ``DB_MODE=async`` a hook may be ``async def``, and a wrapper an async generator function: it runs where the
others do, between the same two steps of the same transaction, and only its waiting leaves the loop free.  With
``DB_MODE=sync`` it is a fault when the application is composed; a plain ``def`` serves in both.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any, Concatenate, Literal, Protocol, TypeAlias, TypeVar

from typing_extensions import ParamSpec

from prefiq.contracts import Scope

__all__ = ["CompiledHook", "HookMark", "HookTable", "compile_hook", "marks_of", "on"]

M = TypeVar("M")
P = ParamSpec("P")
R = TypeVar("R")
Decorator: TypeAlias = Callable[[Callable[Concatenate[M, P], R]], Callable[Concatenate[M, P], R]]
Yields = TypeVar("Yields", bound=Iterator[None] | AsyncIterator[None])
Wrapper: TypeAlias = Callable[[Callable[Concatenate[M, P], Yields]], Callable[Concatenate[M, P], Yields]]
Place = Literal["", "first", "last"]

logger = logging.getLogger("prefiq.hooks")

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
        event: ``"before_create"``, …, ``"around_delete"``; ``"before_close"`` for an action ``close``.
        model: The model, or a mixin or base: then every model that derives from it.
        action: Name of the action; empty for the writes.
        place: ``"first"`` or ``"last"`` of all hooks of the event (the outermost or the innermost wrapper);
            empty for module order.
    """

    event: str
    model: type
    action: str = ""
    place: Place = ""

    @property
    def wraps(self) -> bool:
        """Whether it runs around what the others run before and after."""
        return self.event.startswith("around_")


class on:  # noqa: N801  read as a word: @on.before_create(Project)
    """Marks functions as hooks; they stay ordinary functions.

    The first parameter is the entity.  Hooks of updates may take ``before``, the entity as it was; hooks of
    actions may take ``arguments``, a mapping of what the action was given.  Every other parameter is injected
    from the scope by its annotation.

    A wrapper is a generator function that yields once; ``yield`` gives the entity as it was stored.  What
    happens in between may raise into it: the wrapper may raise something else, and cannot make a failure a
    success.
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
    def around_create(model: type[M], *, place: Place = "") -> Wrapper[M, P, Yields]:
        """Around everything from the hooks before a new entity's validation to its events."""
        return _marker(HookMark("around_create", model, place=place))

    @staticmethod
    def around_update(model: type[M], *, place: Place = "") -> Wrapper[M, P, Yields]:
        """Around everything from the hooks before a change's validation to its events."""
        return _marker(HookMark("around_update", model, place=place))

    @staticmethod
    def around_delete(model: type[M], *, place: Place = "") -> Wrapper[M, P, Yields]:
        """Around everything from the hooks before an entity is deleted to its events."""
        return _marker(HookMark("around_delete", model, place=place))

    @staticmethod
    def before(action: Declared, *, place: Place = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Before an action's own code runs: ``@on.before(Project.close)``."""
        return _marker(_action_mark("before", action, place))

    @staticmethod
    def after(action: Declared, *, place: Place = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
        """After an action's outcome is stored, before the transaction ends."""
        return _marker(_action_mark("after", action, place))

    @staticmethod
    def around(
        action: Declared, *, place: Place = ""
    ) -> Callable[[Callable[P, Yields]], Callable[P, Yields]]:
        """Around an action with all its hooks, its outcome's update included: ``@on.around(Project.close)``."""
        return _marker(_action_mark("around", action, place))


def _action_mark(moment: str, action: Any, place: Place) -> HookMark:
    owner, name = getattr(action, "owner", None), getattr(action, "name", "")
    if not isinstance(owner, type) or not name:
        raise TypeError(f"{action!r} is no action; write @on.{moment}(Project.close)")
    # An action that an extension declares is its model's.
    owner = getattr(owner, "__prefiq_extends__", None) or owner
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
    slow: float = 0.0,
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
        wait: What runs the coroutines of an ``async def`` hook or wrapper to their end; None for a plain one.
        slow: Seconds after which a run is logged; 0 logs none and costs nothing.  A wrapper is not measured.
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
    if wait is not None:
        plain = _driven(plain, wait) if mark.wraps else _awaited(plain, wait)
    if slow > 0 and not mark.wraps:
        plain = _watched(plain, f"{name} ({mark.event} {mark.model.__name__})", slow)
    return CompiledHook(name, mark, source, plain)


def _awaited(plain: HookCall, wait: Callable[[Any], object]) -> HookCall:
    def awaited(scope: Scope, entity: Any, before: Any, arguments: Mapping[str, Any] | None) -> object:
        return wait(plain(scope, entity, before, arguments))

    return awaited


def _driven(plain: Callable[..., Any], wait: Callable[[Any], Any]) -> HookCall:
    """A wrapper that is an async generator, as the plain generator that it would have been."""

    def driven(
        scope: Scope, entity: Any, before: Any, arguments: Mapping[str, Any] | None
    ) -> Generator[None, Any, None]:
        inner: AsyncGenerator[Any, Any] = plain(scope, entity, before, arguments)
        try:
            step = anext(inner)
            while True:
                wait(step)
                try:
                    sent = yield
                except GeneratorExit:
                    wait(inner.aclose())
                    raise
                except BaseException as error:  # noqa: BLE001  the wrapper's to handle
                    step = inner.athrow(error)
                else:
                    step = inner.asend(sent)
        except StopAsyncIteration:
            return

    return driven


def _watched(plain: HookCall, name: str, slow: float) -> HookCall:
    def watched(scope: Scope, entity: Any, before: Any, arguments: Mapping[str, Any] | None) -> object:
        begun = perf_counter()
        try:
            return plain(scope, entity, before, arguments)
        finally:
            tell_if_slow("hook", name, perf_counter() - begun, slow)

    return watched


def tell_if_slow(kind: str, name: str, seconds: float, slow: float) -> None:
    """Log one run that took longer than it should."""
    if seconds > slow:
        logger.warning("slow %s %s: %.3f s", kind, name, seconds, extra={"hook": name, "seconds": seconds})


NO_HOOKS: dict[str, tuple[CompiledHook, ...]] = {}


class HookTable:
    """Every model hook of an application: one tuple per (event, model), in the order of running.

    Args:
        hooks: The tuples; left out where there are none.
    """

    __slots__ = ("_hooks", "_of")

    def __init__(self, hooks: Mapping[tuple[str, type], tuple[CompiledHook, ...]] | None = None) -> None:
        self._hooks = dict(hooks or {})
        # By model first: most have no hooks, and no pair has to be made to learn it.
        self._of: dict[type, dict[str, tuple[CompiledHook, ...]]] = {}
        for (event, model), found in self._hooks.items():
            self._of.setdefault(model, {})[event] = found

    def get(self, event: str, model: type) -> tuple[CompiledHook, ...]:
        """The hooks of one event of one model."""
        return self._hooks.get((event, model), ())

    def of(self, model: type) -> Mapping[str, tuple[CompiledHook, ...]]:
        """The hooks of a model by event; a service asks once and keeps them."""
        return self._of.get(model, NO_HOOKS)

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
        hooks = self._of.get(model, NO_HOOKS).get(event)
        if hooks is None:
            return
        for hook in hooks:
            hook.call(scope, entity, before, arguments)

    def around(
        self,
        event: str,
        model: type,
        scope: Scope,
        entity: Any,
        before: Any = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[None]:
        """What runs the wrappers of one event around a ``with`` block."""
        hooks = self._of.get(model, NO_HOOKS).get(event)
        return UNWRAPPED if hooks is None else _Wrapped(hooks, (scope, entity, before, arguments))

    def __iter__(self) -> Iterator[tuple[tuple[str, type], tuple[CompiledHook, ...]]]:
        return iter(self._hooks.items())

    def __len__(self) -> int:
        return len(self._hooks)


class _Unwrapped:
    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        pass


UNWRAPPED = _Unwrapped()


class _Wrapped:
    """Wrappers around one block, the first outermost; each has its end even where another one fails."""

    __slots__ = ("_begun", "_given", "_hooks")

    def __init__(
        self, hooks: tuple[CompiledHook, ...], given: tuple[Scope, Any, Any, Mapping[str, Any] | None]
    ) -> None:
        self._hooks = hooks
        self._given = given
        self._begun: list[tuple[CompiledHook, Generator[None, Any, Any]]] = []

    def __enter__(self) -> None:
        try:
            for hook in self._hooks:
                generator: Any = hook.call(*self._given)
                if next(generator, self) is self:
                    raise RuntimeError(f"the hook {hook.name} ended without a yield")  # noqa: TRY301
                self._begun.append((hook, generator))
        except BaseException as error:  # noqa: BLE001  it is raised again below
            failure = self._end(error)
            raise failure  # noqa: B904  the error itself, or one that a wrapper raised from it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._end(error)
        if failure is not None and failure is not error:
            raise failure

    def _end(self, error: Any) -> Any:
        """What is to be raised after every wrapper has ended."""
        while self._begun:
            hook, generator = self._begun.pop()
            try:
                if error is None:
                    generator.send(self._given[1])
                else:
                    generator.throw(error)
            except StopIteration:
                continue  # what failed stays failed, whatever the wrapper makes of it
            except BaseException as raised:  # noqa: BLE001  it goes on to the wrappers further out
                error = raised
                continue
            generator.close()
            error = RuntimeError(f"the hook {hook.name} yielded twice")
        return error
