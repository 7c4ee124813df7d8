"""Time tracking on projects of another package."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from prefiq import IDomain, IDomainService, NotFound, Refused, ValidationFailed, can, where
from prefiq_projects import IProjectService, Project, Task
from prefiq_timesheets import Entry, ProjectHours

pytestmark = pytest.mark.prefiq(apps=["projects", "timesheets"])


@pytest.fixture
def projects(scope) -> IProjectService:
    return scope[IProjectService]


@pytest.fixture
def entries(scope) -> IDomainService[Entry]:
    return scope[IDomainService[Entry]]


def a_project(projects, code="A-1", **values):
    return projects.create(Project(code=code, name="Roof", **values))


def an_entry(project, hours="2.50", **values):
    return Entry(project_id=project.id, person="ann", date=date(2026, 1, 1), hours=Decimal(hours), **values)


def test_a_budget_of_money_becomes_one_of_hours(projects):
    """The service's part estimates where nobody said otherwise."""
    project = a_project(projects, budget=Decimal(4000))
    assert ProjectHours.on(projects.get(project.id)).budget_hours == 40
    given = Project(code="A-2", name="Wall", budget=Decimal(4000))
    ProjectHours.on(given).budget_hours = Decimal(5)
    assert ProjectHours.on(projects.create(given)).budget_hours == 5


def test_hours_are_added_up_with_every_entry(projects, entries):
    """Booking, correcting, moving and deleting an entry, each in its own transaction."""
    first, second = a_project(projects), a_project(projects, "A-2")

    def spent(project):
        return ProjectHours.on(projects.get(project.id)).spent_hours

    entry = entries.create(an_entry(first))
    entries.create(an_entry(first, "1"))
    assert spent(first) == Decimal("3.50")
    entry.project_id = second.id
    entries.update(entry)
    assert (spent(first), spent(second)) == (1, Decimal("2.50"))
    entries.delete(entry.id)
    assert spent(second) == 0


def test_nothing_is_booked_on_a_closed_project(projects, entries, scope):
    project = a_project(projects)
    entry = entries.create(an_entry(project))
    projects.run(Project.activate, project.id)
    projects.run(Project.close, project.id, reason="done")
    with pytest.raises(Refused, match="closed"):
        entries.create(an_entry(project))
    entry.note = "later"
    with pytest.raises(Refused, match="closed"):
        entries.update(entry)
    assert scope[IDomain[Entry]].count() == 1


def test_a_project_with_unused_hours_is_not_closed(projects, entries):
    project = a_project(projects, budget=Decimal(1000))
    projects.run(Project.activate, project.id)
    with pytest.raises(Refused, match="no hours"):
        projects.run(Project.close, project.id, reason="done")
    entries.create(an_entry(project))
    assert projects.run(Project.close, project.id, reason="done").version == 4


def test_the_budget_can_be_extended_and_not_be_cut_below_what_was_spent(projects, entries):
    project = a_project(projects, budget=Decimal(500))
    entries.create(an_entry(project, "4"))
    projects.run(ProjectHours.extend_budget, project.id, hours=Decimal(3))
    loaded = projects.get(project.id)
    assert ProjectHours.on(loaded).budget_hours == 8
    ProjectHours.on(loaded).budget_hours = Decimal(3)
    with pytest.raises(ValidationFailed) as caught:
        projects.update(loaded)
    assert [(e.field, e.message) for e in caught.value.errors] == [
        ("timesheets.budget_hours", "more hours were spent already")
    ]


def test_confidential_projects_are_for_managers(projects, app, tenant):
    hidden = Project(code="A-1", name="Roof")
    ProjectHours.on(hidden).confidential = True
    projects.create(hidden)
    a_project(projects, "A-2")
    with app.scope(tenant, can("projects.*")) as scope:
        theirs = scope[IProjectService]
        assert [project.code for project in theirs.list().items] == ["A-2"]
        with pytest.raises(NotFound):
            theirs.get(hidden.id)
    assert len(projects.list(where=where(**{"timesheets.confidential": True})).items) == 1


def test_a_task_that_goes_leaves_its_entries(projects, entries, scope):
    project = a_project(projects)
    tasks = scope[IDomainService[Task]]
    task = tasks.create(Task(project_id=project.id, title="Nail"))
    entry = entries.create(an_entry(project, task_id=task.id))
    tasks.delete(task.id)
    assert entries.get(entry.id).task_id is None
