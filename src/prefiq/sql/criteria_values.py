"""What criteria may say of a model: one check for SQL and for the memory store.

A value of another type would be compared by each engine in its own way; here it is refused, alike everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from prefiq.contracts import All, Any_, Compare, Criteria, Not, Page
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.lowcode.model_spec import SORTABLE
from prefiq.sql.errors import CriteriaError

__all__ = [
    "SortKey",
    "check_after",
    "check_compare",
    "check_size",
    "compared",
    "field_of",
    "ordering_keys",
    "problem_of",
    "sort_keys",
]

MOST_VALUES = 10_000
MOST_TERMS = 500
MOST_DEPTH = 50

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "text": (str,),
    "enum": (str,),
    "int": (int,),
    "bool": (bool,),
    "decimal": (Decimal, int),
    "float": (float, int),
    "date": (date,),
    "datetime": (datetime,),
    "uuid": (UUID,),
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, given: bool(value == given),
    "ne": lambda value, given: bool(value != given),
    "gt": lambda value, given: bool(value > given),
    "gte": lambda value, given: bool(value >= given),
    "lt": lambda value, given: bool(value < given),
    "lte": lambda value, given: bool(value <= given),
    "contains": lambda value, given: given in str(value),
    "icontains": lambda value, given: given.lower() in str(value).lower(),
    "startswith": lambda value, given: str(value).startswith(given),
}
_TEXTS = frozenset({"str", "text", "enum"})
_WORDS = frozenset({"contains", "icontains", "startswith"})
_ORDERS = frozenset({"gt", "gte", "lt", "lte"})
_OPERATORS = frozenset({"eq", "ne", "in", "nin", "isnull"}) | _WORDS | _ORDERS
_ID = FieldSpec("id", "uuid", UUID)
_VERSION = FieldSpec("version", "int", int)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order.

    Args:
        field: The field.
        descending: Whether great values come first.
    """

    field: FieldSpec
    descending: bool


def field_of(spec: ModelSpec, name: str) -> FieldSpec:
    """The field with this name, ``id`` and ``version`` included.

    Raises:
        CriteriaError: The model has none.
    """
    if name == "id":
        return _ID
    if name == "version" and not spec.parent:
        return _VERSION
    for candidate in spec.all_fields:
        if candidate.name == name:
            return candidate.stored
    raise CriteriaError(spec.qualified, name, "The model has no such field")


def check_compare(spec: ModelSpec, term: Compare) -> FieldSpec:
    """The term's field, once its operator and value are seen to fit.

    Raises:
        CriteriaError: They do not.
    """
    field = field_of(spec, term.field)

    def wrong(problem: str) -> CriteriaError:
        return CriteriaError(spec.qualified, term.field, problem)

    if term.operator not in _OPERATORS:
        raise wrong("There is no such operator")
    if term.operator == "isnull":
        if not isinstance(term.value, bool):
            raise wrong("isnull takes true or false")
        return field
    if field.kind not in _TYPES:
        raise wrong(f"A {field.kind} field can only be compared by isnull")
    if term.operator in _WORDS and field.kind not in _TEXTS:
        raise wrong(f"{term.operator} is for texts")
    if term.operator in {"in", "nin"}:
        if not isinstance(term.value, (tuple, list, set, frozenset)):
            raise wrong(f"{term.operator} takes several values")
        if len(term.value) > MOST_VALUES:
            raise wrong(f"{term.operator} takes at most {MOST_VALUES} values")
        values: Any = term.value
    else:
        values = (term.value,)
    for value in values:
        if value is not None:
            problem = problem_of(field, value)
            if problem:
                raise wrong(problem)
    return field


def compared(operator: str, value: Any, given: Any) -> bool | None:
    """What a comparison is for one value, as SQL has it: true, false, or None for unknown.

    Args:
        operator: As in ``Compare``.
        value: The field's; None for an empty one.
        given: What it is compared with, which was seen to fit.
    """
    if operator == "isnull":
        return (value is None) is given
    if operator in {"in", "nin"}:
        found = _member(value, given)
        return found if operator == "in" or found is None else not found
    if value is None or given is None:
        return None
    return _COMPARISONS[operator](value, given)


