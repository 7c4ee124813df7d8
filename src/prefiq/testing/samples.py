"""Entities made from a declaration, for tests: the same number gives the same values."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from prefiq.errors import PrefiqError
from prefiq.lowcode import FieldSpec, ModelSpec, uuid7

__all__ = ["NoSample", "sample"]

_START = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


class NoSample(PrefiqError):
    """A field's declaration leaves no value that could be made up."""

    code = "PFQ830"

    def __init__(self, model: str, field: str) -> None:
        self.model = model
        self.field = field
        self.what = "No value can be made up for this field"
        self.where = f"{model}.{field}"
        self.fix = "give one: override the fixture `given` or `make` of the contract suite"


def sample(spec: ModelSpec, number: int, given: Mapping[str, Any] | None = None) -> Any:
    """An entity that meets its declaration; its unique values differ from those of every other number.

    Every third one has None where that is a value.

    Args:
        spec: The model.
        number: 0 to some hundreds.
        given: Field → value, for what cannot be made up: references that must lead somewhere.

    Raises:
        NoSample: A field needs a value that cannot be made up.
    """
    values: dict[str, Any] = {}
    for field in spec.fields:
        if given is not None and field.name in given:
            values[field.name] = given[field.name]
        elif field.is_status:
            values[field.name] = field.default
        elif field.nullable and (field.ref is not None or number % 3 == 2):
            values[field.name] = None
        else:
            values[field.name] = _value(spec, field, number)
    for child in spec.children:
        values[child.name] = [sample(child.model, number * 3 + i) for i in range(number % 3)]
    return spec.cls(**values)


def _value(spec: ModelSpec, field: FieldSpec, number: int) -> Any:
    made: Any = None
    match field.kind:
        case "str" | "text":
            made = next((text for text in _texts(field, number) if _is_fit(field, text)), None)
        case "int":
            made = _in_bounds(field, number)
        case "decimal":
            made = Decimal(_in_bounds(field, number)) + Decimal(number % 10).scaleb(-(field.scale or 0))
        case "float":
            made = _in_bounds(field, number) + 0.5
        case "bool":
            made = number % 2 == 0
        case "date":
            made = date(2026, 1, 1) + timedelta(days=number)
        case "datetime":
            made = _START + timedelta(days=number, microseconds=number)
        case "uuid":
            made = uuid7() if field.ref is None else None
        case "enum":
            members = list(field.type)
            made = members[number % len(members)]
        case "json":
            made = (
                {"number": number, "list": [1, "zwei", None, 2.5]}
                if "list" not in field.annotation
                else [number]
            )
    if made is None:
        raise NoSample(spec.qualified, field.name)
    return made


def _texts(field: FieldSpec, number: int) -> Iterator[str]:
    """Candidates, from readable ones to codes of one length."""
    word = field.name.replace("_", "-")
    yield f"{word} {number} Ünï"
    yield f"{word.upper()}-{number}"
    yield f"{word}-{number}"
    for letters in (string.ascii_uppercase, string.ascii_lowercase, string.digits):
        for width in range(field.min_length or 1, min(field.max_length or 8, 12) + 1):
            yield _digits(number, letters, width)


def _digits(number: int, letters: str, width: int) -> str:
    text = ""
    while number or len(text) < width:
        number, rest = divmod(number, len(letters))
        text = letters[rest] + text
    return text


def _is_fit(field: FieldSpec, text: str) -> bool:
    if not (field.min_length or 0) <= len(text) <= (field.max_length or 1000):
        return False
    return field.pattern is None or re.fullmatch(field.pattern, text, re.ASCII) is not None


def _in_bounds(field: FieldSpec, number: int) -> int:
    """A whole number within the bounds, ``number`` apart from the lower one."""
    low = field.ge if field.ge is not None else field.gt
    high = field.le if field.le is not None else field.lt
    if low is None:
        low = 0 if high is None or high > 0 else int(high) - 1000
    value = int(low) + 1 + number
    if high is not None and value >= high:
        value = int(low) + 1 + number % max(1, int(high) - int(low) - 1)
    return value
