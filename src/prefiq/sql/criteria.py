"""Criteria to SQL: a shape that is compiled once, and the values of each use.

``Shape`` is what two criteria share that differ in values only; it is the key of compiled plans.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

import sqlalchemy as sa

from prefiq.contracts import All, Any_, Compare, Criteria, Not
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.sql.criteria_values import SortKey, check_compare, check_size, compared
from prefiq.sql.dialects.engine import DatabaseEngine
from prefiq.sql.errors import CriteriaError

__all__ = [
    "Bind",
    "Shape",
    "after_expression",
    "after_shape",
    "criteria_expression",
    "expression",
    "key_column",
    "shape_of",
]

Shape = tuple[Any, ...]
Bind = Callable[[Any], Any]
"""Makes the bound value for the next value of a shape, of the type of the given column."""

_WIDE = Context(prec=60)
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_FLOORED = {"gt": "gt", "gte": "gt", "lt": "lte", "lte": "lte"}


def shape_of(spec: ModelSpec, criteria: Criteria | None) -> tuple[Shape, list[Any]]:
    """The shape of criteria, and its values in order.

    Raises:
        CriteriaError: They do not fit the model.
    """
    values: list[Any] = []
    if criteria is None:
        return ("all",), values
    check_size(spec, criteria)
    return _shape(spec, criteria, values), values


def _shape(spec: ModelSpec, criteria: Criteria, values: list[Any]) -> Shape:
    match criteria:
        case Compare():
            return _shape_of_compare(spec, criteria, values)
        case All():
            return ("all", *(_shape(spec, term, values) for term in criteria.terms))
        case Any_():
            return ("any", *(_shape(spec, term, values) for term in criteria.terms))
        case Not():
            return ("not", _shape(spec, criteria.term, values))
    raise CriteriaError(spec.qualified, "", "That is no criteria")


def _shape_of_compare(spec: ModelSpec, term: Compare, values: list[Any]) -> Shape:
    field = check_compare(spec, term)
    if field.reads_null:
        return _shape_with_default(field, term, values)
    return _shape_of_column(field, term, values)


def _shape_with_default(field: FieldSpec, term: Compare, values: list[Any]) -> Shape:
    """The comparison of an extension's field whose NULL reads as its default; an index still serves."""
    if term.operator == "isnull":
        return ("any",) if term.value else ("all",)
    shape = _shape_of_column(field, term, values)
    verdict = compared(term.operator, field.absent(), term.value)
    if verdict is None:
        return shape
    return ("any", shape, ("null", field.column)) if verdict else ("all", shape, ("present", field.column))


def _shape_of_column(field: FieldSpec, term: Compare, values: list[Any]) -> Shape:
    name, value = field.column, term.value
    operator: str = term.operator
    if operator == "isnull":
        return ("null" if value else "present", name)
    if operator in {"in", "nin"}:
        return _shape_of_in(field, operator, value, values)
    if value is None:
        return ("unknown",)
    operator, value, constant = _storable(field, operator, value)
    if constant is not None:
        # Every value of the field compares alike; NULL stays unknown.
        return ("known", name, constant)
    if operator == "icontains":
        value = value.lower()
    values.append(value)
    return (operator, name)


def _shape_of_in(field: FieldSpec, operator: str, given: Any, values: list[Any]) -> Shape:
    members = list(given)
    if not members:
        return ("any",) if operator == "in" else ("all",)
    has_null = any(member is None for member in members)
    stored = [_storable(field, "eq", member) for member in members if member is not None]
    usable = [value for _, value, constant in stored if constant is None]
    values.extend(usable)
    shape: Shape = ("in", field.column, len(usable)) if usable else ("known", field.column, False)
    if has_null:
        shape = ("any", shape, ("unknown",))
    return shape if operator == "in" else ("not", shape)


