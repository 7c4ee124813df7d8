"""``Plan``: a statement that was compiled for scopes, and the function that binds its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["PLACE", "Into", "Plan", "Rows"]

PART = 256
"""Rows that are bound at a time."""
PLACE = "__[SCHEMA__none]"
"""Stands in a plan's text before each table that is in the schema of the tenant.

Source: SQLAlchemy, "Translation of Schema Names".
"""


@dataclass(frozen=True, slots=True)
class Into:
    """Where the values of an insert go, for engines that take many rows another way than by statements.

    Args:
        table: As the statement names it, quoted where it needs to be.
        columns: The same, in the order of the values.
        kinds: What each holds, as in ``FieldType.kind``.
    """

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One compiled statement; ``ModelPlans`` makes it with the scoped compiler, and nobody else should.

    The executor hands its text to the driver as it is: that it confines its rows is known from how it was
    made.

    Args:
        sql: Text in the driver's own style.
        bind: Makes the driver's values; its first argument is the tenant's key.
        into: Of an insert.
    """

    sql: str
    bind: Callable[..., Any]
    into: Into | None = None

    def within(self, schema: str) -> Plan:
        """The same statement for the tables of one schema.

        Args:
            schema: Its name, quoted.
        """
        into = self.into
        if into is not None:
            into = replace(into, table=into.table.replace(PLACE, schema))
        return Plan(self.sql.replace(PLACE, schema), self.bind, into)


class Rows(Sequence[Any]):
    """The driver's values of many entities, bound while they are written: a server stores the first meanwhile.

    Args:
        plan: Of an insert.
        tenant: The tenant's key.
        entities: What is bound.
    """

    __slots__ = ("_bind", "_entities", "_tenant")

    def __init__(self, plan: Plan, tenant: str, entities: Sequence[Any]) -> None:
        self._bind = plan.bind
        self._tenant = tenant
        self._entities = list(entities)

    def __len__(self) -> int:
        return len(self._entities)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self._bind(self._tenant, self._entities[place])
        return self._bind(self._tenant, (self._entities[place],))[0]

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self._entities), PART):
            yield from self._bind(self._tenant, self._entities[start : start + PART])
