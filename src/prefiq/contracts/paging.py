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

    Raises:
        ValueError: No list has such a part; what a request asks for is checked before.
    """

    limit: int = 50
    offset: int = 0
    after: tuple[object, ...] | None = None
    sort: tuple[str, ...] = ()
    count: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1:  # SQLite takes a negative limit for none
            raise ValueError("limit must be 1 or more")
        if self.offset < 0 or (self.offset and self.after is not None):
            raise ValueError("offset must be 0 or more, and 0 with after")
        sort: object = self.sort
        if isinstance(sort, str):
            raise TypeError('sort must be a tuple of names: sort=("code",)')


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
