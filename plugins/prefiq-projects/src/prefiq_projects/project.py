"""``Project``: domain rules only."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from prefiq import Entity, ModelMeta, Refused, Status, field, transition, validator


class Stage(Status):
    """Where a project stands."""

    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Project(Entity):
    """A piece of work with a budget and a life cycle."""

    code: str = field(max_length=32, pattern=r"[A-Z0-9-]+", unique=True, help="Short name, unique per tenant")
    name: str = field(max_length=200, search=True, index=True)
    budget: Decimal | None = field(default=None, precision=12, scale=2, ge=0)
    starts: date | None = field(default=None, index=True)
    ends: date | None = field(default=None)
    stage: Stage = field(default=Stage.DRAFT)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)

    @transition(Stage.ACTIVE, to=Stage.CLOSED, permission="projects.close")
    def close(self, reason: str) -> None:
        """End the work for good; the reason is kept in the history."""
        if not reason.strip():
            raise Refused("reason", "say why")

    @validator
    def ends_after_it_starts(self) -> None:
        """The end does not lie before the start."""
        if self.starts is not None and self.ends is not None:
            self.require(self.starts <= self.ends, "ends", "must not be before the start")

    meta = ModelMeta(label="code", order_by="code")
