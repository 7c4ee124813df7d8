# ruff: noqa: B008, FAST002  FastAPI as its users write it; Annotated cannot name what a function defines
"""HTTP in process: the generated API beside a bare ASGI application and FastAPI with the same duties.

Everything is stubbed below the service and nothing hops to a thread, so what is measured is HTTP alone:
limits, token, tenant, permission, policy, decoding, encoding, tag.  One interleaved run; the CPU time of the best
round counts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import jwt
import msgspec
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from benchmarks._measure import Row, interleaved, row
from prefiq.application import Application
from prefiq.bridge import await_
from prefiq.container import Binder
from prefiq.contracts import Actor, Bound, IDomain, IPermissions, PagedResult, Scope
from prefiq.foundation.entity import Entity
from prefiq.foundation.policy import ActorPermissions, Policy
from prefiq.lowcode import Catalog, ModelMeta, Status, field, transition
from prefiq.plugins import ProviderBase
from prefiq.settings import Settings
from prefiq.testing import make_application
from prefiq.web import Greenlets, Threads, TokenAuthenticator, Workers, create_asgi, make_token
from prefiq.web.asgi import build_table
from prefiq.web.endpoint import Limits, compile_endpoint
from prefiq.web.served import Served

C = TypeVar("C")
T = TypeVar("T")
Message = dict[str, Any]
ASGI = Callable[[Message, Any, Any], Awaitable[None]]
NUMBER, ROUNDS = 400, 12


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"


class Project(Entity):
    """A piece of work, with thirteen fields."""

    code: str = field(max_length=32, unique=True)
    name: str = field(max_length=200)
    budget: Decimal | None = field(default=None, precision=12, scale=2)
    starts: date | None = field(default=None)
    due: datetime | None = field(default=None)
    effort: int = field(default=0)
    ratio: float | None = field(default=None)
    urgent: bool = field(default=False)
    note: str = field(default="")
    owner: uuid.UUID | None = field(default=None)
    stage: Stage = field(default=Stage.DRAFT)
    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)
    meta = ModelMeta(order_by="code")


def a_project(number: int = 1) -> Project:
    return Project(
        code=f"A-{number}",
        name="Renovate the roof",
        budget=Decimal("1200.50"),
        starts=date(2026, 1, 1),
        due=datetime(2026, 6, 1, tzinfo=UTC),
        effort=40,
        ratio=0.5,
        urgent=True,
        note="a note of some length, as people write them",
        owner=uuid.UUID(int=7),
        version=3,
    )


class Service:
    """Answers from memory, without a pipeline."""

    def __init__(self) -> None:
        self.one = a_project()
        self.page = PagedResult([a_project(n) for n in range(50)])

    def get(self, _: uuid.UUID, /) -> Project:
        return self.one

    def list(self, *_: Any) -> PagedResult[Project]:
        return self.page

    def create(self, entity: Project, /) -> Project:
        entity.version = 1
        return entity


class OpenPolicy:
    def unreadable(self) -> frozenset[str]:
        return frozenset()


@dataclasses.dataclass
class App:
    settings: Settings
    catalog: Catalog

    def __post_init__(self) -> None:
        self.service, self.policy = Service(), OpenPolicy()

    def scope(
        self,
        tenant: str | None = None,
        actor: Actor | None = None,
        *,
        locale: str = "en",
        deadline: datetime | None = None,
        request_id: str = "",
    ) -> Scope:
        return Scope(Bound(tenant or ""), actor or Actor(""), self.resolve, locale, deadline, request_id)

    def resolve(self, scope: Scope, contract: Any) -> Any:
        if contract is IPermissions:
            return ActorPermissions(scope)
        return self.policy if contract.__origin__ is Policy else self.service


def models(count: int) -> Catalog:
    """A catalogue of that many models; ``Project`` is the last."""
    others = [type(f"Model{n}", (Project,), {"__module__": __name__}) for n in range(count - 1)]
    return Catalog.build({"projects": [*others, Project]})


class Repository(IDomain[Project]):
    """Always has the row, and nothing else."""

    def get_by_id(self, id: uuid.UUID, /) -> Project:
        del id
        return ONE


ONE = a_project()


class ProjectsProvider(ProviderBase):
    name = "projects"
    models = (Project,)

    def bind(self, to: Binder) -> None:
        to.bind(IDomain[Project], Repository)


# ---- the others

BODY = msgspec.json.encode(a_project())
PAGE = msgspec.json.encode({"items": [a_project(n) for n in range(50)], "next": None})


async def bare(scope: Message, receive: Any, send: Any) -> None:
    """The least an ASGI application can do: read what comes, send bytes that are at hand."""
    path, body = scope["path"], BODY
    if scope["method"] == "POST":
        await receive()
    elif path.endswith("projects"):
        body = PAGE
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Level(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"


class ProjectIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=32)
    name: str = Field(max_length=200)
    budget: Decimal | None = Field(default=None, max_digits=12, decimal_places=2)
    starts: date | None = None
    due: datetime | None = None
    effort: int = 0
    ratio: float | None = None
    urgent: bool = False
    note: str = ""


class ProjectOut(ProjectIn):
    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    version: int
    owner: uuid.UUID | None = None
    stage: Level = Level.DRAFT


class PageOut(BaseModel):
    items: list[ProjectOut]
    next: str | None = None


def fastapi_app(key: str, paths: int = 1) -> ASGI:
    """FastAPI with the same duties, as its documentation would have them written: dependencies."""
    service = Service()
    app = FastAPI()

    async def identity(
        authorization: str = Header(), prefiq_tenant: str | None = Header(default=None)
    ) -> Message:
        token = authorization.removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token, key, algorithms=["HS256"], audience="prefiq", options={"require": ["exp", "sub"]}
            )
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error
        if prefiq_tenant not in {None, claims["tenant"]}:
            raise HTTPException(403)
        return claims

    def allowed(permission: str) -> Callable[..., Awaitable[Message]]:
        async def check(claims: Message = Depends(identity)) -> Message:
            if not any(pattern in {"*", permission} for pattern in claims["scope"].split(" ")):
                raise HTTPException(403)
            return claims

        return check

    @app.exception_handler(HTTPException)
    async def problem(_: Request, error: HTTPException) -> Response:
        return JSONResponse(
            {"status": error.status_code}, error.status_code, media_type="application/problem+json"
        )

    for number in range(paths):
        path = "/api/projects/projects" if number == paths - 1 else f"/api/projects/others{number}"

        @app.get(path, response_model=PageOut)
        async def list_(
            limit: int = 50, offset: int = 0, _: Message = Depends(allowed("projects.project.read"))
        ) -> Any:
            return {"items": service.list(limit, offset).items}

        @app.post(path, response_model=ProjectOut, status_code=201)
        async def create(
            body: ProjectIn, response: Response, _: Message = Depends(allowed("projects.project.create"))
        ) -> Any:
            entity = service.create(Project(**body.model_dump()))
            response.headers["etag"] = f'"{entity.version}"'
            response.headers["location"] = f"/api/projects/projects/{entity.id}"
            return entity

        @app.get(path + "/{id}", response_model=ProjectOut)
        async def get(
            id: uuid.UUID,
            response: Response,
            if_none_match: str | None = Header(default=None),
            _: Message = Depends(allowed("projects.project.read")),
        ) -> Any:
            entity = service.get(id)
            tag = f'"{entity.version}"'
            if if_none_match == tag:
                return Response(status_code=304)
            response.headers["etag"] = tag
            return entity

    return duties(app)


SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Prefiq-Tenant"),
]
CURRENT: ContextVar[str] = ContextVar("request")


def duties(app: ASGI) -> ASGI:
    """Limits, request id and security header fields, as a plain ASGI middleware: the cheapest way to add them."""

    async def middleware(scope: Message, receive: Any, send: Any) -> None:
        fields = dict(scope["headers"])
        size = fields.get(b"content-length", b"0")
        if len(scope["path"]) > 2048 or len(scope["query_string"]) > 8192 or int(size) > 1_000_000:
            raise HTTPException(413)
        request_id = str(uuid.uuid4())
        CURRENT.set(request_id)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE, (b"x-request-id", request_id.encode())]
            await send(message)

        await app(scope, receive, sending)

    return middleware


# ---- driving them

SENT = {
    "code": "A-1", "name": "Renovate the roof", "budget": "1200.50", "starts": "2026-01-01",
    "due": "2026-06-01T00:00:00Z", "effort": 40, "ratio": 0.5, "note": "a note",
}  # fmt: skip
POSTED = msgspec.json.encode(SENT)


def request(method: str, path: str, token: str, body: bytes = b"") -> Message:
    headers = [
        (b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip"),
        (b"connection", b"keep-alive"), (b"authorization", f"Bearer {token}".encode()),
    ]  # fmt: skip
    if body:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip


class Driver:
    """Calls an ASGI application on one event loop, with a fresh scope each time, as a server does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def contestant(
        self, app: ASGI, wanted: Message, body: bytes = b"", expect: int = 200
    ) -> Callable[[], None]:
        message = {"type": "http.request", "body": body, "more_body": False}
        seen: list[Message] = []

        async def receive() -> Message:
            return message

        async def send(event: Message) -> None:
            if event["type"] == "http.response.start":
                seen.append(event)

        async def many() -> None:
            for _ in range(NUMBER):
                await app({**wanted}, receive, send)

        def run() -> None:
            seen.clear()
            self.loop.run_until_complete(many())
            assert seen[-1]["status"] in {200, expect}, seen[-1]

        return run


