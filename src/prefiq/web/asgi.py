"""``create_asgi``: the application as an ASGI app, Starlette around the compiled API."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Match

from prefiq.contracts import IPermissions, Scope
from prefiq.errors import PrefiqError
from prefiq.foundation.policy import Roles
from prefiq.web.access import log_call, log_request, logs_requests
from prefiq.web.answers import DOCUMENT, JSON, Answer
from prefiq.web.auth import IAuthenticator, TokenAuthenticator
from prefiq.web.call import Call, Level, Plan
from prefiq.web.cursor import cursor_keys
from prefiq.web.documents import documents
from prefiq.web.endpoint import ASGI, CALL_KEY, Limits, Table, compile_endpoint, send_answer
from prefiq.web.errors import MethodNotAllowed, NoSuchPath, NotReady
from prefiq.web.health import Readiness
from prefiq.web.openapi import build_openapi
from prefiq.web.problems import problem_answer, status_answer
from prefiq.web.proxies import BehindProxies
from prefiq.web.representation import encode
from prefiq.web.request_id import request_ids
from prefiq.web.resource import Resource, Shared, refuse_query
from prefiq.web.routes import add_routes, bridged
from prefiq.web.tenant_hints import TenantPathRoute
from prefiq.web.workers import Greenlets, Threads, Workers

if TYPE_CHECKING:
    from prefiq.lowcode import ModelSpec
    from prefiq.settings import Settings
    from prefiq.web.served import Served

__all__ = ["create_asgi", "openapi_document"]

API = "/api"
new_id = request_ids()


def create_asgi(
    app: Served,
    *,
    checks: Sequence[Callable[[], None]] = (),
    authenticator: IAuthenticator | None = None,
    workers: Workers | None = None,
) -> Starlette:
    """The ASGI application of a booted application.

    It opens threads when the first request comes; when the lifespan ends, it waits for the requests that are
    still served.  The application itself is neither booted nor closed here.

    Args:
        app: Booted.
        checks: What ``/readyz`` asks; each raises where something is missing.
        authenticator: Knows who asks; where left out, what a module bound to ``IAuthenticator``, else the
            tokens that the settings describe.
        workers: Where requests are served; what ``DB_MODE`` wants where left out.
    """
    settings = app.settings
    if workers is None:
        workers = workers_of(settings)
    table, written = build_table(app), module_routes(app)
    if settings.database.mode == "async":
        written = [(module, bridged(route)) for module, route in written]
    add_routes(table, written)
    limits = Limits(settings.body_limit, settings.request_timeout)
    endpoint = compile_endpoint(app, table, authenticator or authenticator_of(app), workers, limits)
    readiness = Readiness(checks)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        readiness.draining = False
        try:
            yield
        finally:
            readiness.draining = True
            await workers.close()

    public = documents(app, workers, written) if settings.docs else {}
    proxies = settings.trusted_proxies
    return Starlette(
        routes=[
            PrefixRoute(API, endpoint),
            TenantPathRoute(endpoint),
            *_health_routes(readiness, workers),
            *(DocumentRoute(path, answer) for path, answer in public.items()),
        ],
        exception_handlers={HTTPException: _on_http_error, PrefiqError: _on_error, Exception: _on_error},
        lifespan=lifespan,
        middleware=[Middleware(BehindProxies, proxies=proxies)] if proxies else [],
    )


def workers_of(settings: Settings) -> Workers:
    """What serves requests in the mode of the database."""
    if settings.database.mode == "async":
        return Greenlets(settings.concurrency, settings.request_timeout)
    return Threads(settings.threads)


def authenticator_of(app: Served) -> IAuthenticator:
    """What a module bound for the whole application, or the tokens that the settings describe."""
    container = getattr(app, "container", None)
    if container is not None and IAuthenticator in container:
        bound: IAuthenticator = container.resolve(None, IAuthenticator)
        return bound
    return TokenAuthenticator.of(app.settings)


def build_table(app: Served) -> Table:
    """Every path of the generated API."""
    table = Table()
    shared = Shared(app.catalog, cursor_keys(app.settings))
    permissions: list[str] = []
    for spec in app.catalog:
        if not spec.remote:
            continue
        resource = Resource(spec, shared)
        table.exact[spec.path] = resource.collection
        table.items[spec.path] = resource.item
        for name, level in resource.actions.items():
            table.actions[spec.path, name] = level
        permissions += permissions_of(spec)
    table.exact[f"{API}/me"] = Level({"GET": Plan("", _me(permissions))})
    return table


def openapi_document(app: Served) -> dict[str, Any]:
    """The OpenAPI document of an application's API, with nothing in it that depends on where it runs.

    Args:
        app: The application; prepared is enough.
    """
    return build_openapi(app.catalog, module_routes(app))


def module_routes(app: Served) -> list[tuple[str, Any]]:
    """Name of the module and route, for every route that a module writes by hand."""
    host = getattr(app, "host", None)
    return [(module.name, route) for module, route in host.routes()] if host is not None else []


def permissions_of(spec: ModelSpec) -> list[str]:
    """Every permission that a model's API asks for."""
    verbs = ("create", "read", "update", "delete") if spec.scope == "tenant" else ("read",)
    return [*(f"{spec.permission}.{verb}" for verb in verbs), *(action.permission for action in spec.actions)]


