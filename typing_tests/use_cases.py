# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Actions, services and scopes, as code that uses a model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, assert_type
from uuid import UUID

from typing_tests.declaration import Customer, Project, Stage

from prefiq.contracts import (
    Actor,
    Criteria,
    HistoryRecord,
    IClock,
    IDomain,
    IDomainService,
    ITenantContext,
    Page,
    PagedResult,
    Scope,
    where,
)
from prefiq.lowcode import Action


class IProject(IDomain[Project], Protocol):
    def get_by_code(self, code: str, /) -> Project | None: ...


class IProjectService(IDomainService[Project], Protocol):
    def overdue(self) -> Sequence[Project]: ...


def an_action_of_the_class_is_what_a_service_runs(service: IDomainService[Project], id: UUID) -> None:
    assert_type(service.run(Project.close, id, reason="x"), Project)
    assert_type(service.run(Project.close, id, "x"), Project)
    assert_type(service.run(Project.activate, id), Project)
    assert_type(service.run(Project.rename, id, name="x", shout=True), Project)
    assert_type(service.run(Project.touch, id), Project)
    name: str = Project.close.name
    assert name


def a_wrong_argument_of_an_action_is_an_error(service: IDomainService[Project], id: UUID) -> None:
    service.run(Project.close, id)  # type: ignore[call-arg]
    service.run(Project.close, id, reason=1)  # type: ignore[arg-type]
    service.run(Project.close, id, reasn="x")  # type: ignore[call-arg]
    service.run(Project.activate, id, reason="x")  # type: ignore[call-arg]
    service.run(Project.touch, id, "x")  # type: ignore[call-arg]
    service.run(Project.rename, id, "x", True)  # type: ignore[call-arg]
    service.run(Project.clsoe, id)  # type: ignore[attr-defined]


def an_action_of_another_model_is_an_error(service: IDomainService[Customer], id: UUID) -> None:
    service.run(Project.close, id, reason="x")  # type: ignore[arg-type]


def an_action_of_an_entity_is_a_method(project: Project) -> None:
    project.close("x")
    project.close(reason="x")
    project.activate()
    project.rename("x", shout=True)
    closing: Callable[[str], None] = project.close
    closing("x")
    project.close()  # type: ignore[call-arg]
    project.close(1)  # type: ignore[arg-type]
    project.activate("x")  # type: ignore[call-arg]


def runs_on_projects(action: Action[Project, []]) -> str:
    return action.name


def runs_on_customers(action: Action[Customer, []]) -> str:
    return action.name


def an_action_knows_its_entity() -> None:
    runs_on_projects(Project.activate)
    runs_on_projects(Project.touch)
    runs_on_projects(Project.close)  # type: ignore[arg-type]
    runs_on_customers(Project.touch)  # type: ignore[arg-type]


def a_scope_gives_what_is_asked_for(scope: Scope) -> None:
    assert_type(scope[IProject], IProject)
    assert_type(scope[IProjectService].overdue(), Sequence[Project])
    assert_type(scope[IDomain[Project]], IDomain[Project])
    assert_type(scope[IDomainService[Project]], IDomainService[Project])
    assert_type(scope[ITenantContext].tenant, str)
    assert_type(scope[IClock], IClock)
    assert_type(scope.actor, Actor)
    scope[IProject].get_by_cod("x")  # type: ignore[attr-defined]


def a_list_holds_the_model(service: IDomainService[Project], id: UUID) -> None:
    page = service.list(Page(limit=20, sort=("-code",)), where(stage=Stage.ACTIVE))
    assert_type(page, PagedResult[Project])
    assert_type(page.items, list[Project])
    assert_type(page.total, int | None)
    assert_type(service.get(id), Project)
    assert_type(service.history(id), Sequence[HistoryRecord])
    service.create(Customer(code="A"))  # type: ignore[arg-type]
    service.list(Page(sort="code"))  # type: ignore[arg-type]


def criteria_combine() -> None:
    both = where(stage=Stage.ACTIVE) & ~where(code="A") | where(budget__gte=5)
    assert_type(both, Criteria)


def a_store_answers_the_model(store: IDomain[Project], id: UUID) -> None:
    assert_type(store.get_by_id(id), Project)
    assert_type(store.get_by("code", "A"), Project | None)
    assert_type(store.get_many([id]), dict[UUID, Project])
    for batch in store.stream():
        assert_type(batch, Sequence[Project])
    store.save(Customer(code="A"))  # type: ignore[arg-type]
