"""Who may do what: permissions, and the policy of a model (action, row and field)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from prefiq.contracts import Actor, Criteria, Forbidden, Scope
from prefiq.foundation.for_model import model_of
from prefiq.lowcode import Catalog, DeclarationError

__all__ = ["ActorPermissions", "Policy", "Roles", "can", "grants"]

E = TypeVar("E")
ROLE = "role:"
MOST_KNOWN = 4096


@lru_cache(maxsize=4096)
def grants(pattern: str, permission: str) -> bool:
    """Whether a pattern covers a permission, by dotted segment.

    ``*`` stands for one segment, at the end for all that follow: ``"projects.*"`` covers
    ``"projects.project.close"``, ``"*.*.read"`` every read.
    """
    wanted = permission.split(".")
    parts = pattern.split(".")
    for number, part in enumerate(parts):
        if part == "*" and number == len(parts) - 1:
            return number < len(wanted)
        if number >= len(wanted) or part not in {"*", wanted[number]}:
            return False
    return len(parts) == len(wanted)


def can(*permissions: str, id: str = "tester") -> Actor:
    """An actor with these permissions, for tests and scripts."""
    return Actor(id, permissions)


class Roles:
    """What an application's roles stand for: who holds ``role:accountant`` holds the patterns of ``accountant``.

    A role that the application does not know grants nothing, so that a token may outlive it.

    Args:
        patterns: Role → permission patterns.
    """

    def __init__(self, patterns: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
        self._patterns = {f"{ROLE}{name}": tuple(held) for name, held in patterns.items()}
        self._known: dict[object, tuple[str, ...]] = {}

    def expand(self, permissions: Sequence[str]) -> tuple[str, ...]:
        """Patterns alone, each role replaced by its own."""
        try:
            return self._known[permissions]
        except (KeyError, TypeError):  # a list has no hash
            held = tuple(permissions)
        found = (self._patterns.get(one, ()) if one.startswith(ROLE) else (one,) for one in held)
        expanded = tuple(dict.fromkeys(pattern for patterns in found for pattern in patterns))
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[held] = expanded
        return expanded


NO_ROLES = Roles()


class ActorPermissions:
    """``IPermissions`` from what the scope's actor holds; default deny.

    Args:
        scope: Whose actor asks.
        roles: What the application's roles stand for.
    """

    def __init__(self, scope: Scope, roles: Roles = NO_ROLES) -> None:
        self._held = roles.expand(scope.actor.permissions)

    def allows(self, permission: str, /) -> bool:
        """Whether one of the actor's patterns covers it."""
        for pattern in self._held:  # noqa: SIM110  `any` over a generator costs four times as much
            if grants(pattern, permission):
                return True
        return False

    def require(self, permission: str, /) -> None:
        """Nothing, or ``Forbidden``."""
        if not self.allows(permission):
            raise Forbidden(permission)


class Policy(Generic[E]):
    """What the actor of a scope may do with one model's rows and fields, beyond permissions.

    Write a subclass and bind it (``to.bind(Policy[Project], ProjectPolicy)``) where the declaration does not
    say enough.  Verbs are ``"create"``, ``"read"``, ``"update"``, ``"delete"`` and the names of actions.

    Args:
        scope: Who asks, and for which tenant.
    """

    model: ClassVar[type]

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = model_of(cls, Policy)
        if model is not None:
            cls.model = model
        for name in ("rows", "unreadable", "unwritable"):
            method: Any = vars(cls).get(name)
            if inspect.iscoroutinefunction(inspect.unwrap(method)):
                raise DeclarationError(
                    f"{name} of a policy is async def",
                    f"{cls.__module__}.{cls.__qualname__}",
                    "write a plain def; with DB_MODE=async what it calls may wait all the same",
                )
        for name in ("unreadable", "unwritable"):
            if name in vars(cls):
                setattr(cls, name, _naming_fields(vars(cls)[name]))

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self.scope.actor

    def rows(self, verb: str) -> Criteria | None:  # noqa: ARG002  for subclasses
        """Which rows the verb reaches; None for all.  It becomes part of the SQL of every read and write."""
        return None

    def unreadable(self) -> frozenset[str]:
        """Fields that are not shown, filtered or sorted; ``"billing"`` for all of an extension, ``"billing.rate"`` for one."""
        return frozenset()

    def unwritable(self) -> frozenset[str]:
        """Fields that may not be changed, called as in ``unreadable``."""
        return frozenset()


def _naming_fields(
    method: Callable[[Policy[Any]], frozenset[str]],
) -> Callable[[Policy[Any]], frozenset[str]]:
    """The same method, which refuses names that no field has: a misspelt one would protect nothing."""

    @functools.wraps(method)
    def checked(self: Policy[Any]) -> frozenset[str]:
        named = method(self)
        known = getattr(getattr(self, "model", None), "__prefiq_fields__", None)
        wrong = {name for name in named if name.partition(".")[0] not in (known or named)}
        if wrong:  # what extensions add is not the model's own to know: "billing", "billing.rate"
            modules = {extension.module for extension in self.scope[Catalog][self.model].extensions}
            wrong = {name for name in wrong if name.partition(".")[0] not in modules}
        if wrong:
            raise DeclarationError(
                f"{method.__name__} names {', '.join(sorted(wrong))}, which no field is called",
                f"{type(self).__module__}.{type(self).__qualname__}",
                f"the fields are {', '.join(known or ())}",
            )
        return named

    return checked


def is_among(field: str, named: frozenset[str]) -> bool:
    """Whether a field is named, itself or with all of its extension."""
    return field in named or ("." in field and field.partition(".")[0] in named)
