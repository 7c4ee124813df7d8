# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""A declaration, as an author writes it: what its fields and its constructor are to both checkers.

Each ``type: ignore`` is an assertion: both checkers report one that hides no error.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_type
from uuid import UUID

from prefiq.contracts import Refused
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import (
    ModelMeta,
    Status,
    action,
    children,
    field,
    index,
    now,
    ref,
    transition,
    unique,
    validator,
)


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Lookup(Entity):
    code: str = field(max_length=12, pattern="[A-Z]+", unique=True)
    active: bool = field(default=True, index=True)

    meta = ModelMeta(label="code", order_by="code", abstract=True)


class Customer(Lookup):
    since: date | None = field(default=None, ge=date(2000, 1, 1))


class Step(Child):
    title: str = field(max_length=80)
    done: bool = field(default=False)


def no_blanks(value: str) -> None:
    if not value.strip():
        raise Refused("", "must not be blank")


class Project(Entity):
    """A piece of work with a budget and a life cycle."""

    code: str = field(max_length=32, pattern=r"[A-Z0-9-]+", unique=True)
    name: str = field(max_length=200, search=True, validators=[no_blanks])
    notes: str = field(default="", text=True)
    budget: Decimal | None = field(default=None, precision=12, scale=2, ge=0)
    rate: Decimal = field(default=Decimal(0), precision=12, scale=2)
    hours: int = field(default=0, ge=0, le=10_000)
    share: float = field(default=0.0)
    colour: Colour = field(default=Colour.RED)
    stage: Stage = field(default=Stage.DRAFT)
    customer_id: UUID = ref(Customer)
    parent_id: UUID | None = ref("projects.Project", default=None, on_delete="set_null")
    opened_at: datetime = field(default=now, read_only=True)
    tags: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any], hidden=True)
    steps: list[Step] = children(Step)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)

    @transition(Stage.ACTIVE, to=Stage.CLOSED, permission="projects.close")
    def close(self, reason: str) -> None:
        if not reason.strip():
            raise Refused("reason", "say why")

    @action
    def rename(self, name: str, *, shout: bool = False) -> None:
        self.name = name.upper() if shout else name

    @action(permission="projects.touch")
    def touch(self) -> None:
        self.require(self.stage is Stage.ACTIVE, "stage", "must be active")

    @validator
    def budget_covers_the_rate(self) -> None:
        self.require(self.budget is None or self.rate <= self.budget, "rate", "must not exceed the budget")

    meta = ModelMeta(
        label="code",
        order_by=("code", "-opened_at"),
        indexes=[index("stage", "code"), unique("customer_id", "name")],
        soft_delete=True,
    )


def a_constructor_takes_what_is_required(customer: UUID) -> None:
    project = Project(code="A-1", name="x", customer_id=customer)
    assert_type(project, Project)
    Project(
        code="A-1", name="x", customer_id=customer, budget=Decimal(5), steps=[Step(title="a")], id=customer
    )
    Customer(code="A")


def a_constructor_refuses_the_rest(customer: UUID) -> None:
    Project(code="A-1", name="x")  # type: ignore[call-arg]
    Project("A-1", code="A-1", name="x", customer_id=customer)  # type: ignore[call-arg, arg-type]
    Project(code=1, name="x", customer_id=customer)  # type: ignore[arg-type]
    Project(code="A-1", name="x", customer_id=customer, stage="draft")  # type: ignore[arg-type]
    Project(code="A-1", name="x", customer_id=customer, steps=[Customer(code="A")])  # type: ignore[list-item]
    Project(code="A-1", name="x", customer_id=customer, colour=None)  # type: ignore[arg-type]
    Project(code="A-1", name="x", customer_id=customer, budgte=None)  # type: ignore[call-arg]
    Customer()  # type: ignore[call-arg]


def a_field_is_of_its_type(project: Project, step: Step) -> None:
    assert_type(project.id, UUID)
    assert_type(project.version, int)
    assert_type(project.code, str)
    assert_type(project.budget, Decimal | None)
    assert_type(project.stage, Stage)
    assert_type(project.customer_id, UUID)
    assert_type(project.parent_id, UUID | None)
    assert_type(project.opened_at, datetime)
    assert_type(project.tags, list[str])
    assert_type(project.steps, list[Step])
    assert_type(step.id, UUID)
    project.stage = "closed"  # type: ignore[assignment]
    project.budgte = None  # type: ignore[attr-defined]


def a_default_is_of_the_fields_type() -> None:
    class Wrong(Entity):
        count: int = field(default="0")  # type: ignore[assignment]
        state: Stage = field(default=Colour.RED)  # type: ignore[assignment]
        lines: list[Step] = children(Customer)  # type: ignore[arg-type]
        owner_id: UUID = ref(Customer, default=None)  # type: ignore[assignment]
        moved = transition("draft", to="active")  # type: ignore[arg-type]

    Wrong(count=1, owner_id=UUID(int=0))


def an_option_that_does_not_exist_is_an_error() -> None:
    field(max_lenght=3)  # type: ignore[call-overload]
    ref(Customer, on_delete="casacde")  # type: ignore[call-overload]
    ModelMeta(lable="code")  # type: ignore[call-arg]
    ModelMeta(scope="global")  # type: ignore[arg-type]
