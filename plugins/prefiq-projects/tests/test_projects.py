"""The example module, from its user's side."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from prefiq import Forbidden, IDomain, IDomainService, ITransactions, NotFound, Refused, UniqueViolation, can
from prefiq_projects import ChecklistItem, IProject, IProjectService, Message, Project, Stage, Task
from prefiq_projects.memory import ProjectMemory
from prefiq_projects.repository import ProjectRepos
from prefiq_projects.service import ProjectService

pytestmark = pytest.mark.prefiq(apps=["projects"])


@pytest.fixture(params=["sql", "memory"])
def scope(request, app, tenant, actor):
    fork = app if request.param == "sql" else app.fork({IProject: ProjectMemory})
    with fork.scope(tenant, actor) as opened:
        yield opened


@pytest.fixture
def projects(scope) -> IProjectService:
    return scope[IProjectService]


def test_the_parts_written_by_hand_answer_for_the_model(app, tenant, actor):
    with app.scope(tenant, actor) as scope:
        assert type(scope[IProject]) is ProjectRepos
        assert type(scope[IDomain[Project]]) is ProjectRepos
        assert type(scope[IProjectService]) is ProjectService
        assert type(scope[IDomainService[Project]]) is ProjectService


def test_a_project_lives_from_draft_to_closed(projects):
    project = projects.create(Project(code="A-1", name="Roof", budget=Decimal("10.50")))
    projects.run(Project.activate, project.id)
    closed = projects.run(Project.close, project.id, reason="done")
    assert closed.stage is Stage.CLOSED
    closed.name = "another"
    with pytest.raises(Refused, match="closed project"):
        projects.update(closed)


def test_a_code_is_taken_once_in_a_tenant(projects):
    projects.create(Project(code="A-1", name="Roof"))
    with pytest.raises(UniqueViolation) as caught:
        projects.create(Project(code="A-1", name="Wall"))
    assert caught.value.fields == ("code",)


def test_overdue_projects_come_longest_first(projects, clock):
    late = [("B", date(2025, 12, 1)), ("A", date(2025, 11, 1)), ("C", date(2026, 2, 1)), ("D", None)]
    for code, ends in late:
        projects.create(Project(code=code, name=code.lower(), ends=ends))
    assert [project.code for project in projects.overdue()] == ["A", "B"]
    clock.tick(40 * 86400)
    assert [project.code for project in projects.overdue()] == ["A", "B", "C"]


def test_closing_writes_a_message_in_the_same_transaction(projects, scope):
    project = projects.create(Project(code="A-1", name="Roof"))
    projects.run(Project.activate, project.id)
    with pytest.raises(Refused):
        projects.run(Project.close, project.id, reason=" ")
    assert scope[IDomain[Message]].count() == 0
    projects.run(Project.close, project.id, reason="done")
    (message,) = scope[IDomain[Message]].list().items
    assert (message.subject, message.body) == ("A-1 is closed", "tester closed Roof: done")


def test_a_rollback_takes_back_what_was_written_wherever_it_stands(projects, scope):
    def fail_after_creating():
        with scope[ITransactions].tx():
            projects.create(Project(code="A-1", name="Roof"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_creating()
    assert projects.list().items == []
    assert scope[IProject].get_by_code("A-1") is None


def test_stores_of_one_application_share_their_rows(request, app, tenant, actor):
    fork = app.fork({IProject: ProjectMemory})
    with fork.scope(tenant, actor) as scope:
        scope[IProjectService].create(Project(code="A-1", name="Roof"))
    with fork.scope(tenant, actor) as scope:
        assert scope[IProject].get_by_code("A-1") is not None


def test_closing_needs_its_own_permission(app, tenant, projects, scope):
    project = projects.create(Project(code="A-1", name="Roof"))
    projects.run(Project.activate, project.id)
    scope.actor = can("projects.project.*")
    with app.scope(tenant, can("projects.project.*")) as weak, pytest.raises((Forbidden, NotFound)):
        weak[IProjectService].run(Project.close, project.id, reason="done")


def test_another_tenant_sees_nothing(projects, other_scope):
    project = projects.create(Project(code="A-1", name="Roof"))
    with pytest.raises(NotFound):
        other_scope[IProjectService].get(project.id)


def test_a_task_is_its_declaration_alone(app, tenant, actor):
    with app.scope(tenant, actor) as scope:
        project = scope[IProjectService].create(Project(code="A-1", name="Roof"))
        tasks = scope[IDomainService[Task]]
        task = tasks.create(
            Task(
                project_id=project.id,
                title="Tiles",
                checklist=[ChecklistItem(title="buy"), ChecklistItem(title="lay")],
            )
        )
        tasks.run(Task.complete, task.id)
        task = tasks.get(task.id)
        assert [item.title for item in task.checklist] == ["buy", "lay"]
        task.checklist[0].done = True
        assert tasks.update(task).version == 3
        assert tasks.history(task.id)[-1].action == "updated"
