"""``ModelMeta``: a model's options, and the way from a class to its frozen ``ModelSpec``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from prefiq.errors import Faults, PrefiqError
from prefiq.lowcode.model_spec import IndexSpec, ModelSpec

__all__ = ["ModelMeta", "index", "unique", "validator"]

M = TypeVar("M", bound=Callable[[Any], None])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMeta:
    """Options of a model, written as ``meta = ModelMeta(…)`` in its class.

    Args:
        label: Field that names an entity to people.
        title: Name of the model for people, where the class's name is not it.
        plural: Last segment of its path, where the regular plural is not it.
        order_by: Default order: a field name or several, ``-name`` for descending.
        indexes: ``index("a", "b")`` and ``unique("a", "b")``.
        scope: ``"tenant"``, or ``"shared"`` for rows that all tenants read and only the system writes.
        audit: Whether history is kept.
        soft_delete: Whether deleting marks the row and hides it; its unique values stay taken.
        remote: Whether it has an API.
        abstract: Whether the class only lends its fields to subclasses.
    """

    label: str = ""
    title: str = ""
    plural: str = ""
    order_by: str | Sequence[str] = ()
    indexes: Sequence[IndexSpec] = ()
    scope: Literal["tenant", "shared"] = "tenant"
    audit: bool = True
    soft_delete: bool = False
    remote: bool = True
    abstract: bool = False

    @staticmethod
    def of(model: type, *, module: str = "app") -> ModelSpec:
        """The frozen specification of one declared class.

        Args:
            model: An entity's class.
            module: Name of the module that owns it.

        Raises:
            Faults: Everything that is wrong with the declaration, as ``Violation``s.
        """
        from prefiq.lowcode.catalog import Catalog

        return Catalog.build({module: (model,)}, open_world=True)[model]


def index(*fields: str) -> IndexSpec:
    """An index over several fields, in this order."""
    return IndexSpec("_".join(fields), fields)


def unique(*fields: str) -> IndexSpec:
    """No two rows of a tenant agree in all these fields (a row with a NULL among them agrees with none)."""
    return IndexSpec("_".join(fields), fields, unique=True)


def validator(function: M, /) -> M:
    """Mark a method as a check of the whole entity: it raises ``Refused``, its name is the check's name."""
    function.__prefiq_validator__ = True  # type: ignore[attr-defined]
    return function


def raise_together(message: str, errors: Sequence[PrefiqError]) -> None:
    """Raise all errors as one ``Faults``, or nothing where there is none."""
    if errors:
        raise Faults(message, errors)
