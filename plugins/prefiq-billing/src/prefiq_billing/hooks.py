"""Hooks: the same points of a project's life that other modules hook into."""

from __future__ import annotations

from prefiq import IDomain, Page, Refused, on, where
from prefiq_billing.extension import ProjectBilling
from prefiq_billing.rate import Rate
from prefiq_projects import Project


@on.before_create(Project)
def take_usual_rate(project: Project, rates: IDomain[Rate]) -> None:
    """A new project without a rate has the tenant's usual one."""
    billing = ProjectBilling.on(project)
    if not billing.rate:
        for rate in rates.list(Page(limit=1), where(is_default=True)).items:
            billing.rate, billing.agreed_id = rate.amount, rate.id


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
