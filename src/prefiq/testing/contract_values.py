"""What the contract suite takes from a declaration: fields to change, states, criteria to ask."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from prefiq.contracts import Compare, Criteria
from prefiq.lowcode import FieldSpec, ModelSpec, uuid7
from prefiq.lowcode.values import INT_MAX, INT_MIN, BadValue, check_for

__all__ = ["Make", "Undone", "changeable", "criteria_of", "edges_of", "other_value", "status_of"]

Make = Callable[[int], Any]

PARTS: list[Any] = [
    None,
    True,
    0,
    1.5,
    -(2**63),
    2**63 - 1,
    "",
    "\u2028 \U0001f4a5 \\ '",
    [],
    {},
    [[], {"": {}}],
]
"""What a document may hold."""


class Undone(Exception):
    """Ends a transaction of a test."""


def changeable(spec: ModelSpec) -> list[str]:
    """Fields that a test may change at will, those that are not unique first."""
    fields = [field for field in spec.fields if not field.is_status and field.ref is None]
    fields.sort(key=lambda field: any(field.name in index.fields for index in spec.indexes if index.unique))
    return [field.name for field in fields]


def other_value(make: Make, name: str, old: object, number: int) -> object:
    """A value of the field that is not the old one.

    Args:
        make: Makes entities.
        name: Of the field.
        old: What it is not to be.
        number: Of the first entity to take one of.
    """
    return next(v for v in (getattr(make(number + i), name) for i in range(9)) if v != old)


def status_of(spec: ModelSpec) -> tuple[str, Any, str | None]:
    """Status field, a state that is not the first, and a transition without parameters out of the first."""
    if spec.status is None:
        pytest.skip("the model has no status")
    field = spec.field(spec.status.field)
    other = next(state for state in field.type if state != field.default)
    ways = (a for a in spec.actions if spec.status.initial in a.sources and a.to and not a.parameters)
    return field.name, other, next((action.name for action in ways), None)


def edges_of(field: FieldSpec) -> list[Any]:
    """Values at the ends of what the field's declaration allows; none for a reference or a status."""
    if field.ref is not None or field.is_status:
        return []
    step: Any = 1
    ends: list[Any] = [bound for bound in (field.ge, field.le) if bound is not None]
    match field.kind:
        case "str" | "text":
            longest, shortest = field.max_length or 5000, field.min_length or 0
            ends = ["\U0001f4a5" * longest, "x" * longest, " " * max(shortest, 1), "a" * shortest]
        case "int":
            ends += [INT_MIN, INT_MAX, 0]
        case "decimal":
            step = Decimal(1).scaleb(-(field.scale or 0))
            top = Decimal(10) ** ((field.precision or 18) - (field.scale or 0)) - step
            ends += [-top, top, step, -step, step * 0]
        case "float":
            ends += [-sys.float_info.max, sys.float_info.max, 5e-324, 0.1, 0.0]
        case "date":
            ends += [date.min, date.max]
        case "datetime":
            ends += [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
        case "bool":
            ends = [True, False]
        case "enum":
            ends = list(field.type)
        case "uuid":
            ends = [UUID(int=0), UUID(int=2**128 - 1)]
        case "json":
            ends = [{}, {"": None}, dict(zip("abcdefghijk", PARTS, strict=True)), [], PARTS]
    if field.kind in {"int", "decimal"}:
        ends += [bound + step for bound in (field.gt,) if bound is not None]
        ends += [bound - step for bound in (field.lt,) if bound is not None]
    check = check_for(field)
    found: list[Any] = []
    for end in ends:
        with contextlib.suppress(BadValue):
            found.append(check(end))
    return found


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
    made.append(Compare("id", "in", tuple(uuid7() for _ in range(1200)) + tuple(e.id for e in entities[:2])))
    for field in spec.fields:
        edges = edges_of(field) if field.kind != "json" else []
        made += [
            Compare(field.name, "gt" if number % 2 else "lte", edge) for number, edge in enumerate(edges)
        ]
    return made
