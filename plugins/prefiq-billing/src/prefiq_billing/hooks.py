"""Hooks: the same points of a project's life that other modules hook into."""

from __future__ import annotations

from prefiq import Refused, on
from prefiq_billing.extension import ProjectBilling
from prefiq_projects import Project


@on.before(Project.close)
def refuse_unbilled(project: Project) -> None:
    """A project with a rate is billed before it is closed."""
    billing = ProjectBilling.on(project)
    if billing.rate and not billing.billed:
        raise Refused("", "nothing was billed yet")


@on.before(ProjectBilling.bill)
def refuse_without_rate(project: Project) -> None:
    """What costs nothing cannot be billed."""
    if not ProjectBilling.on(project).rate:
        raise Refused("", "the project has no rate")
