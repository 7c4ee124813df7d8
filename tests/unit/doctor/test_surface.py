"""What an application shows, as data that can be written and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from prefiq import (
    Application,
    Binder,
    Child,
    Entity,
    EntityChanged,
    IDomain,
    ModelMeta,
    ProviderBase,
    Settings,
    Status,
    children,
    field,
    on,
    ref,
    subscribe,
    transition,
)
from prefiq.doctor.surface import KINDS, Difference, differences, lines, surface_of
from prefiq.foundation.seeds import Seed
from prefiq.web.openapi import build_openapi


class State(Status):
    NEW = "new"
    DONE = "done"


class Step(Child):
    title: str = field(max_length=20)


class Job(Entity):
    code: str = field(max_length=8, unique=True)
    size: int = field(default=1, ge=0)
    state: State = field(default=State.NEW)
    steps: list[Step] = children(Step)

    @transition(State.NEW, to=State.DONE, permission="jobs.finish")
    def finish(self, note: str) -> None: ...


class Kind(Entity):
    name: str = field(max_length=20)

    meta = ModelMeta(scope="shared", audit=False)


class Note(Entity):
    job_id: UUID = ref(Job, on_delete="cascade")

    meta = ModelMeta(remote=False)


class IJob(IDomain[Job], Protocol):
    limit: int

    def late(self, days: int = 3, *, all: bool) -> list[Job]: ...

    @property
    def open(self) -> int: ...


class Fast:
    def __getattr__(self, name: str) -> object: ...


class Route:
    path = "/summary"
    methods = ("GET", "HEAD")
    permission = "jobs.summary"


@on.before_create(Job, place="first")
def stamp(job: Job) -> None: ...


@subscribe(EntityChanged, model=Job, action="created", after_commit=True)
def told(event: EntityChanged) -> None: ...


class JobProvider(ProviderBase):
    name = "jobs"
    models = (Job, Kind, Note)
    hooks = (stamp,)
    subscribers = (told,)
    seeds = (Seed("kinds", 2, lambda scope, progress: None),)

    def bind(self, to: Binder) -> None:
        to.value(IJob, Fast())  # type: ignore[arg-type]
        to.value(dict, {}, private=True)

    def routes(self) -> list[Route]:
        return [Route()]


class OtherProvider(ProviderBase):
    name = "other"

    def bind(self, to: Binder) -> None:
        to.value(list, [])


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application.prepare(Settings.for_test(tmp_path), modules=[JobProvider, OtherProvider])


def test_one_module(app: Application) -> None:
    """Only what is its own, of every kind, and all of it can be written as JSON."""
    found = surface_of(app, "jobs")
    assert json.loads(json.dumps(found)) == found
    assert list(found) == list(KINDS)
    assert set(found["models"]) == {"jobs.Job", "jobs.Kind", "jobs.Note"}
    assert found["models"]["jobs.Job"]["states"] == ["new", "done"]
    assert set(found["fields"]) == {
        "jobs.Job.code",
        "jobs.Job.size",
        "jobs.Job.state",
        "jobs.Job.steps.title",
        "jobs.Job.finish(note)",
        "jobs.Kind.name",
        "jobs.Note.job_id",
    }
    assert found["fields"]["jobs.Job.size"]["ge"] == 0
    assert found["fields"]["jobs.Job.code"]["required"] is True
    assert found["fields"]["jobs.Job.state"]["choices"] == ["new", "done"]
    assert found["fields"]["jobs.Note.job_id"]["ref"] == "jobs.Job"
    assert found["actions"] == {
        "jobs.Job.finish": {"permission": "jobs.finish", "from": ["new"], "to": "done"}
    }
    assert set(found["tables"]) == {"jobs_job", "jobs_step", "jobs_kind", "jobs_note"}
    assert found["columns"]["jobs_job.code"]["nullable"] is False
    assert found["indexes"]["uq_jobs_job_code"] == {"columns": ["tenant_id", "code"], "unique": True}
    assert found["hooks"] == {
        "jobs.stamp before_create Job": {"event": "before_create", "model": "Job", "place": "first"}
    }
    assert found["subscribers"]["jobs.told EntityChanged Job created"]["after_commit"] is True
    assert found["seeds"] == {"jobs.kinds": {"version": 2}}
    assert "list" not in found["contracts"]
    assert "list" in surface_of(app)["contracts"]


def test_routes_are_those_that_are_served(app: Application) -> None:
    """Shared rows are read only, what is not remote has none, and hand-written ones stand beside them."""
    found = surface_of(app, "jobs")
    assert set(found["routes"]) == {
        "GET /api/jobs/jobs",
        "POST /api/jobs/jobs",
        "GET /api/jobs/jobs/{id}",
        "PATCH /api/jobs/jobs/{id}",
        "DELETE /api/jobs/jobs/{id}",
        "GET /api/jobs/jobs/{id}/history",
        "POST /api/jobs/jobs/{id}/finish",
        "GET /api/jobs/kinds",
        "GET /api/jobs/kinds/{id}",
        "GET /api/jobs/summary",
    }
    assert set(found["permissions"]) >= {"jobs.job.read", "jobs.finish", "jobs.summary", "jobs.note.delete"}


def test_contracts_with_the_members_that_the_module_adds(app: Application) -> None:
    """What comes from Prefiq's own contracts changes with Prefiq; private ones are nobody's affair."""
    found = surface_of(app, "jobs")
    assert {"IJob", "IDomain[Job]", "IDomainService[Job]"} <= set(found["contracts"])
    assert "dict" not in found["contracts"]
    assert found["bindings"]["jobs.dict"]["private"] is True
    assert set(found["members"]) == {"IJob.limit", "IJob.late", "IJob.open"}
    assert found["members"]["IJob.late"] == {
        "parameters": [
            {"name": "days", "kind": "positional_or_keyword", "required": False, "type": "int"},
            {"name": "all", "kind": "keyword_only", "required": True, "type": "bool"},
        ],
        "returns": "list[Job]",
    }


def test_differences() -> None:
    """Added, removed and changed, kind by kind; of what changed only what differs."""
    before = {"fields": {"a": {"x": 1}, "b": {"x": 1, "y": 2}}, "routes": {"r": {}}}
    after = {"fields": {"b": {"x": 1, "y": 3}, "c": {"x": 1}}, "hooks": {"h": {"event": "e"}}}
    found = list(differences(before, after))
    assert found == [
        Difference("fields", "a", "removed", {"x": 1}, {}),
        Difference("fields", "b", "changed", {"y": 2}, {"y": 3}),
        Difference("fields", "c", "added", {}, {"x": 1}),
        Difference("routes", "r", "removed", {}, {}),
        Difference("hooks", "h", "added", {}, {"event": "e"}),
    ]
    assert list(lines(found)) == [
        "fields:",
        "  - a",
        "  ~ b (y: 2 → 3)",
        "  + c",
        "routes:",
        "  - r",
        "hooks:",
        "  + h",
    ]


def test_generated_routes_are_those_of_the_document(app: Application) -> None:
    """The room of the web stands beside this one and is not asked; both must say the same."""
    paths = build_openapi(app.catalog)["paths"]
    documented = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/jobs/") and method in {"get", "post", "patch", "delete"}
    }
    assert documented == set(surface_of(app, "jobs")["routes"]) - {"GET /api/jobs/summary"}
