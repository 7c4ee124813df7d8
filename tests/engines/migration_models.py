"""Models that tests of migrations change, on every engine."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.unit.migrations.kit import Workshop, child, model

from prefiq.lowcode import ModelMeta, Status, children, field, index, now, ref, transition, unique

__all__ = ["EVERY_KIND", "NAME", "Stage", "every_kind", "shop"]


class Stage(Status):
    DRAFT = "draft"
    DONE = "done"


NAME: dict[str, Any] = {"name": (str, field(max_length=20))}
EVERY_KIND: dict[str, Any] = {
    "code": (str, field(max_length=32, unique=True)),
    "notes": (str | None, field(text=True, default=None)),
    "amount": (int, field(index=True)),
    "active": bool,
    "price": (Decimal, field(precision=12, scale=2)),
    "weight": (float | None, field(default=None)),
    "day": date,
    "at": (datetime, field(default=now)),
    "token": UUID,
    "stage": (Stage, field(default=Stage.DRAFT)),
    "data": (dict[str, Any], field(default_factory=dict)),
}


def every_kind() -> tuple[type, ...]:
    """Every kind of field, indexes of several columns, children, references to itself and to a shared model."""
    stages: dict[str, Any] = {"done": transition(Stage.DRAFT, to=Stage.DONE)}
    line = child("Line", {"title": str, "amount": (Decimal, field(precision=6, scale=3))})
    thing = model(
        "Thing",
        {
            **EVERY_KIND,
            "parent_id": (UUID | None, ref("shop.Thing", default=None)),
            "unit_id": (UUID, ref("shop.Unit")),
            "lines": (list[line], children(line)),  # type: ignore[valid-type]
        },
        ModelMeta(soft_delete=True, indexes=(index("day", "amount"), unique("token", "stage", "weight"))),
        actions=stages,
    )
    unit = model("Unit", {"code": (str, field(max_length=8, unique=True))}, ModelMeta(scope="shared"))
    return unit, thing


def shop(workshop: Workshop, fields: dict[str, Any], meta: ModelMeta | None = None, **options: Any) -> None:
    """Declare ``shop.Thing`` with these fields, make the migration and apply it."""
    workshop.declare("shop", model("Thing", fields, meta))
    workshop.make("shop", **options)
    workshop.migrate()
