# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What a module adds to another module's model, as its author writes it and others use it.

Each ``type: ignore`` is an assertion: both checkers report one that hides no error.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, assert_type
from uuid import UUID

from prefiq import (
    Criteria,
    Entity,
    Extension,
    ExtensionMeta,
    IClock,
    IDomainService,
    PolicyExtension,
    ProviderBase,
    Refused,
    ServiceExtension,
    Status,
    action,
    field,
    index,
    on,
    transition,
    tune,
    validator,
    where,
)


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"


class Project(Entity):
    name: str = field(max_length=200)
    stage: Stage = field(default=Stage.DRAFT)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)


class Task(Entity):
    title: str = field(max_length=200)


class ProjectBilling(Extension[Project]):
    """What billing adds to a project."""

    rate: Decimal = field(default=Decimal(0), precision=12, scale=2)
    cap: Decimal | None = field(default=None, precision=12, scale=2, ge=0)

    @validator
    def cap_covers_rate(self) -> None:
        if self.cap is not None and self.cap < self.rate:
            raise Refused("cap", f"too little for {self.base.name}")

    @action
    def bill(self, amount: Annotated[Decimal, field(precision=12, scale=2)], note: str = "") -> None:
        assert_type(self.base, Project)
        self.rate += amount

    meta = ExtensionMeta(
        tune={"name": tune(label="Title", required=True, max_length=100)}, indexes=(index("rate"),)
    )


class BillingProjectService(ServiceExtension[Project]):
    clock: IClock

    def create(self, entity: Project, /) -> Project:
        assert_type(ProjectBilling.on(entity), ProjectBilling)
        return super().create(entity)


class BillingProjectPolicy(PolicyExtension[Project]):
    def rows(self, verb: str) -> Criteria | None:
        return where(stage=Stage.ACTIVE) if verb == "delete" else None


@on.before(ProjectBilling.bill)
def stamp(project: Project, arguments: dict[str, Any]) -> None: ...


class BillingProvider(ProviderBase):
    extensions = (ProjectBilling, BillingProjectService, BillingProjectPolicy)
    hooks = (stamp,)


def an_extension_is_found_on_its_model(project: Project, task: Task) -> None:
    billing = ProjectBilling.on(project)
    assert_type(billing, ProjectBilling)
    assert_type(billing.rate, Decimal)
    assert_type(billing.cap, Decimal | None)
    assert_type(billing.base, Project)
    billing.rate = Decimal(5)
    assert_type(ProjectBilling.of(project), ProjectBilling)
    ProjectBilling(rate=Decimal(5))


def an_extension_refuses_the_rest(project: Project, task: Task) -> None:
    ProjectBilling.on(task)  # type: ignore[arg-type]
    ProjectBilling.on(project).rate = "5"  # type: ignore[assignment]
    ProjectBilling.on(project).ratte = Decimal(5)  # type: ignore[attr-defined]
    ProjectBilling(ratte=Decimal(5))  # type: ignore[call-arg]


def an_action_of_an_extension_is_the_models(service: IDomainService[Project], id: UUID) -> None:
    assert_type(service.run(ProjectBilling.bill, id, amount=Decimal(1)), Project)
    assert_type(service.run(ProjectBilling.bill, id, Decimal(1), note="x"), Project)
    ProjectBilling.on(service.get(id)).bill(Decimal(1))
    service.run(ProjectBilling.bill, id)  # type: ignore[call-arg]
    service.run(ProjectBilling.bill, id, amount="1")  # type: ignore[arg-type]


def an_action_belongs_to_its_model(service: IDomainService[Task], id: UUID) -> None:
    service.run(ProjectBilling.bill, id, amount=Decimal(1))  # type: ignore[arg-type]


def a_tuning_is_checked() -> None:
    tune(lable="x")  # type: ignore[call-arg]
    ExtensionMeta(tune={"name": {"label": "x"}})  # type: ignore[dict-item]
