"""Routes that modules write by hand: ``ApiRoute`` through the generated API's own pipeline, and any of Starlette's.

A provider gives both from ``routes()``; both stand under ``/api/<module>`` and behind authentication::

    class ProjectProvider(ProviderBase):
        def routes(self):
            return [ApiRoute("/projects/summary", summary, permission="projects.project.read")]

    def summary(request: ApiRequest, scope: Scope) -> object:
        projects = scope[IDomainService[Project]]
        return {"active": projects.list(Page(limit=1, count=True), where(stage=Stage.ACTIVE)).total}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from inspect import iscoroutinefunction, isfunction, ismethod
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.routing import BaseRoute, Mount, Route, Router, request_response

from prefiq.bridge import call
from prefiq.contracts import FieldError, ValidationFailed
from prefiq.errors import Faults
from prefiq.web.answers import JSON, Answer, no_content
from prefiq.web.call import Call, Level, Plan
from prefiq.web.errors import Malformed, RouteConflict
from prefiq.web.json_text import scan
from prefiq.web.query import split_query
from prefiq.web.representation import encode

if TYPE_CHECKING:
    from starlette.requests import Request

    from prefiq.contracts import Scope
    from prefiq.web.endpoint import Table

__all__ = ["ApiRequest", "ApiRoute", "Reply", "scope_of"]

T = TypeVar("T")

SCOPE_KEY = "prefiq.open_scope"
"""Where the ASGI scope of a Starlette route holds the function that opens the request's scope."""

_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


class ApiRequest:
    """A request as a hand-written handler sees it.

    Args:
        call: The request.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def id(self) -> str:
        """The request's id, a UUID."""
        return self._call.request_id

    @property
    def path(self) -> Mapping[str, str]:
        """Values of the path's parameters."""
        return self._call.params

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters; of one that is given twice, the last."""
        return dict(split_query(self._call.query))

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Header fields, names in lower case."""
        return self._call.headers

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return self._call.body

    def json(self, type: type[T]) -> T:
        """The body, decoded and checked by msgspec.

        Args:
            type: A struct, dataclass or plain type.

        Raises:
            Malformed: It is not JSON.
            ValidationFailed: It is not of that type.
        """
        scan(self.body)
        try:
            return msgspec.json.decode(self.body, type=type)
        except msgspec.ValidationError as error:
            raise ValidationFailed("", (_fault(error),)) from None
        except msgspec.DecodeError:
            raise Malformed("The body is not JSON") from None


def _fault(error: msgspec.ValidationError) -> FieldError:
    message, _, path = str(error).partition(" - at `$")
    steps = re.findall(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]", path)
    safe = message.startswith(("Expected", "Object missing"))  # others quote what the caller sent
    return FieldError(".".join(a or b for a, b in steps), "type", message if safe else "is not accepted")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is more than a 200 with a JSON body.

    Args:
        body: Encoded to JSON; bytes go as they are.
        status: The HTTP status.
        headers: Further header fields; ``content-type`` replaces ``application/json``.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self) -> Answer:
        """As the endpoint sends it."""
        more = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()
        ]
        if self.body is None:
            return self.status, no_content(more)[1], b""
        given = {name for name, _ in more}
        kept = [(name, value) for name, value in JSON if name not in given]
        return self.status, [*kept, *more], self.body if isinstance(self.body, bytes) else encode(self.body)


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """A route with all the duties of the generated ones: token, tenant, permission, limits, problems.

    Args:
        path: Below ``/api/<module>``; ``{name}`` stands for one segment.
        handler: Takes the request and its scope, runs where services run, and returns what is encoded to JSON
            (None: 204), or a ``Reply``.
        methods: What it answers to; HEAD and OPTIONS are added.
        permission: What the actor needs; empty where having a token of the tenant is enough.
        accepts: Content types of its body, for methods that have one.
        operation: The operation of the OpenAPI document; it is not in the document where left out.
    """

    path: str
    handler: Callable[[ApiRequest, Scope], Any]
    methods: Sequence[str] = ("GET",)
    permission: str = ""
    accepts: Sequence[str] = ("application/json",)
    operation: Mapping[str, Any] | None = None

    def plans(self) -> dict[str, Plan]:
        """Its plan for each method."""
        handler = self.handler

        def handle(call: Call, scope: Scope) -> Answer:
            result = handler(ApiRequest(call), scope)
            if result is None:
                return no_content()
            return result.answer() if isinstance(result, Reply) else (200, JSON, encode(result))

        accepts = tuple(kind.encode() for kind in self.accepts)
        return {
            method: Plan(
                self.permission, handle, accepts if method in {"POST", "PUT", "PATCH"} else (), optional=True
            )
            for method in self.methods
        }


