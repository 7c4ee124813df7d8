"""The dependency-injector providers that bindings become; this room alone knows that library.

Each has ``take(scope)``, which resolves for an explicit scope, and answers a plain call (``provider()``)
for the current one, so the library's own ways (``.args``, ``.override``, ``.related``) keep working.  Its
async mode is switched off everywhere: one async resource would turn every dependant into a future.
"""

# ruff: noqa: ARG002  the signatures are the library's, and `take`'s is one for all

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from dependency_injector import providers

from prefiq.bridge import FairSemaphore, NoBridge, who
from prefiq.container.errors import ResourceFailed, ResourceNotOpen
from prefiq.container.graph import Node
from prefiq.container.lazy import Lazy
from prefiq.container.native import MISSING, Family, Native, Take, overriding, taking
from prefiq.container.opening import OtherLoop, opened
from prefiq.contracts import Scope, current_scope, current_scope_or_none
from prefiq.errors import Faults, PrefiqError

__all__ = [
    "App",
    "Builder",
    "LazyAsk",
    "Many",
    "New",
    "Resource",
    "Scoped",
    "TheScope",
    "Value",
    "noted",
    "provider_for",
]


class Builder(Native):
    """What the building providers share: making an object from what the parameters are given."""

    node: Node
    ready: tuple[tuple[Take, ...], tuple[tuple[str, Take], ...], tuple[tuple[str, Take], ...]] | None = None
    """How arguments by place, by name, and attributes are given; None until they are read."""

    def describe(self, node: Node | None) -> None:
        """Remember what this builds, and keep the library's async mode off."""
        if node is not None:
            self.node = node
        self.modified = False
        self.disable_async_mode()  # type: ignore[attr-defined]

    def wire(self, args: list[Any], kwargs: Mapping[str, Any], family: Family | None = None) -> None:
        """Set what the parameters are given: providers by place, then by name."""
        library: Any = super(Native, self)  # past the news of changes: this is none
        library.set_args(*args)
        if kwargs or self.modified:
            library.set_kwargs(**kwargs)
            library.clear_attributes()
        self.ready = None
        self.family = family
        self.modified = False

    def changed(self) -> None:
        """Its arguments are read anew."""
        self.ready = None
        super().changed()

    def parts(self) -> tuple[tuple[Take, ...], tuple[tuple[str, Take], ...], tuple[tuple[str, Take], ...]]:
        """How arguments by place, by name, and attributes are given."""
        ready = self.ready
        if ready is None:
            library: Any = self
            ready = self.ready = (
                tuple(taking(argument) for argument in library.args),
                tuple((name, taking(argument)) for name, argument in library.kwargs.items()),
                tuple((name, taking(argument)) for name, argument in library.attributes.items()),
            )
        return ready

    def make(self, scope: Scope | None, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = {}) -> Any:
        """Build one; arguments of a native call follow and replace, as the library has it."""
        try:
            takes, named, attributes = self.parts()
            given = {name: take(scope) for name, take in named if name not in kwargs}
            made = self.provides(*[take(scope) for take in takes], *args, **given, **kwargs)  # type: ignore[attr-defined]
            for name, take in attributes:
                setattr(made, name, take(scope))
        except Exception as error:
            noted(error, self.node)
            raise
        return made

    def copied(self, copied: Any) -> Any:
        """Complete the library's copy of this provider, whose arguments are copies too."""
        if not hasattr(copied, "node"):
            copied.describe(self.node)
            copied.modified = False
        return copied