def _member(value: Any, given: Any) -> bool | None:
    members = list(given)
    if not members:
        return False
    if value is None:
        return None
    if any(member is not None and value == member for member in members):
        return True
    return None if None in members else False


def problem_of(field: FieldSpec, value: Any) -> str:
    """What keeps a value from being one of the field's, one sentence; empty where nothing does."""
    kind = field.kind
    fits: bool = isinstance(value, _TYPES[kind])
    if not fits or (isinstance(value, bool) and kind != "bool"):
        return f"The value is not of the field's type, {field.annotation or kind}"
    if kind == "date" and isinstance(value, datetime):
        return "The value is an instant, not a date"
    if kind == "datetime" and value.utcoffset() is None:
        return "An instant needs a time zone"
    if kind == "decimal" and isinstance(value, Decimal) and not value.is_finite():
        return "The value is not a finite number"
    if kind == "float" and not _is_finite(value):
        return "The value is not a finite number"
    if kind in _TEXTS and not _is_clean(value):
        return "A text holds neither NUL nor surrogates"
    return ""


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _is_clean(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def sort_keys(spec: ModelSpec, page: Page) -> tuple[SortKey, ...]:
    """The keys of a page's order; the id is always the last one, in the direction of the one before.

    So an index serves both directions: it holds the id behind its own columns, or is followed by it.

    Raises:
        CriteriaError: A key is no field, or has no order.
    """
    keys: list[SortKey] = []
    for name in page.sort or spec.order_by:
        plain = name.removeprefix("-")
        field = field_of(spec, plain)
        if field.kind not in SORTABLE:
            raise CriteriaError(spec.qualified, plain, f"A {field.kind} field has no order")
        if any(key.field.name == plain for key in keys):
            continue
        keys.append(SortKey(field, name.startswith("-")))
        if plain == "id":
            return tuple(keys)
    return (*keys, SortKey(_ID, bool(keys) and keys[-1].descending))


def ordering_keys(spec: ModelSpec, keys: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
    """The keys that make the order: those up to a unique index, whose fields tell the rows apart already.

    MariaDB sorts all rows by itself where a key follows that its index cannot know to be needless.
    """
    names: set[str] = set()
    for count, key in enumerate(keys, 1):
        names.add(key.field.name)
        if any(
            index.unique
            and names.issuperset(index.fields)
            # Of NULL there may be many.
            and not any(spec.field(name).column_nullable for name in index.fields)
            for index in spec.all_indexes
        ):
            return keys[:count]
    return keys


def check_after(spec: ModelSpec, keys: tuple[SortKey, ...], after: tuple[object, ...]) -> None:
    """Nothing, or an error.

    Raises:
        CriteriaError: The keyset does not belong to this order.
    """
    if len(after) != len(keys):
        raise CriteriaError(spec.qualified, "", "The cursor belongs to another order")
    for key, value in zip(keys, after, strict=True):
        if value is None:
            if not key.field.nullable:
                raise CriteriaError(spec.qualified, key.field.name, "The cursor belongs to another order")
        elif problem_of(key.field, value):
            raise CriteriaError(spec.qualified, key.field.name, "The cursor belongs to another order")


def check_size(spec: ModelSpec, criteria: Criteria) -> None:
    """Nothing, or an error: engines limit the depth of an expression, a chain of AND included.

    Raises:
        CriteriaError: There are too many terms, or they are nested too deeply.
    """
    count = 0
    waiting: list[tuple[Criteria, int]] = [(criteria, 1)]
    while waiting:
        term, depth = waiting.pop()
        count += 1
        if depth > MOST_DEPTH:
            raise CriteriaError(spec.qualified, "", f"Criteria nest at most {MOST_DEPTH} levels deep")
        if count > MOST_TERMS:
            raise CriteriaError(spec.qualified, "", f"Criteria have at most {MOST_TERMS} terms")
        if isinstance(term, (All, Any_)):
            waiting.extend((inner, depth + 1) for inner in term.terms)
        elif isinstance(term, Not):
            waiting.append((term.term, depth + 1))