def scope_of(request: Request) -> Scope:
    """The scope of a request to a Starlette route below ``/api/<module>``.

    A plain ``def`` endpoint runs where services run, and uses it in ``with``.  An ``async def`` one uses it in
    ``async with``, and calls services through the bridge::

        async def summary(request: Request) -> JSONResponse:
            async with scope_of(request) as scope:
                page = await call(scope[IDomainService[Project]].list, Page(limit=1, count=True))
            return JSONResponse({"projects": page.total})

    With ``DB_MODE=sync`` the latter holds the event loop up at every statement; write a plain ``def`` there.

    Raises:
        LookupError: The route is not one of those.
    """
    open_scope: Callable[[], Scope] = request.scope[SCOPE_KEY]
    return open_scope()


def bridged(route: Any) -> Any:
    """A route whose plain ``def`` endpoint runs in the bridge, for ``DB_MODE=async``.

    Starlette would run it in a thread, where nothing can wait for the database's driver.  What a ``Mount`` or a
    class holds stays as it is.
    """
    if not isinstance(route, Route) or not _is_plain(route.endpoint):
        return route
    endpoint = route.endpoint

    async def handle(request: Request) -> Any:
        return await call(endpoint, request)

    changed = copy(route)
    changed.app = request_response(handle)
    return changed


def _is_plain(endpoint: Any) -> bool:
    return (isfunction(endpoint) or ismethod(endpoint)) and not iscoroutinefunction(endpoint)


def add_routes(table: Table, routes: Iterable[tuple[str, Any]]) -> None:
    """Put the modules' routes into a table.

    Args:
        table: Holds the generated paths already.
        routes: Name of the module and its route.

    Raises:
        Faults: Of ``RouteConflict``, every path that is wanted twice.
    """
    plans: dict[str, dict[str, Plan]] = {}
    owners: dict[tuple[str, str], str] = {}
    starlette: dict[str, list[BaseRoute]] = {}
    faults: list[RouteConflict] = []
    for module, route in routes:
        if not isinstance(route, ApiRoute):
            starlette.setdefault(module, []).append(route)
            continue
        path = f"/api/{module}{route.path}"
        taken = _generated(table, path)
        for method, plan in route.plans().items():
            other = taken or owners.setdefault((path, method), module)
            if taken or method in plans.get(path, {}):
                faults.append(RouteConflict(f"{method} {path}", other, f"a route of {module}"))
            plans.setdefault(path, {})[method] = plan
    if faults:
        raise Faults("Two things want one path", faults)
    for path, by_method in plans.items():
        if "{" in path:
            table.patterns.setdefault(path.split("/")[2], []).append((_pattern(path), Level(by_method)))
        else:
            table.exact[path] = Level(by_method)
    for module, mounted in starlette.items():
        router: Any = Router([Mount(f"/api/{module}", routes=mounted)])
        table.routers[module] = router


def _generated(table: Table, path: str) -> str:
    """What the generated API calls a path that it answers, or empty."""
    if path in table.exact:
        return "the generated API"
    head, _, last = path.rpartition("/")
    stem = head.rpartition("/")[0]
    hidden = head in table.items and last.startswith("{")
    return "the generated API" if hidden or (stem, last) in table.actions else ""


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(path)
    literal = (
        re.escape(part) if number % 2 == 0 else f"(?P<{part}>[^/]+)" for number, part in enumerate(parts)
    )
    return re.compile("".join(literal))
