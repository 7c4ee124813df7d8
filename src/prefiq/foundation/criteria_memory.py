"""Criteria to a closure: the same three-valued logic as SQL's, on the values of entities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prefiq.contracts import All, Any_, Compare, Criteria, Not
from prefiq.lowcode import ModelSpec
from prefiq.sql.criteria_values import SortKey, check_compare, check_size
from prefiq.sql.errors import CriteriaError

__all__ = ["Test", "in_order", "is_behind", "matcher"]

Test = Callable[[Any], bool | None]
"""True, false, or None for unknown."""

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


def matcher(spec: ModelSpec, criteria: Criteria | None) -> Callable[[Any], bool]:
    """Whether an entity is taken: only where the whole is true.

    Args:
        spec: The model.
        criteria: None takes every entity.

    Raises:
        CriteriaError: They do not fit the model.
    """
    if criteria is None:
        return lambda _: True
    check_size(spec, criteria)
    test = _test(spec, criteria)
    return lambda entity: test(entity) is True


def _test(spec: ModelSpec, criteria: Criteria) -> Test:
    match criteria:
        case Compare():
            return _compare(spec, criteria)
        case All():
            return _combined([_test(spec, term) for term in criteria.terms], decisive=False)
        case Any_():
            return _combined([_test(spec, term) for term in criteria.terms], decisive=True)
        case Not():
            return _negated(_test(spec, criteria.term))
    raise CriteriaError(spec.qualified, "", "That is no criteria")


def _combined(tests: list[Test], *, decisive: bool) -> Test:
    """All (false decides) or any (true decides); unknown where none decides and one is unknown."""

    def test(entity: Any) -> bool | None:
        unknown = False
        for term in tests:
            result = term(entity)
            if result is decisive:
                return decisive
            unknown = unknown or result is None
        return None if unknown else not decisive

    return test


def _negated(term: Test) -> Test:
    def test(entity: Any) -> bool | None:
        result = term(entity)
        return None if result is None else not result

    return test


def _compare(spec: ModelSpec, term: Compare) -> Test:
    name = check_compare(spec, term).name
    given: Any = term.value
    if term.operator == "isnull":
        return lambda entity: (getattr(entity, name) is None) is given
    if term.operator in {"in", "nin"}:
        member = _member(name, given)
        return member if term.operator == "in" else _negated(member)
    if given is None:
        return lambda _: None
    compare = _COMPARISONS[term.operator]

    def test(entity: Any) -> bool | None:
        value = getattr(entity, name)
        return None if value is None else compare(value, given)

    return test


def _member(name: str, given: Iterable[Any]) -> Test:
    members = list(given)
    has_null = any(member is None for member in members)

    def test(entity: Any) -> bool | None:
        if not members:
            return False
        value = getattr(entity, name)
        if value is None:
            return None
        if any(member is not None and value == member for member in members):
            return True
        return None if has_null else False

    return test


def in_order(entities: Iterable[Any], keys: tuple[SortKey, ...]) -> list[Any]:
    """The entities sorted, NULL smaller than every value."""
    ordered = list(entities)
    for key in reversed(keys):  # sorting is stable: the last key first
        name = key.field.name
        ordered.sort(key=_ranked(name), reverse=key.descending)
    return ordered


def _ranked(name: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda entity: _rank(getattr(entity, name))


def is_behind(entity: Any, keys: tuple[SortKey, ...], after: tuple[Any, ...]) -> bool:
    """Whether the entity comes after a keyset in this order."""
    for key, given in zip(keys, after, strict=True):
        value, limit = _rank(getattr(entity, key.field.name)), _rank(given)
        if value != limit:
            return (value > limit) is not key.descending
    return False


def _rank(value: Any) -> tuple[Any, ...]:
    return (0,) if value is None else (1, value)
