"""A small module for tests of the service pipeline: jobs with steps, and what listens to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from prefiq import (
    Binder,
    Child,
    Criteria,
    Entity,
    EntityChanged,
    IClock,
    IDomain,
    ModelMeta,
    Policy,
    ProviderBase,
    Refused,
    Status,
    action,
    children,
    field,
    now,
    on,
    ref,
    subscribe,
    transition,
    validator,
    where,
)


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Step(Child):
    title: str = field(max_length=20)


class Job(Entity):
    """A piece of work."""

    code: str = field(max_length=8, pattern="[A-Z0-9-]+", unique=True)
    name: str = field(max_length=20, default="")
    owner: str = field(max_length=20, default="", index=True)
    budget: Decimal | None = field(default=None, precision=10, scale=2, ge=0)
    secret: str = field(max_length=20, default="", hidden=True)
    made: datetime = field(default=now, read_only=True)
    stage: Stage = field(default=Stage.DRAFT)
    steps: list[Step] = children(Step)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)

    @transition(Stage.ACTIVE, to=Stage.CLOSED, permission="work.close")
    def close(self, reason: str) -> None:
        if not reason.strip():
            raise Refused("reason", "say why")

    @action
    def rename(self, name: str) -> None:
        self.name = name

    @action
    def grant(self) -> None:
        self.budget = Decimal(200)

    @validator
    def name_is_not_the_code(self) -> None:
        self.require(self.name != self.code, "name", "must differ from the code")

    meta = ModelMeta(label="code", order_by="code")


class Bill(Entity):
    job_id: UUID = ref(Job)
    note: str = field(max_length=20, default="")


class Log(Entity):
    """What hooks and subscribers leave behind."""

    text: str = field(max_length=80)

    meta = ModelMeta(audit=False)


@on.before_create(Job)
def default_name(job: Job, clock: IClock) -> None:
    if not job.name and isinstance(job.code, str):
        job.name = f"job {clock.now().year}"
    if job.name == "budgeted":
        job.budget = Decimal(100)


@on.after_create(Job)
def log_creation(job: Job, logs: IDomain[Log]) -> None:
    logs.save(Log(text=f"created {job.code}"))
    if job.name == "explode":
        raise Refused("name", "the hook says no")


@on.before_update(Job)
def note_rename(job: Job, before: Job, logs: IDomain[Log]) -> None:
    if job.name != before.name:
        logs.save(Log(text=f"{before.name} -> {job.name}"))


@on.before(Job.close)
def log_closing(job: Job, arguments: dict[str, object], logs: IDomain[Log]) -> None:
    logs.save(Log(text=f"closing {job.code}: {arguments['reason']}"))


@subscribe(EntityChanged, model=Job, batch=True)
def log_events(events: Sequence[EntityChanged], logs: IDomain[Log]) -> None:
    for event in events:
        logs.save(Log(text=f"event {event.action} {event.entity.code}"))


delivered: list[str] = []


@subscribe(EntityChanged, model=Job, after_commit=True)
def deliver(event: EntityChanged) -> None:
    delivered.append(f"{event.action} {event.entity.code}")


class JobPolicy(Policy[Job]):
    """An actor named ``owner:x`` reaches the jobs of x alone and may not touch budgets."""

    @property
    def _owner(self) -> str:
        return self.actor.id.removeprefix("owner:") if self.actor.id.startswith("owner:") else ""

    def rows(self, verb: str) -> Criteria | None:
        return where(owner=self._owner) if self._owner else None

    def unwritable(self) -> frozenset[str]:
        return frozenset({"budget"}) if self._owner else frozenset()

    def unreadable(self) -> frozenset[str]:
        return frozenset({"budget"}) if self._owner else frozenset()


class WorkProvider(ProviderBase):
    models = (Job, Bill, Log)
    hooks = (default_name, log_creation, note_rename, log_closing)
    subscribers = (log_events, deliver)

    def bind(self, to: Binder) -> None:
        to.bind(Policy[Job], JobPolicy)
