"""Which values rows get that have none: the defaults of the declaration, where one value serves all rows."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING, NOW
from prefiq.lowcode.values import BadValue, check_for
from prefiq.migrations.diff import Fill

__all__ = ["fills_of"]


def fills_of(specs: Iterable[ModelSpec]) -> dict[tuple[str, str], Fill]:
    """(qualified model, field) → what rows get that have no value.

    Args:
        specs: The models of a module; their children are looked at, too.
    """
    fills: dict[tuple[str, str], Fill] = {}
    for spec in specs:
        for model in (spec, *(child.model for child in spec.children)):
            for field in model.fields:
                fills[model.qualified, field.name] = _fill(field)
    return fills


def _fill(field: FieldSpec) -> Fill:
    if field.clock_default:
        return Fill(NOW)
    if field.default_factory is not None:
        made = field.default_factory(), field.default_factory()
        if made[0] != made[1]:
            return Fill(reason="its default is another one for each row")
        return _checked(field, made[0])
    return Fill() if field.default is MISSING else _checked(field, field.default)


def _checked(field: FieldSpec, value: Any) -> Fill:
    try:
        stored = check_for(field)(value)
    except BadValue as bad:
        return Fill(reason=f"its default {bad.message}")
    return Fill(stored.value if isinstance(stored, Enum) else stored)