class Scoped(Builder, providers.Factory[Any]):
    """One object per scope."""

    def __init__(self, provides: Any = None, *args: Any, node: Node | None = None, **kwargs: Any) -> None:
        super().__init__(provides, *args, **kwargs)
        self.describe(node)

    def __deepcopy__(self, memo: dict[Any, Any] | None) -> Any:
        return self.copied(super().__deepcopy__(memo))

    def take(self, scope: Scope | None) -> Any:
        """The scope's object, built when first asked for."""
        if scope is None:
            scope = current_scope()
        instances = scope.instances
        instance = instances.get(self, MISSING)
        if instance is MISSING:
            instance = self.open(scope) if self.last_overriding is None else overriding(self, scope)
            instances[self] = instance
        return instance

    def open(self, scope: Scope) -> Any:
        """Build it; where it is a resource, close it with the scope."""
        made = self.make(scope)
        if not self.node.binding.opens:
            return made
        instance, close = opened(made)
        scope.on_close(close)
        return instance

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.take(current_scope())


class New(Builder, providers.Factory[Any]):
    """A new object each time."""

    def __init__(self, provides: Any = None, *args: Any, node: Node | None = None, **kwargs: Any) -> None:
        super().__init__(provides, *args, **kwargs)
        self.describe(node)

    def __deepcopy__(self, memo: dict[Any, Any] | None) -> Any:
        return self.copied(super().__deepcopy__(memo))

    def take(self, scope: Scope | None) -> Any:
        """A new object."""
        return self.make(scope) if self.last_overriding is None else overriding(self, scope)

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.make(current_scope_or_none(), args, kwargs)


class App(Builder, providers.ThreadSafeSingleton[Any]):
    """One object per application.

    The library's own singleton shares one lock among all and forgets a ``None``; this one does neither.
    """

    def __init__(self, provides: Any = None, *args: Any, node: Node | None = None, **kwargs: Any) -> None:
        super().__init__(provides, *args, **kwargs)
        self.describe(node)
        self.lock = FairSemaphore()
        self.builder: Any = None
        self.instance: Any = MISSING

    def __deepcopy__(self, memo: dict[Any, Any] | None) -> Any:
        return self.copied(super().__deepcopy__(memo))

    def take(self, scope: Scope | None) -> Any:
        """The application's object, built when first asked for."""
        if self.last_overriding is not None:
            return overriding(self, None)
        instance = self.instance
        return self._provide((), {}) if instance is MISSING else instance

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        instance = self.instance
        if instance is MISSING:
            builder = who()
            if self.builder is builder:  # its own constructor asks for it, by a way that nobody could foresee
                return self.make(None, args, kwargs)
            with self.lock:  # not by thread: two tasks of one loop must not build two either
                self.builder = builder
                try:
                    instance = self.instance
                    if instance is MISSING:
                        # Built for no scope: what the first asker's scope holds must not stay in it.
                        instance = self.instance = self.make(None, args, kwargs)
                finally:
                    self.builder = None
        return instance

    @property
    def built(self) -> bool:
        """Whether the object exists."""
        return self.instance is not MISSING

    def put(self, instance: Any) -> None:
        """Let this be the object; ``MISSING`` for none yet."""
        with self.lock:
            self.instance = instance
        self.changed()

    def reset(self) -> AbstractContextManager[Any]:  # type: ignore[override]
        """Forget the object, as the library's singletons do."""
        self.put(MISSING)
        return super().reset()


