"""An application for the web room alone: declared models, and services that keep entities in a dictionary.

The services stand in for the whole house below; they know permissions, versions and tenants, so that what is
tested here is what HTTP makes of them.
"""

import copy
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from prefiq.contracts import (
    Actor,
    All,
    Any_,
    Bound,
    Compare,
    ConcurrencyError,
    IDomainService,
    IPermissions,
    NotFound,
    Page,
    PagedResult,
    Refused,
    Scope,
    UniqueViolation,
    UnknownTenant,
)
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.policy import ActorPermissions, Policy
from prefiq.lowcode import (
    Catalog,
    ModelMeta,
    Status,
    Validator,
    action,
    children,
    field,
    now,
    ref,
    transition,
    validator,
)
from prefiq.settings import Settings
from prefiq.web import create_asgi, make_token
from prefiq.web.workers import Inline


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
        self.note = reason

    @action
    def rename(self, name: str) -> None:
        """Give it another name."""
        self.name = name

    @validator
    def starts_before_it_is_due(self) -> None:
        self.require(
            self.starts is None or self.due is None or self.starts <= self.due.date(),
            "due",
            "must not be before the start",
        )

    meta = ModelMeta(label="code", order_by="code")


class Step(Child):
    """One thing to do."""

    title: str = field(max_length=80)
    hours: Decimal = field(default=Decimal(0), precision=6, scale=2)
    done: bool = field(default=False)
    checked_by: str = field(default="", max_length=40, read_only=True)


class Task(Entity):
    """Something to do in a project."""

    title: str = field(max_length=120, search=True, sort=True)
    project_id: UUID = ref(Project)
    steps: list[Step] = children(Step)

    meta = ModelMeta(order_by="title")


class Ledger(Entity):
    """Rows without an API."""

    text: str = field(max_length=20)
    meta = ModelMeta(remote=False)


class Country(Entity):
    """A shared row, written by the system alone."""

    code: str = field(max_length=2, unique=True)
    meta = ModelMeta(order_by="code", scope="shared")


class Service:
    """``IDomainService`` over a dictionary."""

    def __init__(self, spec: Any, rows: dict[UUID, Any], log: list[Any], scope: Scope) -> None:
        self.spec, self.rows, self.log = spec, rows, log
        self.permissions = ActorPermissions(scope)
        self.actor = scope.actor

    def _require(self, verb: str) -> None:
        self.permissions.require(f"{self.spec.permission}.{verb}")

    def _record(self, entity: Any, action: str) -> None:
        record = SimpleNamespace(
            at=datetime.now(UTC), actor=self.actor.id, action=action, version=entity.version,
            changes={"name": ["a", "b"], "secret_rank": [1, 2]}, of=entity.id,
        )  # fmt: skip
        self.log.append(record)

    def _check_unique(self, entity: Any) -> None:
        for name in (f.name for f in self.spec.fields if f.unique):
            if any(
                getattr(r, name) == getattr(entity, name) for r in self.rows.values() if r.id != entity.id
            ):
                raise UniqueViolation(self.spec.qualified, (name,))

    def create(self, entity: Any, /) -> Any:
        self._require("create")
        if any(f.name == "created_at" for f in self.spec.fields):
            entity.created_at = datetime.now(UTC)
        Validator(self.spec).check(entity)
        if self.spec.name == "Project" and entity.name == "explode":
            raise RuntimeError("the launch code is 0000")
        self._check_unique(entity)
        entity.version = 1
        self.rows[entity.id] = copy.deepcopy(entity)
        self._record(entity, "created")
        return entity

    def get(self, id: UUID, /) -> Any:
        self._require("read")
        if id not in self.rows:
            raise NotFound(self.spec.qualified, id)
        return copy.deepcopy(self.rows[id])

    def list(self, page: Page = Page(), where: Any = None) -> PagedResult[Any]:  # noqa: B008  frozen
        self._require("read")
        rows = [row for row in self.rows.values() if where is None or holds(where, row)]
        sort = page.sort or self.spec.order_by
        rows.sort(key=lambda row: row.id)
        for entry in reversed(sort):
            name = entry.removeprefix("-")
            rows.sort(
                key=lambda row: (getattr(row, name) is not None, getattr(row, name)),
                reverse=entry.startswith("-"),
            )

        def place(row: Any) -> tuple[Any, ...]:
            return (*(getattr(row, entry.removeprefix("-")) for entry in sort), row.id)

        start = page.offset
        if page.after is not None:
            start = next((n for n, row in enumerate(rows) if place(row) == page.after), len(rows)) + 1
        items = rows[start : start + page.limit]
        more = len(rows) > start + page.limit
        return PagedResult(
            copy.deepcopy(items), place(items[-1]) if more else None, len(rows) if page.count else None
        )

    def update(self, entity: Any, /) -> Any:
        self._require("update")
        Validator(self.spec).check(entity)
        if self.rows[entity.id].version != entity.version:
            raise ConcurrencyError(self.spec.qualified, entity.id)
        if self.spec.name == "Project" and entity.name == "race":
            raise ConcurrencyError(self.spec.qualified, entity.id)
        self._check_unique(entity)
        entity.version += 1
        self.rows[entity.id] = copy.deepcopy(entity)
        self._record(entity, "updated")
        return entity

    def delete(self, id: UUID, /, *, version: int | None = None) -> None:
        self._require("delete")
        entity = self.get(id)
        if version is not None and entity.version != version:
            raise ConcurrencyError(self.spec.qualified, id)
        del self.rows[id]

    def run(self, action: Any, target: Any, /, **given: Any) -> Any:
        spec = self.spec.action(action.name)
        self.permissions.require(spec.permission)
        entity = self.get(target) if isinstance(target, UUID) else target
        action.apply(entity, **given)
        entity.version += 1
        self.rows[entity.id] = copy.deepcopy(entity)
        self._record(entity, action.name)
        return entity

    def history(self, id: UUID, /) -> Any:
        self.get(id)
        return [record for record in self.log if record.of == id]


