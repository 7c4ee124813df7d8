"""Which part of a list is wanted, and the part that came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Page", "PagedResult"]

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that is wanted.

    Args:
        limit: How many rows at most, 1 or more.
        offset: How many rows to leave out first; 0 with ``after``.
        after: Keyset: the sort values and the id of the row before the wanted ones, as ``PagedResult.next``
            gave them; None for the first page or with ``offset``.
        sort: Field names, ``-name`` for descending; empty for the model's ``order_by``.  NULL is smaller
            than every value.  The id is always the last key, so an order is total.
        count: Whether to count all rows that match.
    """

    limit: int = 50
    offset: int = 0
    after: tuple[object, ...] | None = None
    sort: tuple[str, ...] = ()
    count: bool = False


@dataclass(frozen=True, slots=True)
class PagedResult(Generic[E]):
    """One part of a list.

    Args:
        items: The rows, in order.
        next: Keyset of the last row where more follow, else None; give it to ``Page.after``.
        total: How many rows match in all, where counting was asked for.
    """

    items: list[E]
    next: tuple[object, ...] | None = None
    total: int | None = None
