"""The rows that belong to an entity: loaded with it, and written by comparing them with its snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from prefiq.contracts import ConcurrencyError
from prefiq.foundation.mapper import Mapper
from prefiq.lowcode import ChildSpec
from prefiq.sql.executor import Executor
from prefiq.sql.plan import Plan
from prefiq.sql.plans import ModelPlans

__all__ = ["ChildRows", "chunks"]

Written = list[tuple[Plan, Any, UUID | None]]
"""Plans and their values, with the id of the one row that each must find; without one, it inserts."""

_SIZES = (1, 5, 20, 100, 500)
"""Ids are asked for in groups of these sizes, so that few plans serve any number."""


def chunks(ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    """The ids in groups of few sizes; a group is filled up by repeating its last id."""
    for start in range(0, len(ids), _SIZES[-1]):
        chunk = list(ids[start : start + _SIZES[-1]])
        size = next(size for size in _SIZES if size >= len(chunk))
        yield chunk + chunk[-1:] * (size - len(chunk))


class ChildRows:
    """One kind of children of one model.

    Args:
        child: Its declaration.
        parent: Class of the parent.
        mapper: Of the children.
        plans: Of the children.
    """

    def __init__(self, child: ChildSpec, parent: type[Any], mapper: Mapper, plans: ModelPlans) -> None:
        self.name = child.name
        self.spec = child.model
        self.mapper = mapper
        self.plans = plans
        self._position: int = parent.__struct_fields__.index(child.name)

    def attach(self, executor: Executor, tenant: str, parents: Sequence[Any]) -> None:
        """Load the children of all parents: one query for 500 of them."""
        of_parent: dict[UUID, list[Any]] = {parent.id: [] for parent in parents}
        load = self.mapper.parent_of
        for ids in chunks(list(of_parent)):
            plan = self.plans.of_parents(len(ids))
            rows = executor.fetch(plan, plan.bind(tenant, ids))
            for row, child in zip(rows, self.mapper.load_wide(rows), strict=True):
                of_parent[load(row[-1])].append(child)
        for parent in parents:
            setattr(parent, self.name, of_parent[parent.id])

    def inserts(self, tenant: str, parents: Sequence[Any]) -> Written:
        """What writes the children of new parents, with values that are fit."""
        rows = [
            (parent.id, position, child)
            for parent in parents
            for position, child in enumerate(getattr(parent, self.name))
        ]
        if not rows:
            return []
        plan = self.plans.insert()
        return [(plan, plan.bind(tenant, rows), None)]

    def updates(self, tenant: str, parent: Any, stored: tuple[Any, ...]) -> Written:
        """What writes that which differs from the snapshot, by id and position."""
        before = {child.id: (position, child) for position, child in enumerate(stored[self._position])}
        now = {child.id for child in getattr(parent, self.name)}
        written: Written = []
        for id in before.keys() - now:
            plan = self.plans.delete()
            written.append((plan, plan.bind(tenant, id, parent.id), id))
        new: list[tuple[UUID, int, Any]] = []
        for position, child in enumerate(getattr(parent, self.name)):
            if child.id not in before:
                new.append((parent.id, position, child))
                continue
            old_position, old = before[child.id]
            changed = tuple(self.mapper.diff(child, self.mapper.snapshot(old)))
            if changed or old_position != position:
                plan = self.plans.update(changed)
                written.append((plan, plan.bind(tenant, child, parent.id, position), child.id))
        if new:
            plan = self.plans.insert()
            written.append((plan, plan.bind(tenant, new), None))
        return written

    def write(self, executor: Executor, written: Written) -> None:
        """Write it.

        Raises:
            ConcurrencyError: A child is no longer there.
        """
        for plan, values, id in written:
            if id is None:
                executor.write_many(plan, values)
            elif executor.write(plan, values) != 1:
                raise ConcurrencyError(self.spec.qualified, id)