def _me(permissions: Iterable[str]) -> Callable[[Call, Scope], Answer]:
    known = sorted(set(permissions))

    def me(call: Call, scope: Scope) -> Answer:
        refuse_query(call)
        actor = scope.actor
        asked: IPermissions = scope[IPermissions]
        return (
            200,
            JSON,
            encode(
                {
                    "actor": {"id": actor.id, "name": actor.name or actor.id},
                    "tenant": scope.tenant,
                    "permissions": scope[Roles].expand(actor.permissions),
                    "allowed": [permission for permission in known if asked.allows(permission)],
                }
            ),
        )

    return me


class PrefixRoute(BaseRoute):
    """Hands everything below a prefix to one ASGI endpoint.

    ``Mount`` would do, but its pattern does not match a path that holds a line feed, and it rewrites the
    path that the endpoint wants whole.

    Args:
        prefix: For example ``"/api"``.
        endpoint: Answers everything below it.
    """

    def __init__(self, prefix: str, endpoint: ASGI) -> None:
        self.prefix = prefix
        self.below = prefix + "/"
        self.endpoint = endpoint

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether a path begins with the prefix."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return (Match.FULL, {}) if path.startswith(self.below) or path == self.prefix else (Match.NONE, {})

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        await self.endpoint(scope, receive, send)


class DocumentRoute(BaseRoute):
    """A public path with answers of its own; no token is needed.

    Args:
        path: Whole path.
        answer: Makes the answer to a GET.
        quiet: Whether a good answer is logged at DEBUG alone.
    """

    def __init__(
        self, path: str, answer: Callable[[Mapping[bytes, bytes]], Any], *, quiet: bool = False
    ) -> None:
        self.path = path
        self.answer = answer
        self.quiet = quiet

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether the path is this one."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return (Match.FULL if path == self.path else Match.NONE), {}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer GET and HEAD; OPTIONS says so."""
        del receive
        request_id, method, started = new_id(), scope["method"], time.monotonic()
        answer: Answer
        if method in {"GET", "HEAD"}:
            try:
                answer = await self.answer(dict(scope["headers"]))
            except PrefiqError as error:
                answer = problem_answer(error, request_id)
        elif method == "OPTIONS":
            answer = 200, [*DOCUMENT, (b"allow", b"GET, HEAD, OPTIONS")], b""
        else:
            answer = problem_answer(MethodNotAllowed("GET, HEAD, OPTIONS"), request_id)
        size = await send_answer(
            send, answer, request_id, head=method == "HEAD", https=scope.get("scheme") == "https"
        )
        # An orchestrator asks all the time; that it was well is worth no line.
        level = logging.DEBUG if self.quiet and answer[0] == 200 else logging.INFO
        if logs_requests(level):
            log_request(method, self.path, answer[0], size, started, request_id, level=level)


def _health_routes(readiness: Readiness, workers: Workers) -> list[BaseRoute]:
    good: Answer = 200, [(b"content-type", b"application/json"), *DOCUMENT], b'{"status":"ok"}'

    async def live(_: Mapping[bytes, bytes]) -> Answer:
        return good

    async def ready(_: Mapping[bytes, bytes]) -> Answer:
        known = readiness.recall()
        if known is None:
            known = await workers.run(lambda asked: asked.ask(), readiness)
        if not known:
            raise NotReady
        return good

    return [DocumentRoute("/livez", live, quiet=True), DocumentRoute("/readyz", ready, quiet=True)]


class _Send:
    """A Starlette response that is an ``Answer``.

    Args:
        call: The request; as the endpoint knew it where it handed it on.
        answer: What to send.
    """

    def __init__(self, call: Call, answer: Answer) -> None:
        self.call = call
        self.answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del receive
        method, https = scope["method"], scope.get("scheme") == "https"
        size = await send_answer(send, self.answer, self.call.request_id, head=method == "HEAD", https=https)
        if logs_requests(logging.INFO):
            self.call.logged = True
            log_call(self.call, method, self.answer[0], size)


def _call_of(request: Request) -> Call:
    """The request as the endpoint knew it, or one that it has not seen."""
    scope = request.scope
    known: Call | None = scope.get(CALL_KEY)
    return known or Call(
        new_id(), {}, scope["path"].removeprefix(scope.get("root_path", "")), b"", time.monotonic()
    )


async def _on_http_error(request: Request, error: Exception) -> Any:
    assert isinstance(error, HTTPException)
    call = _call_of(request)
    if error.status_code == 404:
        return _Send(call, problem_answer(NoSuchPath(), call.request_id))
    return _Send(call, status_answer(error.status_code, call.request_id, error.headers))


async def _on_error(request: Request, error: Exception) -> Any:
    call = _call_of(request)
    return _Send(call, problem_answer(error, call.request_id))
