"""Criteria to a closure: the same three-valued logic as SQL's, on the values of entities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from prefiq.contracts import All, Any_, Compare, Criteria, Not
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.sql.criteria_values import SortKey, check_compare, check_size, compared
from prefiq.sql.errors import CriteriaError

__all__ = ["Test", "in_order", "is_behind", "matcher", "reader_of"]

Test = Callable[[Any], bool | None]
"""True, false, or None for unknown."""


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
    read = reader_of(check_compare(spec, term))
    operator, given = term.operator, term.value
    return lambda entity: compared(operator, read(entity), given)


def reader_of(field: FieldSpec) -> Callable[[Any], Any]:
    """A function that takes the field's value of an entity."""
    return attrgetter(field.name) if field.owner is None else field.read


def in_order(entities: Iterable[Any], keys: tuple[SortKey, ...]) -> list[Any]:
    """The entities sorted, NULL smaller than every value."""
    ordered = list(entities)
    for key in reversed(keys):  # sorting is stable: the last key first
        ordered.sort(key=_ranked(reader_of(key.field)), reverse=key.descending)
    return ordered


def _ranked(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda entity: _rank(read(entity))


def is_behind(entity: Any, keys: tuple[SortKey, ...], after: tuple[Any, ...]) -> bool:
    """Whether the entity comes after a keyset in this order."""
    for key, given in zip(keys, after, strict=True):
        value, limit = _rank(key.field.read(entity)), _rank(given)
        if value != limit:
            return (value > limit) is not key.descending
    return False


def _rank(value: Any) -> tuple[Any, ...]:
    return (0,) if value is None else (1, value)
