"""Which values rows get that have none: the defaults of the declaration, where one value serves all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec

from prefiq.errors import Faults, PrefiqError
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING, NOW
from prefiq.lowcode.values import BadValue, check_for
from prefiq.migrations.diff import Fill
from prefiq.migrations.errors import BadFill
from prefiq.nearest import nearest

__all__ = ["fills_from_texts", "fills_of"]


def fills_of(specs: Iterable[ModelSpec]) -> dict[tuple[str, str], Fill]:
    """(qualified model, field) → what rows get that have no value.

    Args:
        specs: The models of a module; their children are looked at, too.
    """
    fills: dict[tuple[str, str], Fill] = {}
    for model in _models(specs):
        for field in model.fields:
            fills[model.qualified, field.name] = _fill(field)
    return fills


def fills_from_texts(specs: Iterable[ModelSpec], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values that were typed, as ``make`` takes them.

    Args:
        specs: The models of a module.
        texts: ``{"Project.code": "?", "Project.since": "now"}``; the model's name may be qualified.

    Raises:
        Faults: ``BadFill``s: there is no such field, or the text is no value of it.
    """
    fields = {f"{model.name}.{field.name}": field for model in _models(specs) for field in model.fields}
    modules = {model.module for model in _models(specs)}
    fills: dict[str, Any] = {}
    faults: list[PrefiqError] = []
    for path, text in texts.items():
        module, _, rest = path.partition(".")
        name = rest if module in modules else path
        if name not in fields:
            faults.append(BadFill(path, "there is no such field", nearest(name, fields)))
            continue
        try:
            fills[name] = _from_text(fields[name], text)
        except (BadValue, msgspec.MsgspecError) as bad:
            said = f"its value {bad.message}" if isinstance(bad, BadValue) else ""
            faults.append(BadFill(path, said or f"the text is no {fields[name].kind}"))
    if faults:
        raise Faults("The values cannot be used", faults)
    return fills


def _models(specs: Iterable[ModelSpec]) -> Iterator[ModelSpec]:
    for spec in specs:
        yield spec
        yield from (child.model for child in spec.children)


def _from_text(field: FieldSpec, text: str) -> Any:
    if text == "now" and field.kind in {"date", "datetime"}:
        return NOW
    value: Any = text
    if field.kind == "json":
        value = msgspec.json.decode(text)
    elif field.kind not in {"str", "text", "enum"}:
        value = msgspec.convert(text, field.type, strict=False)
    stored = check_for(field)(value)
    return stored.value if isinstance(stored, Enum) else stored


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
