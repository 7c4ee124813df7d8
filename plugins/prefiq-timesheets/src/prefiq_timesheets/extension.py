"""What time tracking adds to a project: a budget of hours, what was spent of it, and who may see it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from prefiq import (
    Criteria,
    Extension,
    IPermissions,
    PolicyExtension,
    Refused,
    Scope,
    ServiceExtension,
    action,
    field,
    validator,
    where,
)
from prefiq_projects import Project

Hours = Annotated[Decimal, field(precision=9, scale=2, gt=0)]


class ProjectHours(Extension[Project]):
    """Hours that a project may take, and has taken."""

    budget_hours: Decimal | None = field(default=None, precision=9, scale=2, ge=0, index=True, label="Hours")
    spent_hours: Decimal = field(default=Decimal(0), precision=9, scale=2, read_only=True)
    confidential: bool = field(default=False, help="Only the people who manage time see the project")

    @action
    def extend_budget(self, hours: Hours) -> None:
        """Grant more hours."""
        self.budget_hours = (self.budget_hours or Decimal(0)) + hours

    @validator
    def spent_within_budget(self) -> None:
        """A project does not take more hours than it may."""
        if self.budget_hours is not None and self.spent_hours > self.budget_hours:
            raise Refused("budget_hours", "more hours were spent already")


class TimesheetProjectService(ServiceExtension[Project]):
    """A project that begins with money begins with hours as well."""

    HOURLY = Decimal(100)

    def create(self, entity: Project, /) -> Project:
        """Estimate the hours of a project that has a budget and no hours."""
        hours = ProjectHours.on(entity)
        if hours.budget_hours is None and isinstance(entity.budget, Decimal):
            hours.budget_hours = (entity.budget / self.HOURLY).quantize(Decimal(1))
        return super().create(entity)


class TimesheetProjectPolicy(PolicyExtension[Project]):
    """Confidential projects are for those who manage time.

    Args:
        scope: Who asks.
        permissions: What they may do.
    """

    def __init__(self, scope: Scope, permissions: IPermissions) -> None:
        super().__init__(scope)
        self._manages = permissions.allows("timesheets.manage")

    def rows(self, verb: str) -> Criteria | None:
        """All rows for them, else those that are not confidential."""
        del verb
        return None if self._manages else where(**{"timesheets.confidential": False})