def _storable(field: FieldSpec, operator: str, value: Any) -> tuple[str, Any, bool | None]:
    """Operator and value that the column can hold, or what the comparison is for every value of the field.

    A decimal with more digits than the column, or a number beyond it, is equal to no stored value; the
    order is kept by comparing with the nearest one.
    """
    if field.kind == "decimal":
        number = value if isinstance(value, Decimal) else Decimal(value)
        scale = field.scale or 0
        lower, upper = Decimal(_INT_MIN).scaleb(-scale, _WIDE), Decimal(_INT_MAX).scaleb(-scale, _WIDE)
        if not lower <= number <= upper:
            return operator, value, _beyond(operator, above=number > 0)
        floor = number.quantize(Decimal(1).scaleb(-scale), ROUND_FLOOR, _WIDE)
        if floor == number:
            return operator, floor, None
        if operator in {"eq", "ne"}:
            return operator, value, operator == "ne"
        if floor < lower:
            return operator, value, _beyond(operator, above=False)
        return _FLOORED[operator], floor, None
    if field.kind == "int" and not _INT_MIN <= value <= _INT_MAX:
        return operator, value, _beyond(operator, above=value > 0)
    if field.kind == "float":
        return operator, float(value), None
    return operator, value, None


def _beyond(operator: str, *, above: bool) -> bool:
    if operator in {"eq", "ne"}:
        return operator == "ne"
    return (operator in {"lt", "lte"}) == above


def expression(shape: Shape, table: Any, engine: DatabaseEngine, bind: Bind) -> Any:
    """The shape as an expression of SQLAlchemy.

    Args:
        shape: From ``shape_of``.
        table: Whose columns are meant.
        engine: How texts are searched.
        bind: Called for each value, in order.
    """
    head = shape[0]
    if head == "all":
        return sa.and_(sa.true(), *(expression(term, table, engine, bind) for term in shape[1:]))
    if head == "any":
        return sa.or_(sa.false(), *(expression(term, table, engine, bind) for term in shape[1:]))
    if head == "not":
        return sa.not_(expression(shape[1], table, engine, bind).self_group())
    if head == "unknown":
        # PostgreSQL takes nothing but a truth value, and MariaDB casts to none.
        return sa.cast(sa.null(), sa.Integer()) == sa.cast(sa.null(), sa.Integer())
    column = table.c[shape[1]]
    if head == "known":
        same = table.c[shape[1]]  # true or false for every value, unknown for NULL
        return (column == same) if shape[2] else (column != same)
    if head in {"null", "present"}:
        return column.is_(None) if head == "null" else column.is_not(None)
    if head == "in":
        return column.in_([bind(column) for _ in range(shape[2])])
    value = bind(column)
    if head in {"contains", "icontains"}:
        return engine.contains(column, value, fold=head == "icontains")
    if head == "startswith":
        return engine.startswith(column, value)
    return _COMPARISONS[head](column, value)


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


def after_shape(after: tuple[object, ...]) -> tuple[bool, ...]:
    """Which values of a keyset are NULL: the only thing that its expression depends on."""
    return tuple(value is None for value in after)


def after_expression(keys: tuple[SortKey, ...], nulls: tuple[bool, ...], table: Any, binds: list[Any]) -> Any:
    """Rows behind a keyset, NULL smaller than every value.

    Args:
        keys: The order.
        nulls: Which values of the keyset are NULL.
        table: Whose columns are meant.
        binds: A bound value for each key; not used where it is NULL.
    """
    behind: list[Any] = []
    same: list[Any] = []
    for key, is_null, value in zip(keys, nulls, binds, strict=True):
        column = key_column(key, table)
        if is_null:
            # Nothing is smaller than NULL, every value is greater.
            further = None if key.descending else column.is_not(None)
            equal = column.is_(None)
        elif key.descending:
            further = sa.or_(column < value, column.is_(None)) if key.field.nullable else column < value
            equal = column == value
        else:
            further = column > value
            equal = column == value
        if further is not None:
            behind.append(sa.and_(*same, further) if same else further)
        same.append(equal)
    return sa.or_(sa.false(), *behind)


def key_column(key: SortKey, table: Any) -> Any:
    """What a list is sorted by: the column, or the default where an extension's column is NULL."""
    column = table.c[key.field.column]
    if not key.field.reads_null:
        return column
    return sa.func.coalesce(column, sa.literal(key.field.absent(), column.type), type_=column.type)


def criteria_expression(spec: ModelSpec, criteria: Criteria, table: Any, engine: DatabaseEngine) -> Any:
    """Criteria as an expression with its values in it, for statements written by hand.

    Raises:
        CriteriaError: They do not fit the model.
    """
    shape, values = shape_of(spec, criteria)
    remaining = iter(values)
    return expression(shape, table, engine, lambda column: sa.literal(next(remaining), column.type))
