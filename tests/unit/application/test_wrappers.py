"""Wrappers around the use cases of a running application."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from prefiq import (
    Application,
    Entity,
    EntityChanged,
    Forbidden,
    IClock,
    IDomain,
    IDomainService,
    ModelMeta,
    ProviderBase,
    Refused,
    Scope,
    Settings,
    Status,
    ValidationFailed,
    can,
    field,
    on,
    subscribe,
    transition,
)
from prefiq.testing import make_application


class State(Status):
    NEW = "new"
    DONE = "done"


class Job(Entity):
    code: str = field(max_length=8, pattern="[A-Z]+", unique=True)
    state: State = field(default=State.NEW)

    @transition(State.NEW, to=State.DONE)
    def finish(self, note: str) -> None:
        if note == "no":
            raise Refused("note", "not this one")

    meta = ModelMeta(label="code")


class Log(Entity):
    text: str = field(max_length=200)

    meta = ModelMeta(audit=False)


seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


def around(event: str) -> Any:
    def run(job: Job) -> Iterator[None]:
        seen.append(f"{event} begins")
        try:
            stored = yield
            seen.append(f"{event} of {stored.code}")
        except Exception as error:
            seen.append(f"{event} sees {type(error).__name__}")
            raise
        finally:
            seen.append(f"{event} ends")

    run.__name__ = event
    return run


@on.around_create(Job)
def writes(job: Job, logs: IDomain[Log], clock: IClock) -> Iterator[None]:
    yield
    logs.save(Log(text=f"{job.code} at {clock.now().year}"))


@on.around(Job.finish)
def arguments(job: Job, arguments: dict[str, Any], scope: Scope) -> Iterator[None]:
    seen.append(arguments)
    yield


@on.around_update(Job)
def change(job: Job, before: Job) -> Iterator[None]:
    seen.append((before.state, job.state))
    yield


@on.before_create(Job)
def hook(job: Job) -> None:
    seen.append("before_create")


@subscribe(EntityChanged, model=Job, action="created")
def told(event: EntityChanged) -> None:
    seen.append("event")


class JobProvider(ProviderBase):
    name = "jobs"
    models = (Job, Log)
    hooks: ClassVar[tuple[Any, ...]] = (
        on.around_create(Job, place="first")(around("create")),
        on.around_delete(Job)(around("delete")),
        on.around(Job.finish)(around("finish")),
        writes,
        arguments,
        change,
        hook,
    )
    subscribers = (told,)


pytestmark = pytest.mark.prefiq(modules=[JobProvider])


@pytest.fixture
def jobs(scope: Scope) -> IDomainService[Job]:
    return scope[IDomainService[Job]]


def texts(scope: Scope) -> list[str]:
    return [log.text for log in scope[IDomain[Log]].list().items]


def test_around_a_creation(jobs: IDomainService[Job], scope: Scope) -> None:
    """Outside the hooks and the event, inside the transaction; further parameters are injected."""
    jobs.create(Job(code="A"))
    assert seen == ["create begins", "before_create", "event", "create of A", "create ends"]
    assert texts(scope) == ["A at 2026"]


def test_what_fails_is_seen_and_leaves_nothing(jobs: IDomainService[Job], scope: Scope) -> None:
    """A refused creation passes through the wrapper; what a wrapper raises at its end undoes the rest."""
    with pytest.raises(ValidationFailed):
        jobs.create(Job(code="a"))
    assert seen[-2:] == ["create sees ValidationFailed", "create ends"]
    assert texts(scope) == []


def test_the_use_case_is_authorised_first(app: Application) -> None:
    """Who may not create does not reach a wrapper."""
    with app.scope("acme", can("jobs.job.read")) as scope, pytest.raises(Forbidden):
        scope[IDomainService[Job]].create(Job(code="A"))
    assert seen == []


def test_around_each_of_many(jobs: IDomainService[Job], scope: Scope) -> None:
    """Every entity has its own; all end, the last one first, when all are stored or one is refused."""
    jobs.create_many([Job(code="A"), Job(code="B")])
    assert [text for text in seen if text not in {"before_create", "event"}] == [
        "create begins",
        "create begins",
        "create of B",
        "create ends",
        "create of A",
        "create ends",
    ]
    assert sorted(texts(scope)) == ["A at 2026", "B at 2026"]
    seen.clear()
    with pytest.raises(ValidationFailed):
        jobs.create_many([Job(code="C"), Job(code="d")])
    assert seen.count("create sees ValidationFailed") == seen.count("create ends") == 2
    assert len(texts(scope)) == 2


def test_around_an_action_and_its_update(jobs: IDomainService[Job]) -> None:
    """The action's wrapper gets what it was given, the update's the entity as it was."""
    job = jobs.create(Job(code="A"))
    seen.clear()
    jobs.run(Job.finish, job.id, note="fine")
    assert seen == [
        "finish begins",
        {"note": "fine"},
        (State.NEW, State.DONE),
        "finish of A",
        "finish ends",
    ]


def test_around_a_refused_action(jobs: IDomainService[Job]) -> None:
    """Its own code refuses inside the wrapper, and the update is not reached."""
    job = jobs.create(Job(code="A"))
    seen.clear()
    with pytest.raises(Refused):
        jobs.run(Job.finish, job.id, note="no")
    assert seen == ["finish begins", {"note": "no"}, "finish sees Refused", "finish ends"]


def test_around_a_deletion(jobs: IDomainService[Job]) -> None:
    """The entity as it last was."""
    job = jobs.create(Job(code="A"))
    seen.clear()
    jobs.delete(job.id)
    assert seen == ["delete begins", "delete of A", "delete ends"]


@pytest.mark.parametrize(("env", "logged"), [("development", True), ("production", False), ("test", False)])
def test_slow_hooks_are_logged_in_development(
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    env: str,
    logged: bool,
) -> None:
    """Hooks and subscribers; elsewhere nothing measures."""
    monkeypatch.setattr("prefiq.application.composition.SLOW_HOOK", 1e-9)
    extra = {"env": env, "jwt_secret_key": None}
    with (
        make_application(tmp_path, modules=[JobProvider], tenants=["acme"], **extra) as app,
        caplog.at_level(logging.WARNING, "prefiq.hooks"),
        app.scope("acme", can("*")) as scope,
    ):
        scope[IDomainService[Job]].create(Job(code="A"))
    said = " ".join(record.getMessage() for record in caplog.records if record.name == "prefiq.hooks")
    assert ("slow hook jobs.hook (before_create Job)" in said) is logged
    assert ("slow subscriber jobs.told" in said) is logged


def test_a_disabled_wrapper_does_not_run(tmp_path: Any) -> None:
    """By its name, as any hook; a subscriber too."""
    (tmp_path / "prefiq.toml").write_text('disable = ["jobs.create", "jobs.told"]\n')
    with (
        make_application(tmp_path, modules=[JobProvider], tenants=["acme"]) as app,
        app.scope("acme", can("*")) as scope,
    ):
        scope[IDomainService[Job]].create(Job(code="A"))
        assert seen == ["before_create"]
    assert isinstance(app.settings, Settings)
