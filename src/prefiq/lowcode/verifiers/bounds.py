"""Rule ``bounds``: limits are of the kind that they limit, and leave room between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import FieldSpec, ModelSpec
from prefiq.lowcode.verifiers.context import Context, all_fields


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Limits that nothing can be compared with, or that no value meets."""
    del context
    for name, field in all_fields(spec):
        limits = {
            key: getattr(field, key) for key in ("gt", "ge", "lt", "le") if getattr(field, key) is not None
        }
        wrong = [key for key, limit in limits.items() if not _fits(field, limit)]
        for key in wrong:
            yield Violation(
                "bounds",
                spec.qualified,
                name,
                f"{key} does not limit a {field.kind}",
                "give a number to a number, a Decimal or int to a Decimal, a date to a date",
            )
        if not wrong and not _room(limits):
            yield Violation("bounds", spec.qualified, name, "no value lies between its limits", "widen them")


def _fits(field: FieldSpec, limit: Any) -> bool:
    match field.kind:
        case "int" | "float":
            number = isinstance(limit, (int, float, Decimal)) and not isinstance(limit, bool)
            return number and math.isfinite(limit)
        case "decimal":
            # A float limit is not the number that is written: 0.1 lies above Decimal("0.1").
            return type(limit) is int or (isinstance(limit, Decimal) and limit.is_finite())
        case "date":
            return isinstance(limit, date) and not isinstance(limit, datetime)
        case "datetime":
            return isinstance(limit, datetime) and limit.utcoffset() is not None
        case "unknown":
            return True
    return False


def _room(limits: dict[str, Any]) -> bool:
    lower = [(limits[key], key == "gt") for key in ("gt", "ge") if key in limits]
    upper = [(limits[key], key == "lt") for key in ("lt", "le") if key in limits]
    return all(
        low < high or (low == high and not open_below and not open_above)
        for low, open_below in lower
        for high, open_above in upper
    )
