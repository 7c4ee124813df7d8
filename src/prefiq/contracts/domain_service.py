"""``IDomainService``: the use cases of one model (the owner's earlier name: IService)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from typing_extensions import ParamSpec

from prefiq.contracts.criteria import Criteria
from prefiq.contracts.paging import Page, PagedResult

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["HistoryRecord", "IAction", "IDomainService"]

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
P = ParamSpec("P")


class IAction(Protocol[E_co, P]):
    """A declared use case of one entity, as ``Project.close`` is; made by ``transition`` or ``action``."""

    @property
    def name(self) -> str:
        """The attribute's name, for example ``"close"``."""
        ...

    def _takes(self, *args: P.args, **kwargs: P.kwargs) -> E_co: ...


class IDomainService(Protocol[E]):
    """The use cases of a model; each authorises, checks, writes and records in one transaction."""

    def create(self, entity: E, /) -> E:
        """Check and store a new entity.

        Raises:
            prefiq.contracts.errors.Forbidden: The actor may not create.
            prefiq.contracts.errors.ValidationFailed: Values do not meet the declaration.
            prefiq.sql.errors.UniqueViolation: A value that must be unique is taken.
        """
        ...

    def create_many(self, entities: Sequence[E], /) -> int:
        """``create`` for many, all or none; returns how many."""
        ...

    def get(self, id: UUID, /) -> E:
        """The entity.

        Raises:
            prefiq.contracts.errors.NotFound: Missing, foreign or hidden.
        """
        ...

    def list(self, page: Page = ..., where: Criteria | None = None) -> PagedResult[E]:
        """A part of the entities that the actor may see."""
        ...

    def update(self, entity: E, /) -> E:
        """Check and store what changed since the entity was loaded.

        Raises:
            prefiq.contracts.errors.ConcurrencyError: It was changed by somebody else.
        """
        ...

    def delete(self, id: UUID, /, *, version: int | None = None) -> None:
        """Remove the entity; with ``version``, only if it still has that one.

        Raises:
            prefiq.contracts.errors.ConcurrencyError: It has another version.
        """
        ...

    def run(self, action: IAction[E, P], target: UUID | E, /, *args: P.args, **kwargs: P.kwargs) -> E:
        """Run a declared action: ``service.run(Project.close, id, reason="done")``.

        Args:
            action: As declared, for example ``Project.close``.
            target: The entity's id, for the entity as it is when the action runs; or the entity as it was
                read, which must not have changed since.
            args: What the action takes.
            kwargs: What the action takes.

        Raises:
            prefiq.contracts.errors.IllegalTransition: Not possible in the present state.
            prefiq.contracts.errors.Refused: A domain rule says no.
            prefiq.contracts.errors.ConcurrencyError: An entity was given, and somebody else changed it.
        """
        ...

    def history(self, id: UUID, /) -> Sequence[HistoryRecord]:
        """Who did what to this entity, oldest first."""
        ...


class HistoryRecord(Protocol):
    """One entry of an entity's history.

    Attributes:
        at: When, in UTC.
        actor: Who: the actor's id.
        actor_name: The same for people; may be empty.
        action: ``"created"``, ``"updated"``, ``"deleted"``, or the name of an action.
        entity_version: The entity's version after it.
        changes: Field → [before, after], as JSON values.
        arguments: What the action was given, as JSON values.
    """

    at: datetime
    actor: str
    actor_name: str
    action: str
    entity_version: int
    changes: dict[str, Any]
    arguments: dict[str, Any]
