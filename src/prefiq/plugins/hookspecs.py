"""Every extension point of Prefiq, and when it is called.

Providers implement most of them by their methods and attributes; ``hookimpl`` implements one in a function
that a provider lists in ``hooks``.  Model hooks are written with ``on`` and routed by model: at boot the
implementations become one tuple per (event, model), so nothing is broadcast while serving.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

import pluggy

from prefiq.container import Binder
from prefiq.contracts import Scope

__all__ = ["MODEL_HOOKS", "Hookspecs", "hookimpl", "hookspec"]

PROJECT = "prefiq"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

MODEL_HOOKS = (
    "prefiq_before_create",
    "prefiq_after_create",
    "prefiq_before_update",
    "prefiq_after_update",
    "prefiq_before_delete",
    "prefiq_after_delete",
    "prefiq_before_action",
    "prefiq_after_action",
    "prefiq_around_create",
    "prefiq_around_update",
    "prefiq_around_delete",
    "prefiq_around_action",
)


class Hookspecs:
    """The extension points; the docstring of each says when it is called."""

    @hookspec
    def prefiq_bind(self, to: Binder) -> None:
        """Once at boot, module by module in order, before anything can be resolved: bind contracts."""

    @hookspec
    def prefiq_models(self) -> Iterable[type]:  # type: ignore[empty-body]
        """Once at boot, after binding: the models that the module declares."""

    @hookspec
    def prefiq_extensions(self) -> Iterable[type]:  # type: ignore[empty-body]
        """Once at boot, after the models: what the module adds to other modules' models."""

    @hookspec
    def prefiq_seeds(self) -> Iterable[Any]:  # type: ignore[empty-body]
        """When a tenant is created or upgraded: the rows it starts with."""

    @hookspec
    def prefiq_boot(self, app: Any) -> None:
        """Once at boot, last, in module order: everything can be resolved and resources are open.

        With ``DB_MODE=async`` it may be ``async def``.
        """

    @hookspec
    def prefiq_routes(self) -> Iterable[Any]:  # type: ignore[empty-body]
        """Once, when the HTTP application is made: routes beside those that models bring."""

    @hookspec
    def prefiq_commands(self) -> Iterable[Any]:  # type: ignore[empty-body]
        """When the command line starts inside an application: further commands."""

    @hookspec
    def prefiq_checks(self) -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
        """When ``doctor`` runs: further checks."""

    @hookspec
    def prefiq_before_create(self, entity: Any, scope: Scope) -> None:
        """In the transaction, after defaults and before validation of a new entity."""

    @hookspec
    def prefiq_after_create(self, entity: Any, scope: Scope) -> None:
        """In the transaction, after a new entity was stored."""

    @hookspec
    def prefiq_before_update(self, entity: Any, before: Any, scope: Scope) -> None:
        """In the transaction, before validation of a change; ``before`` is the entity as it was."""

    @hookspec
    def prefiq_after_update(self, entity: Any, before: Any, scope: Scope) -> None:
        """In the transaction, after a change was stored; ``before`` is the entity as it was."""

    @hookspec
    def prefiq_before_delete(self, entity: Any, scope: Scope) -> None:
        """In the transaction, before an entity is deleted."""

    @hookspec
    def prefiq_after_delete(self, entity: Any, scope: Scope) -> None:
        """In the transaction, after an entity was deleted."""

    @hookspec
    def prefiq_before_action(
        self, entity: Any, action: str, arguments: Mapping[str, Any], scope: Scope
    ) -> None:
        """In the transaction, before an action's own code runs."""

    @hookspec
    def prefiq_after_action(
        self, entity: Any, action: str, arguments: Mapping[str, Any], scope: Scope
    ) -> None:
        """In the transaction, after the outcome of an action was stored."""

    @hookspec
    def prefiq_around_create(self, entity: Any, scope: Scope) -> Generator[None, Any, Any]:  # type: ignore[empty-body]
        """In the transaction, around a creation with its hooks: a wrapper that yields once."""

    @hookspec
    def prefiq_around_update(  # type: ignore[empty-body]
        self, entity: Any, before: Any, scope: Scope
    ) -> Generator[None, Any, Any]:
        """In the transaction, around a change with its hooks, also that of an action: a wrapper that yields once."""

    @hookspec
    def prefiq_around_delete(self, entity: Any, scope: Scope) -> Generator[None, Any, Any]:  # type: ignore[empty-body]
        """In the transaction, around a deletion with its hooks: a wrapper that yields once."""

    @hookspec
    def prefiq_around_action(  # type: ignore[empty-body]
        self, entity: Any, action: str, arguments: Mapping[str, Any], scope: Scope
    ) -> Generator[None, Any, Any]:
        """In the transaction, around an action with all its hooks: a wrapper that yields once."""
