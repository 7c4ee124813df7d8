"""Rows of two tenants that cannot be told apart by id or value, for every model of an application."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from prefiq.contracts import IDomain
from prefiq.errors import PrefiqError
from prefiq.foundation.policy import can
from prefiq.lowcode import ModelSpec
from prefiq.testing.attacks.outcome import Skipped
from prefiq.testing.samples import sample

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["LookAlikes"]

SAME = range(3)
"""Numbers of the rows that both tenants have."""
FOREIGN = range(3, 6)
"""Numbers of the rows that only the other tenant has."""
OWN = "prefiq"


class LookAlikes:
    """The rows that are made, by model.

    Args:
        app: Whose models.
        mode: Of the tenants, for what is left out.
    """

    def __init__(self, app: Application, mode: str) -> None:
        self._app = app
        self.skipped: list[Skipped] = []
        self.rows: dict[str, list[Any]] = {}
        """Qualified name → an entity for each number; those that were stored are copies of them."""
        for spec in _in_order(app):
            try:
                self.rows[spec.qualified] = [self._entity(spec, number) for number in (*SAME, *FOREIGN)]
            except PrefiqError as error:
                self.skipped.append(Skipped(spec.qualified, mode, error.what))
        self._mode = mode

    @property
    def specs(self) -> list[ModelSpec]:
        """The tenants' models that have rows."""
        return [self._app.catalog[name] for name in self.rows if self._app.catalog[name].scope == "tenant"]

    def same(self, spec: ModelSpec) -> list[Any]:
        """Entities whose rows both tenants have."""
        return [self.rows[spec.qualified][number] for number in SAME]

    def foreign(self, spec: ModelSpec) -> list[Any]:
        """Entities whose rows only the other tenant has."""
        return [self.rows[spec.qualified][number] for number in FOREIGN]

    def store_shared(self) -> None:
        """The rows that all tenants read."""
        with self._app.scope(as_system="attacks on the isolation of tenants") as scope:
            self._store(scope, "shared", (*SAME, *FOREIGN))

    def store(self, tenant: str, *, foreign: bool) -> None:
        """A tenant's rows.

        Args:
            tenant: Whose.
            foreign: Whether it gets those that only one of both has, too.
        """
        with self._app.scope(tenant, can("*")) as scope:
            self._store(scope, "tenant", (*SAME, *(FOREIGN if foreign else ())))

    def _store(self, scope: Any, kind: str, numbers: tuple[int, ...]) -> None:
        for name in list(self.rows):
            spec = self._app.catalog[name]
            if spec.scope != kind:
                continue
            contract: Any = IDomain[spec.cls]  # type: ignore[name-defined]
            store: Any = scope[contract]
            try:
                for number in numbers:
                    store.save(deepcopy(self.rows[name][number]))
            except PrefiqError as error:  # a store of a module's own may want more than a declaration says
                del self.rows[name]
                self.skipped.append(Skipped(name, self._mode, error.what))

    def _entity(self, spec: ModelSpec, number: int) -> Any:
        given: dict[str, Any] = {}
        for field in spec.fields:
            if field.ref is None or not field.ref.model or field.ref.model == spec.qualified:
                continue
            rows = self.rows.get(field.ref.model)
            if rows is not None:
                given[field.name] = rows[number].id
        return sample(spec, number, given)


def _in_order(app: Application) -> Iterator[ModelSpec]:
    """The modules' models, each behind those that it refers to, as far as that is possible."""
    left = {spec.qualified: spec for spec in app.catalog if spec.module != OWN}
    while left:
        free = [spec for spec in left.values() if not _targets(spec) & left.keys()]
        for spec in free or [next(iter(left.values()))]:
            yield left.pop(spec.qualified)


def _targets(spec: ModelSpec) -> set[str]:
    wanted = {field.ref.model for field in spec.fields if field.ref is not None and field.ref.model}
    return wanted - {spec.qualified}
