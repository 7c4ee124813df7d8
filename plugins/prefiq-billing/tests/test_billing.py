"""Billing of projects of another package, alone and beside time tracking."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefiq import Forbidden, IDomainService, Refused, ValidationFailed, can
from prefiq_billing import ProjectBilling, Rate
from prefiq_projects import IProjectService, Project

pytestmark = pytest.mark.prefiq(apps=["projects", "billing"])


@pytest.fixture
def projects(scope) -> IProjectService:
    return scope[IProjectService]


def a_project(projects, rate="90", **values):
    project = Project(code="A-1", name="Roof", **values)
    ProjectBilling.on(project).rate = Decimal(rate)
    return projects.create(project)


def test_a_project_takes_the_usual_rate(projects, scope, app, tenant):
    """Where it was given none, and also for somebody who may not see money."""
    assert ProjectBilling.on(a_project(projects, "0")).rate == 0
    rate = Rate(code="STD", name="Standard", amount=Decimal(80), is_default=True)
    scope[IDomainService[Rate]].create(rate)
    usual = projects.create(Project(code="A-2", name="Wall"))
    assert (ProjectBilling.on(usual).rate, ProjectBilling.on(usual).agreed_id) == (80, rate.id)
    with app.scope(tenant, can("projects.*")) as poor:
        made = poor[IProjectService].create(Project(code="A-3", name="Door"))
        assert ProjectBilling.on(made).rate == 80


def test_a_rate_that_is_agreed_on_gives_its_amount(projects, scope):
    """The service's part reads the rates that were injected into it."""
    rates = scope[IDomainService[Rate]]
    first = rates.create(Rate(code="A", name="Day", amount=Decimal(80)))
    second = rates.create(Rate(code="B", name="Night", amount=Decimal(120)))
    project = Project(code="A-1", name="Roof")
    ProjectBilling.on(project).agreed_id = first.id
    assert ProjectBilling.on(projects.create(project)).rate == 80
    ProjectBilling.on(project).agreed_id = second.id
    assert ProjectBilling.on(projects.update(project)).rate == 120


def test_billing_is_an_action_with_its_own_permission(projects, app, tenant):
    project = a_project(projects)
    with pytest.raises(Refused, match="draft"):
        projects.run(ProjectBilling.bill, project.id, amount=Decimal(100))
    projects.run(Project.activate, project.id)
    billed = projects.run(ProjectBilling.bill, project.id, amount=Decimal(100))
    assert ProjectBilling.on(billed).billed == 100
    assert [entry.action for entry in projects.history(project.id)] == ["created", "activate", "bill"]
    with app.scope(tenant, can("projects.*")) as scope, pytest.raises(Forbidden) as caught:
        scope[IProjectService].run(ProjectBilling.bill, project.id, amount=Decimal(1))
    assert caught.value.permission == "billing.project.bill"


def test_what_has_no_rate_is_not_billed(projects):
    project = a_project(projects, "0")
    projects.run(Project.activate, project.id)
    with pytest.raises(Refused, match="no rate"):
        projects.run(ProjectBilling.bill, project.id, amount=Decimal(1))


def test_the_cap_holds(projects):
    """Against what is billed, and against the budget of the project itself."""
    project = a_project(projects, budget=Decimal(100))
    ProjectBilling.on(project).cap = Decimal(101)
    with pytest.raises(ValidationFailed) as caught:
        projects.update(project)
    assert caught.value.errors[0].field == "billing.cap"
    ProjectBilling.on(project).cap = Decimal(50)
    projects.update(project)
    projects.run(Project.activate, project.id)
    with pytest.raises(Refused, match="exceeded") as refused:
        projects.run(ProjectBilling.bill, project.id, amount=Decimal("50.01"))
    assert refused.value.field == "billing.cap"


def test_a_store_in_memory_keeps_what_was_added(app, tenant, actor):
    """The projects' own store for tests knows nothing of billing, and need not."""
    from prefiq import where
    from prefiq_projects import IProject
    from prefiq_projects.memory import ProjectMemory

    with app.fork({IProject: ProjectMemory}).scope(tenant, actor) as scope:
        projects = scope[IProjectService]
        project = a_project(projects)
        assert ProjectBilling.on(projects.get(project.id)).rate == 90
        found = projects.list(where=where(**{"billing.rate__gte": Decimal(90)})).items
        assert [each.code for each in found] == ["A-1"]


def test_a_title_is_shorter_here(projects):
    with pytest.raises(ValidationFailed) as caught:
        projects.create(Project(code="A-1", name="x" * 101))
    assert (caught.value.errors[0].field, caught.value.errors[0].params) == ("name", {"limit": 100})


def test_nothing_closes_unbilled(projects):
    project = a_project(projects)
    projects.run(Project.activate, project.id)
    with pytest.raises(Refused, match="billed"):
        projects.run(Project.close, project.id, reason="done")
    projects.run(ProjectBilling.bill, project.id, amount=Decimal(1))
    projects.run(Project.close, project.id, reason="done")


def test_money_is_not_shown_to_everybody(client, app, tenant, projects):
    from prefiq.testing import client_for

    project = a_project(projects)
    path = f"/api/projects/projects/{project.id}"
    assert client.get(path).json()["billing"]["rate"] == "90.00"
    with client_for(app, tenant=tenant, actor=can("projects.*")) as poor:
        assert "billing" not in poor.get(path).json()
        assert poor.get("/api/projects/projects?billing.rate=90").status_code == 403
        assert poor.get("/api/projects/projects?sort=billing.rate").status_code == 403
        assert poor.patch(path, json={"billing": {"rate": "1"}}).status_code == 403
        assert "billing.rate" not in poor.get(f"{path}/history").text


@pytest.mark.prefiq(apps=["projects", "timesheets", "billing"])
def test_both_extend_the_same_points(projects, scope):
    """Fields, service, policy, hooks and actions of two modules on one model."""
    from prefiq_timesheets import ProjectHours

    assert type(projects).__name__ == "ProjectService"
    names = [cls.__name__ for cls in type(projects).__mro__]
    assert names.index("BillingProjectService") < names.index("TimesheetProjectService")
    project = a_project(projects, budget=Decimal(1000))
    assert ProjectHours.on(project).budget_hours == 10
    projects.run(ProjectHours.extend_budget, project.id, hours=Decimal(2))
    projects.run(Project.activate, project.id)
    projects.run(ProjectBilling.bill, project.id, amount=Decimal(5))
    with pytest.raises(Refused, match="no hours"):
        projects.run(Project.close, project.id, reason="done")
    loaded = projects.get(project.id)
    assert (ProjectHours.on(loaded).budget_hours, ProjectBilling.on(loaded).billed) == (12, 5)
