"""What every store of entities does alike, whatever it keeps them in: it is made of ``list``."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from prefiq.contracts import Compare, Criteria, Page, PagedResult
from prefiq.foundation.for_model import ForModel
from prefiq.lowcode import ModelSpec
from prefiq.sql.criteria_values import field_of
from prefiq.sql.errors import CriteriaError

__all__ = ["Repository"]

E = TypeVar("E")


class Repository(ForModel[E]):
    """The store of one model; ``RepositoryQuery`` and ``RepositoryMemory`` are the two kinds."""

    if TYPE_CHECKING:

        @property
        def spec(self) -> ModelSpec:
            """The model's declaration."""
            ...

        def list(self, page: Page = Page(), where: Criteria | None = None) -> PagedResult[E]:  # noqa: B008
            """A part of the entities that match, sorted."""
            ...

    def get_by(self, field: str, value: object, /) -> E | None:
        """The entity whose unique field has this value, or None.

        Raises:
            CriteriaError: The field is not unique.
        """
        if field != "id" and not field_of(self.spec, field).unique:
            raise CriteriaError(self.spec.qualified, field, "The field is not unique")
        found = self.list(Page(limit=1, sort=("id",)), Compare(field, "eq", value)).items
        return found[0] if found else None

    @property
    def _no_id(self) -> CriteriaError:
        return CriteriaError(self.spec.qualified, "id", "An id is a UUID")

    def _different(self, ids: Iterable[UUID]) -> builtins.list[UUID]:
        """Each id once, in their order; drivers take other things for ids, and each its own."""
        found = list(dict.fromkeys(ids))
        if not all(isinstance(id, UUID) for id in found):
            raise self._no_id
        return found

    def stream(self, where: Criteria | None = None, batch: int = 1000) -> Iterator[Sequence[E]]:
        """All entities that match, in batches by id; each batch is read when it is asked for.

        No row comes twice, and none that is there from the beginning to the end is left out, whatever is
        written meanwhile; memory and time for a batch do not depend on how many came before.
        """
        after: tuple[object, ...] | None = None
        while True:
            result = self.list(Page(limit=batch, after=after, sort=("id",)), where)
            if result.items:
                yield result.items
            after = result.next
            if after is None:
                return
