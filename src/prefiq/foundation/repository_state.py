"""What a store remembers in an entity, and how it is put back when a transaction is undone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prefiq.contracts import ITransactions
from prefiq.foundation.entity import check_status, loaded
from prefiq.lowcode import ModelSpec

__all__ = ["StatusCheck", "mark_stored", "restore_on_rollback"]


class StatusCheck:
    """Refuses a status that no action explains; free for a model without one.

    Args:
        spec: The model.
    """

    __slots__ = ("_field", "_initial", "_model")

    def __init__(self, spec: ModelSpec) -> None:
        self._field = spec.status.field if spec.status is not None else ""
        self._initial = spec.field(self._field).default if self._field else None
        self._model = spec.qualified

    def check(self, entity: Any) -> None:
        """Nothing, or an error.

        Raises:
            prefiq.contracts.IllegalTransition: The status was assigned directly.
        """
        if self._field:
            check_status(entity, self._field, self._initial, self._model)

    def check_new(self, entities: Iterable[Any]) -> None:
        """The same for entities that are about to be inserted."""
        field = self._field
        if not field:
            return
        initial = self._initial
        for entity in entities:
            # A new entity is nearly always in its first state.
            if getattr(entity, field) is not initial or loaded(entity) is not None:
                check_status(entity, field, initial, self._model)


def mark_stored(entity: Any, version: int | None, values: tuple[Any, ...] | None) -> None:
    """Take version and snapshot as what is stored now; no moves are left to explain."""
    if version is not None:
        entity.version = version
    entity._loaded = values
    entity._moves = []


def restore_on_rollback(transactions: ITransactions, entities: Iterable[Any], *, moving: bool = True) -> None:
    """If the open transaction is undone, put back what the entities remember now.

    Args:
        transactions: Of the scope.
        entities: That are about to be taken as stored.
        moving: Whether their model has a status; without one there are no moves.
    """
    if not transactions.in_transaction:
        return
    # To ask for what a slot does not hold takes longer than all the rest: a new entity has no snapshot.
    before = [
        (
            entity,
            version,
            getattr(entity, "_loaded", None) if version else None,
            getattr(entity, "_moves", None) if moving else None,
        )
        for entity in entities
        for version in (entity.version,)
    ]

    def restore() -> None:
        for entity, version, values, moves in before:
            mark_stored(entity, version, values)
            if moves is not None:  # the very list: what was stored got another one
                entity._moves = moves

    transactions.on_rollback(restore)