class Resource(Builder, providers.Factory[Any]):
    """One object per application that the lifecycle opens and closes; asking never opens it."""

    def __init__(self, provides: Any = None, *args: Any, node: Node | None = None, **kwargs: Any) -> None:
        super().__init__(provides, *args, **kwargs)
        self.describe(node)
        self.instance: Any = MISSING
        self.end: Callable[[], Any] | None = None

    def __deepcopy__(self, memo: dict[Any, Any] | None) -> Any:
        return self.copied(super().__deepcopy__(memo))

    def take(self, scope: Scope | None) -> Any:
        """The open object."""
        if self.last_overriding is not None:
            return overriding(self, None)
        if self.instance is MISSING:
            binding = self.node.binding
            raise ResourceNotOpen(self.node.name, binding.module, binding.source)
        return self.instance

    def open(self) -> None:
        """Run the generator up to its ``yield``, or enter the context manager."""
        try:
            self.instance, self.end = opened(self.make(None))
        except Exception as error:
            raise self._failed("open", error) from error

    def close(self) -> None:
        """Run what follows the ``yield``, or leave the context manager; it counts as closed whatever happens."""
        end, self.end, self.instance = self.end, None, MISSING
        self.changed()
        if end is not None:
            try:
                end()
            except Exception as error:
                raise self._failed("close", error) from error

    def _failed(self, step: str, error: Exception) -> ResourceFailed:
        binding = self.node.binding
        if isinstance(error, StopIteration | StopAsyncIteration):
            kind = "it yields nothing"
        elif isinstance(error, NoBridge):
            kind = "it is async, and nothing here can wait for it"
        elif isinstance(error, OtherLoop):
            kind = "it belongs to another event loop"
        elif isinstance(error, PrefiqError) and not isinstance(error, Faults):
            kind = f"{error.what} ({error.where})" if error.where else error.what
            return ResourceFailed(self.node.name, step, kind, binding.module, binding.source, error.fix)
        else:
            kind = type(error).__name__
        return ResourceFailed(self.node.name, step, kind, binding.module, binding.source)

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.take(None)


class Value(Native, providers.Object[Any]):
    """An object that exists already."""

    def __init__(self, provides: Any = None, *, family: Family | None = None) -> None:
        super().__init__(provides)
        self.disable_async_mode()
        self.family = family
        self.modified = False

    def take(self, scope: Scope | None) -> Any:
        """The object."""
        return self.provides if self.last_overriding is None else overriding(self, None)


class Many(Native, providers.List):
    """A list of what modules added to one contract."""

    def __init__(self, *parts: Any, family: Family | None = None) -> None:
        super().__init__(*parts)
        self.disable_async_mode()
        self.family = family

    def take(self, scope: Scope | None) -> list[Any]:
        """A new list of their objects, in module order."""
        return [taking(part)(scope) for part in self.args]


class TheScope(Native, providers.Provider[Any]):
    """The scope itself."""

    def __init__(self, *, family: Family | None = None) -> None:
        super().__init__()
        self.disable_async_mode()
        self.family = family

    def take(self, scope: Scope | None) -> Scope:
        """The scope that is resolved for."""
        return current_scope() if scope is None else scope

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return current_scope()


class LazyAsk(Native, providers.Provider[Any]):
    """A ``Lazy`` for one contract."""

    def __init__(
        self, target: Any = None, name: str = "", scoped: bool = False, *, family: Family | None = None
    ) -> None:
        super().__init__()
        self.disable_async_mode()
        self.family = family
        self.target = target
        self.name = name
        self.scoped = scoped

    def take(self, scope: Scope | None) -> Lazy[Any]:
        """A ``Lazy``; what lives as long as the application is built for no scope, so its own asks anew."""
        return Lazy(self.target.now, self.name, scoped=self.scoped, scope=scope)

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.take(current_scope_or_none())

    def __deepcopy__(self, memo: dict[Any, Any] | None) -> Any:
        copied: Any = super().__deepcopy__(memo)
        if copied.target is None:
            copied.target = providers.deepcopy(self.target, memo)
            copied.name, copied.scoped = self.name, self.scoped
        return copied


KINDS: Mapping[str, type[Scoped | New | App | Resource]] = {
    "scope": Scoped,
    "new": New,
    "app": App,
    "resource": Resource,
}


def provider_for(node: Node, family: Family) -> Any:
    """The provider of a node, not wired yet."""
    if node.lifetime == "value":
        return Value(node.binding.provides, family=family)
    return KINDS[node.lifetime](node.binding.provides, node=node)


def noted(error: Exception, node: Node) -> None:
    """Note on an error what was being built."""
    error.add_note(f"while building {node.implementation} for {node.name} ({node.binding.source})")