def holds(criteria: Any, row: Any) -> bool:
    match criteria:
        case All(terms):
            return all(holds(term, row) for term in terms)
        case Any_(terms):
            return any(holds(term, row) for term in terms)
        case Compare(name, operator, value):
            found = getattr(row, name)
            if operator == "isnull":
                return (found is None) is value
            if found is None:
                return False
            compare: dict[str, Callable[[], bool]] = {
                "eq": lambda: found == value,
                "ne": lambda: found != value,
                "gt": lambda: found > value,
                "gte": lambda: found >= value,
                "lt": lambda: found < value,
                "lte": lambda: found <= value,
                "in": lambda: found in value,
                "nin": lambda: found not in value,
                "contains": lambda: value in found,
                "icontains": lambda: value.lower() in found.lower(),
                "startswith": lambda: found.startswith(value),
            }
            return compare[operator]()
    raise AssertionError(criteria)


class OpenPolicy:
    def unreadable(self) -> frozenset[str]:
        return frozenset()


class ProjectPolicy:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def unreadable(self) -> frozenset[str]:
        return frozenset({"budget"}) if self.scope.actor.id == "clerk" else frozenset()


@dataclass
class App:
    """What ``Served`` asks for, over dictionaries of rows by tenant and model."""

    settings: Settings
    catalog: Catalog
    tenants: tuple[str, ...] = ("acme", "globex")
    rows: dict[tuple[str, str], dict[UUID, Any]] = attribute(default_factory=dict)
    log: list[Any] = attribute(default_factory=list)
    scopes: list[Scope] = attribute(default_factory=list)

    def scope(self, tenant: str | None = None, actor: Actor | None = None, **options: Any) -> Scope:
        tenant = tenant or "main"
        if tenant not in self.tenants:
            raise UnknownTenant(tenant)
        scope = Scope(Bound(tenant), actor or Actor("anonymous"), resolve=self._resolve, **options)
        self.scopes.append(scope)
        return scope

    def _resolve(self, scope: Scope, contract: Any) -> Any:
        if contract is IPermissions:
            return ActorPermissions(scope)
        (model,) = contract.__args__
        if contract.__origin__ is Policy:
            return ProjectPolicy(scope) if model is Project else OpenPolicy()
        spec = self.catalog[model]
        assert contract.__origin__ is IDomainService
        key = ("" if spec.scope == "shared" else scope.tenant, spec.qualified)
        return Service(spec, self.rows.setdefault(key, {}), self.log, scope)


@pytest.fixture
def app(tmp_path: Path) -> App:
    catalog = Catalog.build({"projects": (Project, Task, Ledger), "masters": (Country,)})
    return App(Settings.for_test(tmp_path, docs=True), catalog)


@dataclass
class Api:
    """A client with a token; ``api.get("/projects")`` is below ``/api/projects``."""

    client: TestClient
    app: App

    def token(self, tenant: str = "acme", *permissions: str, actor: str = "ann", seconds: int = 600) -> str:
        return make_token(self.app.settings, tenant, actor, permissions or ("*",), seconds)

    def request(self, method: str, path: str, *, tenant: str = "acme", can: tuple[str, ...] = ("*",), actor: str = "ann",
                headers: Mapping[str, str] | None = None, **options: Any) -> Any:  # fmt: skip
        if not path.startswith(("/api", "/livez", "/readyz", "/openapi", "/docs", "/problems")):
            path = f"/api/projects{path}"
        authorization = {"Authorization": f"Bearer {self.token(tenant, *can, actor=actor)}"}
        return self.client.request(method, path, headers={**authorization, **(headers or {})}, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.request("POST", path, json=json, **options)

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


@pytest.fixture
def api(app: App) -> Any:
    with TestClient(create_asgi(app, workers=Inline()), raise_server_exceptions=False) as client:
        yield Api(client, app)


@pytest.fixture
def other_id() -> str:
    return str(uuid.uuid4())
