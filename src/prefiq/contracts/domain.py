"""``IDomain``: a store of one model's entities, of one tenant (the owner's earlier name: IRepository)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from prefiq.contracts.criteria import Criteria
from prefiq.contracts.paging import Page, PagedResult

__all__ = ["IDomain"]

E = TypeVar("E")


class IDomain(Protocol[E]):
    """A store of entities.  It keeps rows and versions; rules and permissions are the service's.

    ``IDomain[Project]`` is bound for every model; a hand-written store extends it.

    In a transaction, a value that is refused (``UniqueViolation``, ``ForeignKeyViolation``,
    ``ValidationFailed``) fails the transaction: only its end by an exception is left.  What may be refused and
    shall not matter stands in a nested ``tx()``.
    """

    def get_by_id(self, id: UUID, /) -> E:
        """The entity.

        Raises:
            prefiq.contracts.errors.NotFound: No such row in this tenant.
        """
        ...

    def get_by(self, field: str, value: object, /) -> E | None:
        """The entity whose unique field has this value, or None; ``get_by_<field>`` is derived from it."""
        ...

    def get_many(self, ids: Iterable[UUID], /) -> dict[UUID, E]:
        """The entities with these ids; missing ones are left out."""
        ...

    def list(self, page: Page = ..., where: Criteria | None = None) -> PagedResult[E]:
        """A part of the entities that match, sorted."""
        ...

    def count(self, where: Criteria | None = None) -> int:
        """How many entities match."""
        ...

    def stream(self, where: Criteria | None = None, batch: int = 1000) -> Iterator[Sequence[E]]:
        """All entities that match, in batches, with constant memory."""
        ...

    def save(self, entity: E, /) -> E:
        """Insert; the entity's version becomes 1.

        Raises:
            prefiq.contracts.errors.UniqueViolation: Another row has a value that must be unique.
        """
        ...

    def save_many(self, entities: Sequence[E], /) -> None:
        """Insert all or none; a transaction that is open can go on without them."""
        ...

    def update(self, entity: E, /) -> E:
        """Write what changed since it was loaded; the version rises by 1.

        Raises:
            prefiq.contracts.errors.ConcurrencyError: The row is gone or has another version.
        """
        ...

    def delete(self, entity: E, /) -> None:
        """Remove the row (or mark it, where the model deletes softly).

        Raises:
            prefiq.contracts.errors.ConcurrencyError: The row is gone or has another version.
        """
        ...
