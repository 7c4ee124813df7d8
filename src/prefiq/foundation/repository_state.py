"""What a store remembers in an entity, and how it is put back when a transaction is undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Context, Decimal
from typing import Any

from prefiq.contracts import FieldError, ITransactions, ValidationFailed
from prefiq.foundation.entity import check_status, loaded
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.values import INT_MAX, INT_MIN, BadValue, clean_json
from prefiq.sql.criteria_values import problem_of

__all__ = ["StatusCheck", "mark_stored", "refusal_of", "restore_on_rollback"]

_WIDE = Context(prec=60)


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


def restore_on_rollback(transactions: ITransactions, entities: Iterable[Any]) -> None:
    """If the open transaction is undone, put back what the entities remember now."""
    if not transactions.in_transaction:
        return
    before = [
        (entity, entity.version, getattr(entity, "_loaded", None), getattr(entity, "_moves", None))
        for entity in entities
    ]

    def restore() -> None:
        for entity, version, values, moves in before:
            mark_stored(entity, version, values)
            if moves is not None:  # the very list: what was stored got another one
                entity._moves = moves

    transactions.on_rollback(restore)


def refusal_of(spec: ModelSpec, entities: Iterable[Any]) -> ValidationFailed | None:
    """Why the first unfit entity cannot be stored: values that are missing or not of their field's type.

    Lengths and bounds are the service's to check, not a store's.

    Args:
        spec: The model.
        entities: As they were given to the store.
    """
    for entity in entities:
        errors = [*_errors(spec, entity, "")]
        for child in spec.children:
            for number, row in enumerate(getattr(entity, child.name)):
                errors.extend(_errors(child.model, row, f"{child.name}.{number}."))
        if errors:
            return ValidationFailed(spec.qualified, tuple(errors))
    return None


def _errors(spec: ModelSpec, entity: Any, prefix: str) -> Iterator[FieldError]:
    for field in (declared.stored for declared in spec.all_fields):
        value = field.read(entity)
        if value is None or value is MISSING:
            if value is MISSING or not field.nullable:
                yield FieldError(prefix + field.name, "required", "a value is required")
        elif field.kind == "json":
            try:
                clean_json(value)
            except BadValue as bad:
                yield FieldError(prefix + field.name, bad.code, bad.message, bad.params)
        elif problem := problem_of(field, value):
            yield FieldError(prefix + field.name, "type", problem)
        elif not _fits(field, value):
            yield FieldError(prefix + field.name, "range", "the column cannot hold the value exactly")


def _fits(field: FieldSpec, value: Any) -> bool:
    if field.kind == "decimal":
        scaled = Decimal(value).scaleb(field.scale or 0, _WIDE)
        return bool(scaled == int(scaled) and abs(scaled) <= INT_MAX)
    if field.kind == "int":
        return bool(INT_MIN <= value <= INT_MAX)
    if field.kind == "enum":
        return str(value) in set(field.type)
    return True