class Inline:
    """Serves on the event loop: nothing that is measured here blocks."""

    async def run(self, work: Callable[[C], T], call: C, /) -> T:
        return work(call)

    async def close(self) -> None:
        """Nothing to close."""


class Waiting(Greenlets):
    """Every request waits once for the loop, as for a database."""

    async def run(self, work: Callable[[C], T], call: C, /) -> T:
        def waits(call: C) -> T:
            await_(asyncio.sleep(0))
            return work(call)

        return await super().run(waits, call)


def compiled(app: Served, authenticator: Any = None, workers: Workers | None = None) -> ASGI:
    """The endpoint as Starlette hosts it, without Starlette."""
    settings = app.settings
    limits = Limits(settings.body_limit, settings.request_timeout)
    authenticator = authenticator or TokenAuthenticator.of(settings)
    return compile_endpoint(app, build_table(app), authenticator, workers or Inline(), limits)


class Forgetful(TokenAuthenticator):
    """Verifies every token anew."""

    def recall(self, token: bytes, /) -> None:
        del token


def rows() -> list[Row]:
    """All results of this file."""
    with (
        tempfile.TemporaryDirectory() as folder,
        make_application(Path(folder), modules=[ProjectsProvider]) as whole,
    ):
        return measure(whole)


def measure(whole: Application) -> list[Row]:
    settings = whole.settings
    app = App(settings, models(1))
    token = make_token(settings, "acme", "ann", ["*"], 3600)
    key = settings.jwt_keys[0].reveal()
    driver = Driver()
    path = f"/api/projects/projects/{uuid.UUID(int=1)}"
    get, list_ = request("GET", path, token), request("GET", "/api/projects/projects", token)
    post = request("POST", "/api/projects/projects", token, POSTED)
    ours, peer = compiled(app), fastapi_app(key)
    many, forgetful = compiled(App(settings, models(250))), compiled(app, Forgetful.of(settings))
    hosted = create_asgi(app, workers=Inline())
    view = app.service
    contestants: dict[str, Callable[[], object]] = {
        "bare get": driver.contestant(bare, get),
        "get": driver.contestant(ours, get),
        "get 250": driver.contestant(many, get),
        "get uncached": driver.contestant(forgetful, get),
        "get hosted": driver.contestant(hosted, get),
        "get whole": driver.contestant(compiled(whole), get),
        "get bridged": driver.contestant(compiled(whole, workers=Greenlets(64, 30)), get),
        "get waiting": driver.contestant(compiled(whole, workers=Waiting(64, 30)), get),
        "get threaded": driver.contestant(compiled(whole, workers=Threads(8)), get),
        "get fastapi": driver.contestant(peer, get),
        "bare list": driver.contestant(bare, list_),
        "list": driver.contestant(ours, list_),
        "list fastapi": driver.contestant(peer, list_),
        "bare post": driver.contestant(bare, post, POSTED),
        "post": driver.contestant(ours, post, POSTED, 201),
        "post fastapi": driver.contestant(peer, post, POSTED, 201),
        "encode list": lambda: [msgspec.json.encode(view.page.items) for _ in range(NUMBER)],
    }
    spent = {
        name: seconds * 1e6 / NUMBER for name, seconds in interleaved(contestants, rounds=ROUNDS).items()
    }
    driver.loop.close()

    def fastapi_of(kind: str) -> str:
        return f"FastAPI {spent[f'{kind} fastapi']:.0f} µs"

    return [
        row("HTTP GET by id over a bare ASGI app", spent["get"] - spent["bare get"], "µs", 8.0, fastapi_of("get")),
        row("HTTP GET by id ÷ FastAPI with the same duties", spent["get"] / spent["get fastapi"], "ratio", 1 / 40, fastapi_of("get")),
        row("HTTP GET by id over bare, container and service real", spent["get whole"] - spent["bare get"], "µs", None),
        row("HTTP GET by id over bare, the same in the bridge (DB_MODE=async)", spent["get bridged"] - spent["bare get"], "µs", None, f"in a thread {spent['get threaded'] - spent['bare get']:.1f} µs"),
        row("HTTP GET by id over bare, the same waiting once in the bridge", spent["get waiting"] - spent["bare get"], "µs", None),
        row("HTTP GET by id inside Starlette", spent["get hosted"], "µs", None, f"bare {spent['bare get']:.1f} µs"),
        row("HTTP GET by id, token verified anew", spent["get uncached"], "µs", None, fastapi_of("get")),
        row("HTTP GET by id, 250 models ÷ 1", spent["get 250"] / spent["get"], "ratio", 1.03, "Starlette 26, FastAPI 12"),
        row("HTTP list of 50 ÷ encoding it alone", spent["list"] / spent["encode list"], "ratio", 1.5, fastapi_of("list")),
        row("HTTP list of 50 ÷ FastAPI with the same duties", spent["list"] / spent["list fastapi"], "ratio", None),
        row("HTTP POST over a bare ASGI app", spent["post"] - spent["bare post"], "µs", 18.0, fastapi_of("post")),
        row("HTTP POST ÷ FastAPI with the same duties", spent["post"] / spent["post fastapi"], "ratio", None),
    ]  # fmt: skip
