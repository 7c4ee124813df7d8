"""Hooks and subscribers: nothing is booked on closed projects, and what is booked is added up."""

from __future__ import annotations

from decimal import Decimal

from prefiq import Criteria, EntityChanged, IDomain, Refused, on, subscribe, where
from prefiq_projects import Project, Stage
from prefiq_timesheets.entry import Entry
from prefiq_timesheets.extension import ProjectHours


@on.before_create(Entry)
@on.before_update(Entry)
def refuse_closed_projects(entry: Entry, projects: IDomain[Project]) -> None:
    """No time on a project that is closed."""
    project = projects.get_many((entry.project_id,)).get(entry.project_id)
    if project is not None and project.stage is Stage.CLOSED:
        raise Refused("project_id", "the project is closed")


@on.before(Project.close)
def refuse_unused_hours(project: Project) -> None:
    """A project whose hours are all left was not worked on: it is deleted, not closed."""
    hours = ProjectHours.on(project)
    if hours.budget_hours and not hours.spent_hours:
        raise Refused("", "no hours were spent on it")


@subscribe(EntityChanged, model=Entry)
def add_up(event: EntityChanged, projects: IDomain[Project], entries: IDomain[Entry]) -> None:
    """Keep the hours spent of the project in the transaction that books them.

    The store is written to, not the service: hours that were spent count, whatever the budget says.
    """
    entry: Entry = event.entity
    before, _ = event.changes.get("project_id", (entry.project_id, None))
    for project in projects.get_many({entry.project_id, before or entry.project_id}).values():
        spent = Decimal(0)
        for batch in entries.stream(_of(project)):
            spent += sum((found.hours for found in batch), Decimal(0))
        ProjectHours.on(project).spent_hours = spent
        projects.update(project)


def _of(project: Project) -> Criteria:
    return where(project_id=project.id)
