"""What every service needs beside its store; one per scope, built by the container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefiq.contracts import Actor, IClock, IPermissions, ITransactions, Scope
from prefiq.foundation.events import Events
from prefiq.foundation.hooks import HookTable
from prefiq.foundation.policy import Policy
from prefiq.lowcode import Catalog, ModelSpec, Validator

__all__ = ["Pipelines", "ServiceContext"]


class Pipelines:
    """What the service pipeline of each model is made of, fixed at boot.

    Args:
        catalog: All models.
        hooks: All model hooks.
        disabled: Names of validators that ``prefiq.toml`` turns off, by module-qualified name.
    """

    def __init__(self, catalog: Catalog, hooks: HookTable, disabled: frozenset[str] = frozenset()) -> None:
        self.catalog = catalog
        self.hooks = hooks
        self._disabled = disabled
        self._validators: dict[type, Validator] = {}

    def validator(self, spec: ModelSpec) -> Validator:
        """The compiled checks of a model."""
        found = self._validators.get(spec.cls)
        if found is None:
            stem = f"{spec.module}."
            # Those of an extension go by their whole name.
            off = {name.removeprefix(stem) for name in self._disabled if name.startswith(stem)}
            found = self._validators[spec.cls] = Validator(spec, off | self._disabled)
        return found


class ServiceContext:
    """The scope's parts that a service works with.

    Args:
        scope: Of the request, job or command.
        transactions: All or nothing.
        permissions: What the actor may do.
        clock: The time.
        events: Where changes are told.
        pipelines: Models, hooks and validators.
    """

    __slots__ = ("clock", "events", "permissions", "pipelines", "scope", "transactions")

    def __init__(
        self,
        scope: Scope,
        transactions: ITransactions,
        permissions: IPermissions,
        clock: IClock,
        events: Events,
        pipelines: Pipelines,
    ) -> None:
        self.scope = scope
        self.transactions = transactions
        self.permissions = permissions
        self.clock = clock
        self.events = events
        self.pipelines = pipelines

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self.scope.actor

    def spec(self, model: type) -> ModelSpec:
        """The specification of a model."""
        return self.pipelines.catalog[model]

    def policy(self, model: type) -> Policy[Any]:
        """The policy bound for a model."""
        return self.scope[Policy[model]]  # type: ignore[valid-type]

    @property
    def subject(self) -> Mapping[str, str]:
        """Actor and tenant as events carry them."""
        tenancy = self.scope.tenancy
        return {"actor": self.actor.id, "tenant": getattr(tenancy, "tenant", "")}
