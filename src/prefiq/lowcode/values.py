"""The only gate before a driver: each kind of value is normalised or refused here, alike on every engine.

Thirty-five odd values met three fates on three engines before such a gate existed; what passes it is
stored exactly everywhere.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

import msgspec

from prefiq.lowcode.model_spec import FieldSpec

__all__ = ["BadValue", "check_for"]

Check = Callable[[Any], Any]

TEXT_LIMIT = 1_000_000
MOST_MARKS = 30
_LATE_MARKS = frozenset("\u0f73\u0f75\u0f81")  # marks only once they are taken apart
JSON_DEPTH = 64
INT_MIN, INT_MAX = -(2**63), 2**63 - 1

# A thread's own decimal context may round or trap; a value is judged in this one, wherever it is judged.
_EXACT = Context(prec=40, traps=[])


class BadValue(Exception):
    """A value that a field refuses; carries the code, sentence and parameters of a ``FieldError``."""

    def __init__(self, code: str, message: str, **params: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.params = params


def check_for(spec: FieldSpec) -> Check:
    """A function that returns the normalised value or raises ``BadValue``.

    None passes where the field is nullable.
    """
    steps = [_KIND_CHECKS[spec.kind](spec), *_bounds(spec)]

    def check(value: Any) -> Any:
        if value is None:
            if spec.nullable:
                return None
            raise BadValue("required", "a value is required")
        for step in steps:
            value = step(value)
        return value

    return check


def clean_text(value: Any) -> str:
    """Normal form C (Unicode Annex 15), without NUL and surrogates, which no two engines treat alike."""
    if not isinstance(value, str):
        raise BadValue("type", "must be text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadValue("text", "must not hold surrogate code points") from None
        if len(value) > MOST_MARKS and not _is_orderly(value):
            raise BadValue("text", f"must not hold more than {MOST_MARKS} combining marks in a row")
        value = unicodedata.normalize("NFC", value)
    if "\x00" in value:
        raise BadValue("text", "must not hold NUL characters")
    # Not str(): an Enum that derives from str shows its name there, and a driver would store its value.
    return value if type(value) is str else str.__str__(value)


def _is_orderly(text: str) -> bool:
    """Whether combining marks are few enough in a row to be put in order, which costs the square of their number.

    Source: Unicode Annex 15, Stream-Safe Text Format.
    """
    marks = 0
    combining = unicodedata.combining
    for character in text:
        if combining(character) or character in _LATE_MARKS:
            marks += 1
            if marks > MOST_MARKS:
                return False
        else:
            marks = 0
    return True


def _text(spec: FieldSpec) -> Check:
    limit = TEXT_LIMIT if spec.max_length is None else spec.max_length
    shortest = spec.min_length or 0
    pattern = re.compile(spec.pattern, re.ASCII) if spec.pattern else None

    def check(value: Any) -> str:
        text = clean_text(value)
        if len(text) > limit:
            raise BadValue("max_length", f"must have at most {limit} characters", limit=limit)
        if len(text) < shortest:
            raise BadValue("min_length", f"must have at least {shortest} characters", limit=shortest)
        if pattern is not None and pattern.fullmatch(text) is None:
            raise BadValue("pattern", f"must match {spec.pattern}", pattern=spec.pattern)
        return text

    return check


def _int(_: FieldSpec) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int:
            raise BadValue("type", "must be a whole number")
        if not INT_MIN <= value <= INT_MAX:
            raise BadValue("range", "must fit into 64 bits")
        return value

    return check


def _bool(_: FieldSpec) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise BadValue("type", "must be true or false")
        return value

    return check


def _float(_: FieldSpec) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadValue("type", "must be a number")
        if isinstance(value, int) and not -(2**53) <= value <= 2**53:
            raise BadValue("range", "whole numbers beyond 2^53 are not exact here")
        return clean_float(value)

    return check


def clean_float(value: float) -> float:
    """A finite number; zero has no sign, which not every engine keeps."""
    if not math.isfinite(value):
        raise BadValue("finite", "must be a finite number")
    return float(value) + 0.0


def _decimal(spec: FieldSpec) -> Check:
    precision, scale = spec.precision or 18, spec.scale or 0
    unit, zero = Decimal((0, (1,), -scale)), Decimal((0, (0,), -scale))
    top = Decimal((0, (1,), precision - scale))

    def check(value: Any) -> Decimal:
        if type(value) is int:
            value = Decimal(value)
        if not isinstance(value, Decimal):
            raise BadValue("type", "must be a decimal number")
        if not value.is_finite():
            raise BadValue("finite", "must be a finite number")
        if value.copy_abs() >= top:
            raise BadValue(
                "precision", f"must be below 10^{precision - scale}", precision=precision, scale=scale
            )
        exact = value.quantize(unit, context=_EXACT)
        if exact != value:
            raise BadValue("scale", f"must have at most {scale} digits behind the point", scale=scale)
        return exact or zero  # no negative zero, which not every engine keeps

    return check


def _date(_: FieldSpec) -> Check:
    def check(value: Any) -> date:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise BadValue("type", "must be a date")
        return value

    return check


def _datetime(_: FieldSpec) -> Check:
    def check(value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise BadValue("type", "must be a date and time")
        if value.tzinfo is None or value.utcoffset() is None:
            raise BadValue("timezone", "must have a time zone")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise BadValue("range", "must lie between the years 1 and 9999 in UTC") from None

    return check


def _uuid(_: FieldSpec) -> Check:
    def check(value: Any) -> UUID:
        if not isinstance(value, UUID):
            raise BadValue("type", "must be a UUID")
        return value

    return check


def _enum(spec: FieldSpec) -> Check:
    members = ", ".join(spec.type)

    def check(value: Any) -> Any:
        if not isinstance(value, spec.type):
            try:
                return spec.type(value)
            except (ValueError, TypeError):
                raise BadValue("enum", f"must be one of {members}", allowed=tuple(spec.type)) from None
        return value

    return check


def clean_json(value: Any, depth: int = 0) -> Any:
    """A JSON value: text keys, finite numbers, whole numbers within 64 bits, at most 64 levels deep."""
    if depth > JSON_DEPTH:
        raise BadValue("depth", f"must nest at most {JSON_DEPTH} levels deep", limit=JSON_DEPTH)
    match value:
        case None | bool():
            return value
        case str():
            return clean_text(value)
        case int():
            if not INT_MIN <= value <= INT_MAX:
                raise BadValue("range", "whole numbers must fit into 64 bits")
            return int(value)
        case float():
            return clean_float(value)
        case list() | tuple():
            return [clean_json(item, depth + 1) for item in value]
        case dict():
            cleaned = {_json_key(key): clean_json(item, depth + 1) for key, item in value.items()}
            if len(cleaned) != len(value):
                raise BadValue("duplicate", "two keys are the same in normal form C")
            return cleaned
    raise BadValue("type", "must be a JSON value")


def _json_key(key: Any) -> str:
    if not isinstance(key, str):
        raise BadValue("type", "keys must be text")
    return clean_text(key)


def _json(spec: FieldSpec) -> Check:
    if spec.type is object:
        return clean_json
    shape, named = spec.type, spec.type.__name__ if isinstance(spec.type, type) else str(spec.type)

    def check(value: Any) -> Any:
        try:
            return msgspec.convert(clean_json(value), shape)
        except msgspec.ValidationError:
            raise BadValue("type", f"must be {named.replace('typing.', '')}") from None

    return check


def _never(_: FieldSpec) -> Check:
    def check(_value: Any) -> Any:
        raise BadValue("type", "has no usable type")

    return check


_KIND_CHECKS: dict[str, Callable[[FieldSpec], Check]] = {
    "str": _text,
    "text": _text,
    "int": _int,
    "bool": _bool,
    "decimal": _decimal,
    "float": _float,
    "date": _date,
    "datetime": _datetime,
    "uuid": _uuid,
    "enum": _enum,
    "json": _json,
    "unknown": _never,
    "children": _never,
}


def _bounds(spec: FieldSpec) -> list[Check]:
    checks: list[Check] = []
    for bound, code, phrase, holds in (
        (spec.gt, "gt", "greater than", lambda v, b: v > b),
        (spec.ge, "ge", "at least", lambda v, b: v >= b),
        (spec.lt, "lt", "less than", lambda v, b: v < b),
        (spec.le, "le", "at most", lambda v, b: v <= b),
    ):
        if bound is not None:
            checks.append(_bound(bound, code, phrase, holds))
    return checks


def _bound(bound: Any, code: str, phrase: str, holds: Callable[[Any, Any], bool]) -> Check:
    def check(value: Any) -> Any:
        if not holds(value, bound):
            raise BadValue(code, f"must be {phrase} {bound}", limit=bound)
        return value

    return check
