"""What a column holds exactly, on every engine: the last gate before a driver, which each would pass otherwise.

A service has checked its fields before, bounds and patterns included; a repository may be given anything.
Values of the very type pass a test that is generated into the mapper's code; for all others there is ``fit_of``,
which gives the value as it will be read back, or refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

import msgspec

from prefiq.contracts import FieldError, ValidationFailed
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.values import INT_MAX, INT_MIN
from prefiq.sql.criteria_values import problem_of

__all__ = ["Unfit", "fit_of", "kept_of", "refusal_of", "test_of"]

WHOLE = 2**53
"""Whole numbers up to here are floats exactly."""
_EXACT = Context(prec=60, traps=[])
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
FLOAT = 0xCB
"""MessagePack's first byte of a float."""

Fit = Callable[[Any], Any]


class Unfit(ValueError):
    """A value that a column cannot hold exactly.

    Args:
        code: As in ``FieldError``.
        message: The same.
    """

    def __init__(self, code: str, message: str, **params: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.params = params


def test_of(field: FieldSpec, value: str, names: dict[str, Any]) -> str:
    """Source text of a test that gives the variable ``x`` the value; where it holds, the column can keep it.

    A decimal passes with exactly as many digits behind the point as the column has, which is how services make
    them; with less of them it is ``fit_of``'s.

    Args:
        field: The stored form of a field.
        value: Source text of the value.
        names: Receives what the text refers to.
    """
    match field.kind:
        case "str" | "text":
            limit = "" if field.max_length is None else f" and len(x) <= {field.max_length}"
            return f'type(x := {value}) is str{limit} and "\\0" not in x'
        case "int":
            return f"type(x := {value}) is int"
        case "bool":
            return f"((x := {value}) is True or x is False)"
        case "float":  # neither NaN nor infinite
            return f"type(x := {value}) is float and x - x == 0.0"
        case "decimal":
            unit, digits = f"unit_{field.scale or 0}", _whole_digits(field)
            names |= {"Decimal": Decimal, unit: _unit(field)}
            # No comparison: the place of its first digit is known without making another decimal.
            return f"type(x := {value}) is Decimal and x.same_quantum({unit}) and x.adjusted() < {digits}"
        case "date":
            names["date"] = date
            return f"type(x := {value}) is date"
        case "datetime":
            names |= {"UTC": UTC, "datetime": datetime}
            return f"type(x := {value}) is datetime and x.tzinfo is UTC"
        case "json":  # NaN would become null
            names |= {"fit_encode": _encode, "fit_finite": _is_finite}
            return f'((j := fit_encode(x := {value})).find(b"null") < 0 or (x is not None and fit_finite(x)))'
        case "uuid":
            names["UUID"] = UUID
            return f"type(x := {value}) is UUID"
        case _:
            raise AssertionError(field.kind)


def fit_of(field: FieldSpec) -> Fit:
    """A function that gives the value as it will be read back, or raises ``Unfit``.

    Args:
        field: The stored form of a field.
    """
    convert = _CONVERSIONS[field.kind](field)

    def fit(value: Any) -> Any:
        if value is None or value is MISSING:
            if value is None and field.nullable:
                return None
            raise Unfit("required", "a value is required")
        if field.kind != "json" and (problem := problem_of(field, value)):
            raise Unfit("type", problem)
        return convert(value)

    return fit


def refusal_of(spec: ModelSpec, entities: Iterable[Any]) -> ValidationFailed | None:
    """Why the first unfit entity cannot be stored, with all of its unfit values.

    Args:
        spec: The model.
        entities: As they were given to the store.
    """
    for entity in entities:
        errors = [*_errors(spec, entity, "")]
        for child in spec.children:
            for number, row in enumerate(getattr(entity, child.name)):
                errors.extend(_errors(child.model, row, f"{child.name}.{number}."))
        if errors:
            return ValidationFailed(spec.qualified, tuple(errors))
    return None


def kept_of(spec: ModelSpec) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A function that makes of a snapshot, which holds fit values, what a database would give back of it.

    Args:
        spec: The model.
    """
    fits = {field.name: fit_of(field.stored) for field in spec.fields}
    children = {
        child.name: [(field.name, fit_of(field.stored)) for field in child.model.fields]
        for child in spec.children
    }
    further = [fit_of(field.stored) for extension in spec.extensions for field in extension.fields]
    names = spec.cls.__struct_fields__

    def kept(values: tuple[Any, ...]) -> tuple[Any, ...]:
        found: list[Any] = []
        for name, value in zip(names, values, strict=False):
            for child in value if name in children else ():
                for field, fit in children[name]:
                    setattr(child, field, fit(getattr(child, field)))
            found.append(fits[name](value) if name in fits else value)
        found.extend(fit(value) for fit, value in zip(further, values[len(names) :], strict=True))
        return tuple(found)

    return kept


def _errors(spec: ModelSpec, entity: Any, prefix: str) -> Iterable[FieldError]:
    for field in (declared.stored for declared in spec.all_fields):
        try:
            fit_of(field)(field.read(entity))
        except Unfit as unfit:
            yield FieldError(prefix + field.name, unfit.code, unfit.message, unfit.params)


def _text(field: FieldSpec) -> Fit:
    limit = field.max_length

    def convert(value: str) -> str:
        if limit is not None and len(value) > limit:
            raise Unfit("max_length", f"must have at most {limit} characters", limit=limit)
        # Not str(): an Enum that derives from str shows its name there.
        return value if type(value) is str else str.__str__(value)

    return convert


def _int(_: FieldSpec) -> Fit:
    def convert(value: int) -> int:
        if not INT_MIN <= value <= INT_MAX:
            raise Unfit("range", "must fit into 64 bits")
        return int(value)

    return convert


def _whole_digits(field: FieldSpec) -> int:
    return (field.precision or 18) - (field.scale or 0)


def _top(field: FieldSpec) -> Decimal:
    return Decimal((0, (1,), _whole_digits(field)))


def _unit(field: FieldSpec) -> Decimal:
    return Decimal((0, (1,), -(field.scale or 0)))


def _decimal(field: FieldSpec) -> Fit:
    scale, top = field.scale or 0, _top(field)
    unit = _unit(field)

    def convert(value: Decimal | int) -> Decimal:
        exact = Decimal(value)
        if exact.copy_abs() >= top:
            raise Unfit("precision", f"must be below 10^{_whole_digits(field)}")
        found = exact.quantize(unit, context=_EXACT)
        if found != exact:
            raise Unfit("scale", f"must have at most {scale} digits behind the point", scale=scale)
        return found or abs(found)  # no negative zero

    return convert


def _float(_: FieldSpec) -> Fit:
    def convert(value: float) -> float:
        if isinstance(value, int) and not -WHOLE <= value <= WHOLE:
            raise Unfit("range", "whole numbers beyond 2^53 are not exact here")
        return float(value) + 0.0

    return convert


def _datetime(_: FieldSpec) -> Fit:
    def convert(value: datetime) -> datetime:
        try:
            moved = value.astimezone(UTC)
        except OverflowError:
            raise Unfit("range", "must lie between the years 1 and 9999 in UTC") from None
        # Not a subclass: some drivers look for the very type.
        return moved if type(moved) is datetime else datetime.fromisoformat(moved.isoformat())

    return convert


def _date(_: FieldSpec) -> Fit:
    return lambda value: value if type(value) is date else date(value.year, value.month, value.day)


def _enum(field: FieldSpec) -> Fit:
    members: Any = field.type

    def convert(value: str) -> Any:
        try:
            return members(value)
        except ValueError:
            raise Unfit("range", f"must be one of {', '.join(members)}") from None

    return convert


def _json(_: FieldSpec) -> Fit:
    def convert(value: Any) -> Any:
        try:
            found = _decode(_encode(value))
        except (TypeError, ValueError, RecursionError):
            raise Unfit("type", "must be a JSON value") from None
        if not _is_finite(value):
            raise Unfit("finite", "must hold finite numbers only")
        return found

    return convert


def _is_finite(document: Any) -> bool:
    """Whether neither NaN nor an infinity is somewhere in it."""
    try:
        # The head of a float is this byte: where it is not, there is none, which is seen faster than by looking.
        if FLOAT not in _pack(document):
            return True
    except (OverflowError, TypeError):  # a whole number of more than 64 bits is none for MessagePack
        pass
    return _are_finite([document])


def _are_finite(waiting: list[Any]) -> bool:
    while waiting:
        part = waiting.pop()
        if isinstance(part, float):
            if not math.isfinite(part):
                return False
        elif isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting.extend(part)
    return True


def _as_it_is(_: FieldSpec) -> Fit:
    return lambda value: value


_CONVERSIONS: dict[str, Callable[[FieldSpec], Fit]] = {
    "str": _text,
    "text": _text,
    "int": _int,
    "bool": _as_it_is,
    "decimal": _decimal,
    "float": _float,
    "date": _date,
    "datetime": _datetime,
    "uuid": _as_it_is,
    "enum": _enum,
    "json": _json,
}
