"""``Binder``: what a provider's ``bind`` method gets; it only records, nothing can be resolved yet."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from typing_extensions import TypeForm

from prefiq.container.binding import Binding, Lifetime, Role
from prefiq.container.errors import BinderSealed
from prefiq.container.generics import label

__all__ = ["Binder"]

T = TypeVar("T")
NO_ARGS: Mapping[str, Any] = MappingProxyType({})


class Binder:
    """Records the bindings of one module.

    Args:
        module: Name of the module.
        settings: The module's own table of settings, for conditions.
    """

    __slots__ = ("_active", "_reason", "_records", "module", "settings")

    def __init__(self, module: str, settings: Mapping[str, Any] = NO_ARGS) -> None:
        self.module = module
        self.settings = settings
        self._records = _Records()
        self._active = True
        self._reason = ""

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What was bound so far, in order."""
        return tuple(self._records.bindings)

    def seal(self) -> tuple[Binding, ...]:
        """What was bound; binding anything more is an error from now on."""
        self._records.sealed = True
        return self.bindings

    def bind(
        self,
        contract: TypeForm[T],
        implementation: Callable[..., T] | None = None,
        *,
        args: Mapping[str, Any] = NO_ARGS,
        private: bool = False,
    ) -> None:
        """One object per scope; its constructor's or function's annotated parameters are injected.

        Args:
            contract: What others ask for.
            implementation: A class or plain function; the contract itself where left out.
            args: Explicit arguments by parameter name: a value, or a contract to be resolved.
            private: Whether only this module may ask for it.
        """
        self._record(contract, implementation, "scope", args=args, private=private)

    def app(
        self,
        contract: TypeForm[T],
        implementation: Callable[..., T] | None = None,
        *,
        args: Mapping[str, Any] = NO_ARGS,
        private: bool = False,
    ) -> None:
        """One object per application, built once when first asked for, by whichever thread asks first."""
        self._record(contract, implementation, "app", args=args, private=private)

    def new(
        self,
        contract: TypeForm[T],
        implementation: Callable[..., T] | None = None,
        *,
        args: Mapping[str, Any] = NO_ARGS,
        private: bool = False,
    ) -> None:
        """A new object each time it is asked for."""
        self._record(contract, implementation, "new", args=args, private=private)

    def resource(
        self,
        contract: TypeForm[T],
        opening: Callable[
            ..., Iterator[T] | AsyncIterator[T] | AbstractContextManager[T] | AbstractAsyncContextManager[T]
        ],
        *,
        per: Literal["app", "scope"] = "app",
        args: Mapping[str, Any] = NO_ARGS,
        private: bool = False,
    ) -> None:
        """An object that is opened and closed: a generator function that yields it once, or a context manager.

        Either may be async, with ``DB_MODE=async``; all kinds open in one order.  What is async is opened and
        closed on one event loop, by one task.

        Args:
            contract: What others ask for.
            opening: Generator function, plain or async; what follows its ``yield`` closes the object.  Or a
                class of context managers, or a function whose annotation says that it returns one.
            per: ``"app"`` opens at boot, in the order that resources need each other, and closes in
                reverse; ``"scope"`` opens when first asked for and closes with the scope.
            args: Explicit arguments by parameter name.
            private: Whether only this module may ask for it.
        """
        lifetime: Lifetime = "resource" if per == "app" else "scope"
        self._record(contract, opening, lifetime, args=args, private=private, opens=True)

    def value(self, contract: TypeForm[T], value: T, *, private: bool = False) -> None:
        """An object that exists already."""
        self._record(contract, value, "value", private=private)

    def add(
        self,
        contract: TypeForm[T],
        implementation: Callable[..., T],
        *,
        lifetime: Literal["scope", "app", "new"] = "scope",
        args: Mapping[str, Any] = NO_ARGS,
    ) -> None:
        """One of many, from any number of modules; a parameter ``list[T]`` gets all, in module order."""
        self._record(contract, implementation, lifetime, role="collected", args=args)

    def decorate(
        self, contract: TypeForm[T], implementation: Callable[..., T], *, args: Mapping[str, Any] = NO_ARGS
    ) -> None:
        """Wrap whatever is bound to the contract, whoever bound it.

        Decorators of several modules apply in module order, the last one outermost.  The wrapped object
        comes in by the parameter that is annotated with the contract, and lends its lifetime.
        """
        self._record(contract, implementation, "scope", role="decorator", args=args)

    def default(
        self,
        contract: TypeForm[T],
        implementation: Callable[..., T] | None = None,
        *,
        lifetime: Literal["scope", "app", "new"] = "scope",
        args: Mapping[str, Any] = NO_ARGS,
    ) -> None:
        """Bind only if nobody else does; of two defaults the first in module order is used."""
        self._record(contract, implementation, lifetime, role="default", args=args)

    def when(self, condition: bool | Callable[[], bool], reason: str) -> Binder:
        """A binder whose bindings count only if the condition holds.

        Args:
            condition: The outcome, or a function that is called now.
            reason: The condition in words, for the report, for example ``"CACHE=redis"``.
        """
        branch = Binder(self.module, self.settings)
        branch._records = self._records
        branch._active = self._active and bool(condition() if callable(condition) else condition)
        branch._reason = f"{self._reason} and {reason}" if self._reason else reason
        return branch

    def _record(
        self,
        contract: Any,
        provides: Any,
        lifetime: Lifetime,
        *,
        role: Role = "owner",
        private: bool = False,
        opens: bool = False,
        args: Mapping[str, Any] = NO_ARGS,
    ) -> None:
        frame = sys._getframe(2)
        source = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if self._records.sealed:
            raise BinderSealed(label(contract), self.module, source)
        binding = Binding(
            contract,
            contract if provides is None and lifetime != "value" else provides,
            lifetime,
            self.module,
            source,
            role,
            private,
            opens,
            MappingProxyType(dict(args)),
            self._active,
            self._reason,
        )
        self._records.bindings.append(binding)


class _Records:
    """What a binder and its conditional branches write to together."""

    __slots__ = ("bindings", "sealed")

    def __init__(self) -> None:
        self.bindings: list[Binding] = []
        self.sealed = False
