"""One value for "which rows": used by API filters, row policies, the memory store and SQL.

It is compiled to SQL in ``sql``, to a closure in memory, and parsed from a query string in ``web``.  The
three agree on SQL's three-valued logic: a comparison with NULL is neither true nor false, and a row is
taken only where the whole is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NoReturn, TypeAlias, get_args

__all__ = ["All", "Any_", "Compare", "Criteria", "Not", "Operator", "where"]

Operator: TypeAlias = Literal[
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "isnull", "contains", "icontains", "startswith"
]
OPERATORS: Final = frozenset(get_args(Operator))


class _Combinable:
    __slots__ = ()

    def __and__(self, other: Criteria) -> Criteria:
        return All((*_terms(self, All), *_terms(other, All)))

    def __or__(self, other: Criteria) -> Criteria:
        return Any_((*_terms(self, Any_), *_terms(other, Any_)))

    def __invert__(self) -> Criteria:
        return Not(self)  # type: ignore[arg-type]

    def __bool__(self) -> NoReturn:
        # `a and b` would silently be `b`: half of a row policy.
        raise TypeError("write & for and, | for or, ~ for not; compare with None to see whether there is any")


@dataclass(frozen=True, slots=True)
class Compare(_Combinable):
    """``field operator value``.

    Args:
        field: Name of a declared field, or ``"id"``.
        operator: See ``Operator``; ``in`` and ``nin`` take a tuple, ``isnull`` a bool.
        value: Of the field's type.
    """

    field: str
    operator: Operator
    value: object


@dataclass(frozen=True, slots=True)
class All(_Combinable):
    """True where every term is; an empty one is true."""

    terms: tuple[Criteria, ...]


@dataclass(frozen=True, slots=True)
class Any_(_Combinable):  # noqa: N801  `Any` means something else to every reader
    """True where one term is; an empty one is false."""

    terms: tuple[Criteria, ...]


@dataclass(frozen=True, slots=True)
class Not(_Combinable):
    """True where the term is false; unknown where it is unknown."""

    term: Criteria


Criteria: TypeAlias = Compare | All | Any_ | Not


def _terms(criteria: _Combinable, kind: type[All | Any_]) -> tuple[Criteria, ...]:
    # Kept flat: a chain of a thousand terms must not become a nest a thousand deep.
    return criteria.terms if isinstance(criteria, kind) else (criteria,)  # type: ignore[return-value]


def where(**terms: object) -> Criteria:
    """Criteria from keywords: ``where(stage=Stage.ACTIVE, budget__gte=Decimal(10))``.

    Args:
        terms: ``field=value`` or ``field__operator=value``; all must hold.

    Raises:
        ValueError: There is no such operator.
    """
    compared: list[Criteria] = []
    for key, value in terms.items():
        field, _, operator = key.partition("__")
        operator = operator or "eq"
        if operator not in OPERATORS:
            raise ValueError(
                f"{key}: there is no operator {operator}; there are {', '.join(get_args(Operator))}"
            )
        if operator in {"in", "nin"} and isinstance(value, (list, set, frozenset)):
            value = tuple(value)
        compared.append(Compare(field, operator, value))  # type: ignore[arg-type]
    return compared[0] if len(compared) == 1 else All(tuple(compared))
