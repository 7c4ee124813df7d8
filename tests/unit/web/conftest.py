"""A small application on SQLite and a client for it: every kind of field, actions, children, references, a policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient
from tests import servers

from prefiq import (
    Application,
    Binder,
    Child,
    ConcurrencyError,
    Criteria,
    Entity,
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
    transition,
    validator,
    where,
)
from prefiq.cli.lifespan import OpenedByServer
from prefiq.cli.session import Session
from prefiq.testing import make_application
from prefiq.web import create_asgi, make_token


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Project(Entity):
    """A piece of work with a budget and a life cycle."""

    code: str = field(max_length=32, pattern=r"[A-Z0-9-]+", unique=True)
    name: str = field(max_length=200, search=True)
    budget: Decimal | None = field(default=None, precision=12, scale=2, ge=0, index=True)
    starts: date | None = field(default=None, index=True)
    due: datetime | None = field(default=None, filter=True)
    effort: int = field(default=0, index=True)
    ratio: float | None = field(default=None, filter=True)
    urgent: bool = field(default=False, filter=True)
    details: dict[str, Any] | None = field(default=None)
    note: str = field(default="", text=True, filter=True, search=True)
    stage: Stage = field(default=Stage.DRAFT)
    created_at: datetime = field(default=now, read_only=True)
    secret_rank: int = field(default=7, hidden=True)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)

    @transition(Stage.ACTIVE, to=Stage.CLOSED, permission="projects.close")
    def close(self, reason: str, when: date | None = None) -> None:
        """End the work, and say why."""
        if not reason.strip():
            raise Refused("reason", "say why")
        if self.effort > 1000:
            raise Refused("effort", "too much was done")
        self.note = f"{reason} {when or ''}".strip()

    @action
    def rename(self, name: str = "renamed") -> None:
        """Give it another name."""
        self.name = name

    @validator
    def due_after_start(self) -> None:
        fits = self.starts is None or self.due is None or self.starts <= self.due.date()
        self.require(fits, "due", "must not be before the start")

    meta = ModelMeta(label="code", order_by="code")


class Step(Child):
    """One thing to do."""

    title: str = field(max_length=80)
    hours: Decimal = field(default=Decimal(0), precision=6, scale=2)
    done: bool = field(default=False)
    checked_by: str = field(default="nobody", max_length=40, read_only=True)
    secret_note: str = field(default="psst", max_length=40, hidden=True)


class Task(Entity):
    """Something to do in a project."""

    title: str = field(max_length=120, search=True, index=True)
    project_id: UUID | None = ref(Project, default=None)
    steps: list[Step] = children(Step)

    meta = ModelMeta(order_by="title")


class Ranked(Entity):
    """Rows whose order is nobody's business."""

    name: str = field(max_length=20)
    rank: int = field(default=0, hidden=True, index=True)
    meta = ModelMeta(order_by="rank", audit=False)


class Ledger(Entity):
    """Rows without an API."""

    text: str = field(max_length=20)
    meta = ModelMeta(remote=False)


class Country(Entity):
    """A shared row, written by the system alone."""

    code: str = field(max_length=2, unique=True)
    meta = ModelMeta(order_by="code", scope="shared")


class ProjectPolicy(Policy[Project]):
    def rows(self, verb: str) -> Criteria | None:
        return where(urgent=False) if self.actor.id == "trainee" else None

    def unreadable(self) -> frozenset[str]:
        if self.actor.id == "blind":
            return frozenset({"name"})
        return frozenset({"budget", "note"}) if self.actor.id in {"clerk", "auditor"} else frozenset()


class TaskPolicy(Policy[Task]):
    def unreadable(self) -> frozenset[str]:
        return frozenset({"project_id"}) if self.actor.id == "clerk" else frozenset()


@on.before_create(Project)
def trip(project: Project) -> None:
    if project.name == "explode":
        raise RuntimeError("the launch code is 0000")
    if project.name == "unlucky":
        raise Refused("name", "brings bad luck")
    if project.name == "sunday":
        raise Refused("", "not on a Sunday")


@on.before_update(Project)
def lose_the_race(project: Project) -> None:
    if project.name == "race":
        raise ConcurrencyError("projects.Project", project.id)


class ProjectsProvider(ProviderBase):
    name = "projects"
    models = (Project, Task, Ranked, Ledger)
    hooks = (trip, lose_the_race)

    def bind(self, to: Binder) -> None:
        to.bind(Policy[Project], ProjectPolicy)
        to.bind(Policy[Task], TaskPolicy)


class MastersProvider(ProviderBase):
    name = "masters"
    models = (Country,)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """Engine and mode; SQLite and sync unless a test is parametrized with others, indirectly.

    A test with ``…-async`` runs in the bridge as a whole, beside the server's own loop.
    """
    return str(getattr(request, "param", "sqlite-sync"))


@pytest.fixture
def app(tmp_path: Path, place: str) -> Iterator[Application]:
    engine, _, mode = place.partition("-")
    modules = [ProjectsProvider, MastersProvider]
    with (
        servers.database(engine, mode, folder=tmp_path) as database,
        make_application(tmp_path, modules=modules, docs=True, **database.variables()) as app,
    ):
        yield app


@dataclass
class Api:
    """A client with tokens; ``api.get("/projects")`` is below ``/api/projects``."""

    client: TestClient
    app: Application

    def token(self, tenant: str = "acme", *can: str, actor: str = "ann", seconds: int = 600) -> str:
        return make_token(self.app.settings, tenant, actor, can or ("*",), seconds)

    def request(
        self,
        method: str,
        path: str,
        *,
        tenant: str = "acme",
        can: tuple[str, ...] = ("*",),
        actor: str = "ann",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        if not path.startswith("/api/"):
            path = f"/api/projects{path}"
        authorization = {"Authorization": f"Bearer {self.token(tenant, *can, actor=actor)}"}
        return self.client.request(method, path, headers={**authorization, **(headers or {})}, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.request("POST", path, json=json, **options)

    def send(self, method: str, path: str, body: str | bytes, **options: Any) -> Any:
        """A body as it stands."""
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return self.request(method, path, content=body, headers=headers, **options)

    def patch(self, path: str, json: Any, **options: Any) -> Any:
        return self.request("PATCH", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.request("DELETE", path, **options)

    def project(self, code: str = "A-1", tenant: str = "acme", **values: Any) -> dict[str, Any]:
        """A created project."""
        answer = self.post("/projects", {"code": code, "name": f"Name of {code}", **values}, tenant=tenant)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def codes(self, query: str, **options: Any) -> list[str]:
        """Codes of the projects that a query finds."""
        answer = self.get(f"/projects?{query}", **options)
        assert answer.status_code == 200, answer.text
        return [item["code"] for item in answer.json()["items"]]


@pytest.fixture
def api(app: Application) -> Iterator[Api]:
    served = OpenedByServer(app, Session(), create_asgi)  # its end closes what belongs to the client's loop
    with TestClient(served, raise_server_exceptions=False) as client:
        yield Api(client, app)


def faults(answer: Any) -> dict[str, str]:
    """Pointer or parameter → code of every entry of a problem."""
    return {
        entry.get("pointer") or entry.get("parameter", ""): entry["code"] for entry in answer.json()["errors"]
    }


@pytest.fixture(name="faults")
def faults_fixture() -> Any:
    return faults
