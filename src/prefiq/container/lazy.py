"""``Lazy[T]``: ask for an object when it is used, not when its user is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from prefiq.contracts import NoScope, Scope, ScopeClosed, current_scope_or_none

__all__ = ["Lazy"]

T_co = TypeVar("T_co", covariant=True)


class Lazy(Generic[T_co]):
    """A parameter annotated ``Lazy[IMailer]`` gets one; calling it gives the ``IMailer``.

    In an object of a scope it asks that scope; in an object of the application it asks the scope that is
    current when it is called.  It also breaks a circle of objects that need each other.

    Args:
        take: What gives the object for a scope; the container supplies it.
        name: The contract's name, for errors.
        scoped: Whether the object belongs to a scope.
        scope: The scope that the holder belongs to, or None.
    """

    __slots__ = ("_name", "_scope", "_scoped", "_take")

    def __init__(
        self, take: Callable[[Scope | None], Any], name: str, *, scoped: bool, scope: Scope | None = None
    ) -> None:
        self._take = take
        self._name = name
        self._scoped = scoped
        self._scope = scope

    def __call__(self) -> T_co:
        """The object.

        Raises:
            NoScope: It belongs to a scope and none is open.
            ScopeClosed: The scope that it belongs to has ended.
        """
        scope = self._scope if self._scope is not None else current_scope_or_none()
        if self._scoped:
            if scope is None:
                error = NoScope()
                error.where = f"calling Lazy[{self._name}]"
                raise error
            if scope.closed:
                raise ScopeClosed(f"Lazy[{self._name}]")
        return cast("T_co", self._take(scope))

    def __repr__(self) -> str:
        return f"Lazy[{self._name}]"
