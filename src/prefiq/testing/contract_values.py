"""What the contract suite takes from a declaration: fields to change, states, criteria to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prefiq.contracts import Compare, Criteria
from prefiq.lowcode import ModelSpec

__all__ = ["Make", "Undone", "changeable", "criteria_of", "status_of"]

Make = Callable[[int], Any]


class Undone(Exception):
    """Ends a transaction of a test."""


def changeable(spec: ModelSpec) -> list[str]:
    """Fields that a test may change at will, those that are not unique first."""
    fields = [field for field in spec.fields if not field.is_status and field.ref is None]
    fields.sort(key=lambda field: any(field.name in index.fields for index in spec.indexes if index.unique))
    return [field.name for field in fields]


def status_of(spec: ModelSpec) -> tuple[str, Any, str | None]:
    """Status field, a state that is not the first, and a transition without parameters out of the first."""
    if spec.status is None:
        pytest.skip("the model has no status")
    field = spec.field(spec.status.field)
    other = next(state for state in field.type if state != field.default)
    ways = (a for a in spec.actions if spec.status.initial in a.sources and a.to and not a.parameters)
    return field.name, other, next((action.name for action in ways), None)


def criteria_of(spec: ModelSpec, entities: list[Any]) -> list[Criteria]:
    """Comparisons of every field with its own values, and their negations and combinations."""
    made: list[Criteria] = []
    for field in spec.fields:
        made += [Compare(field.name, "isnull", True), Compare(field.name, "isnull", False)]
        values = [v for v in (getattr(e, field.name) for e in entities) if v is not None]
        if field.kind == "json" or not values:
            continue
        value = values[len(values) // 2]
        for operator in ("eq", "ne", "gt", "gte", "lt", "lte"):
            made += [Compare(field.name, operator, value), Compare(field.name, operator, None)]
        made += [
            Compare(field.name, "in", tuple(values[:2])),
            Compare(field.name, "nin", (*values[:2], None)),
            Compare(field.name, "in", ()),
            Compare(field.name, "nin", ()),
        ]
        if field.kind in {"str", "text", "enum"}:
            part = str(value)[:3]
            for text in (part, part.swapcase(), "%", "_", "*", ""):
                made += [
                    Compare(field.name, "contains", text),
                    Compare(field.name, "icontains", text),
                    Compare(field.name, "startswith", text),
                ]
    made += [~term for term in made]
    made += [one & other for one, other in zip(made[::7], made[3::7], strict=False)]
    made += [one | other for one, other in zip(made[::5], made[2::5], strict=False)]
    return made
