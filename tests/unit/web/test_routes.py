import sys

import pytest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from prefiq import Faults, IDomainService, NotFound, Page
from prefiq.bridge import call
from prefiq.cli.lifespan import OpenedByServer
from prefiq.cli.session import Session
from prefiq.web import ApiRoute, Reply, create_asgi, make_token, scope_of
from prefiq.web.routes import bridged


@pytest.fixture
def serve(app):
    """Serves routes of the module ``projects`` and returns a function that requests one as a JSON client."""
    clients = []

    def start(*routes):
        app.host.routes = lambda: [(app.host["projects"], route) for route in routes]
        served = create_asgi(app)
        client = TestClient(OpenedByServer(app, Session(), lambda _: served), raise_server_exceptions=False)
        clients.append(client)
        client.__enter__()

        def request(method, path, *, can=("*",), tenant="acme", **options):
            token = make_token(app.settings, tenant, "ann", can)
            headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
            return client.request(method, f"/api/projects{path}", headers=headers, **options)

        request.client = client
        return request

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def count(app):
    project = app.catalog["projects.Project"].cls

    def handler(request, scope):
        return {
            "count": scope[IDomainService[project]].list(Page(count=True)).total,
            "for": request.path.get("who"),
        }

    return handler


def test_a_route_goes_through_the_same_pipeline(app, serve):
    """Token, tenant, permission, errors and methods are the generated API's."""
    request = serve(ApiRoute("/summary", count(app), permission="projects.project.read"))
    assert request("GET", "/summary").json() == {"count": 0, "for": None}
    assert request("GET", "/summary", can=("projects.task.read",)).status_code == 403
    assert request("GET", "/summary", tenant="nobody").json()["code"] == "PFQ702"
    assert request("POST", "/summary").headers["allow"] == "GET, HEAD, OPTIONS"
    assert request.client.get("/api/projects/summary").status_code == 401


def test_literal_paths_come_before_ids(app, serve):
    """A word is no id: it may stand where ids do."""
    request = serve(ApiRoute("/projects/summary", count(app)))
    assert request("GET", "/projects/summary").json()["count"] == 0
    assert request("GET", "/projects/nothing").json()["code"] == "PFQ510"


def test_paths_have_parameters(app, serve):
    """``{name}`` is one segment."""
    request = serve(
        ApiRoute("/projects/{who}/count", count(app)), ApiRoute("/x/{a}-{b}", lambda r, _: dict(r.path))
    )
    assert request("GET", "/projects/ann/count").json()["for"] == "ann"
    assert request("GET", "/x/1-2").json() == {"a": "1", "b": "2"}
    for path in ("/projects/a/b/count", "/projects//count", "/x/12", "/x.1-2"):
        assert request("GET", path).status_code == 404


def test_bodies_are_typed(serve):
    """``request.json`` decodes and checks; what is wrong is a problem and quotes nothing."""
    import msgspec

    class Order(msgspec.Struct, forbid_unknown_fields=True):
        amount: int
        tags: list[str] = []

    request = serve(ApiRoute("/order", lambda r, _: {"twice": r.json(Order).amount * 2}, methods=["POST"]))
    assert request("POST", "/order", json={"amount": 2}).json() == {"twice": 4}
    wrong = request("POST", "/order", json={"amount": 1, "tags": ["a", 3]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/tags/1")
    unknown = request("POST", "/order", json={"amount": 1, "hunter2": 1})
    assert unknown.status_code == 422
    assert "hunter2" not in unknown.text
    for body in (b"{", b'{"amount": 1, "amount": 2}'):
        headers = {"Content-Type": "application/json"}
        assert request("POST", "/order", content=body, headers=headers).status_code == 400
    assert (
        request("POST", "/order", content=b"a=1", headers={"Content-Type": "text/plain"}).status_code == 415
    )


def test_answers(serve):
    """What a handler returns is JSON, nothing, or a reply of its own."""
    request = serve(
        ApiRoute("/none", lambda *_: None),
        ApiRoute("/csv", lambda *_: Reply(b"a,b", headers={"Content-Type": "text/csv"})),
        ApiRoute("/made", lambda *_: Reply({"id": 1}, 201, {"Location": "/x"}), methods=["POST"]),
        ApiRoute("/gone", lambda *_: Reply(status=202)),
        ApiRoute("/missing", missing),
        ApiRoute("/exit", lambda *_: sys.exit(3)),
        ApiRoute("/query", lambda r, _: [r.query, r.id != "", r.body.decode(), r.headers[b"x-a"].decode()]),
    )
    assert (request("GET", "/none").status_code, request("GET", "/none").content) == (204, b"")
    csv = request("GET", "/csv")
    assert (csv.headers["content-type"], csv.text) == ("text/csv", "a,b")
    assert csv.headers["cache-control"] == "private, no-cache"
    made = request("POST", "/made")
    assert (made.status_code, made.headers["location"], made.json()) == (201, "/x", {"id": 1})
    assert request("GET", "/gone").status_code == 202
    assert request("GET", "/missing").json()["code"] == "PFQ510"
    assert request("GET", "/exit").json()["code"] == "PFQ716"
    assert request("GET", "/query?a=1&b=%C3%A9", headers={"X-A": "7"}).json() == [
        {"a": "1", "b": "é"},
        True,
        "",
        "7",
    ]


def missing(*_):
    raise NotFound("projects.Thing")


async def plain(request):
    with scope_of(request) as scope:
        return JSONResponse(
            {"tenant": scope.tenant, "actor": scope.actor.id, "name": request.path_params["name"]}
        )


async def breaks(request):
    raise missing()


async def explodes(request):
    raise RuntimeError("the launch code is 0000")


def test_routes_of_starlette_stand_behind_authentication(serve):
    """They are reached by whoever has a token of a served tenant, and open the request's scope themselves."""
    request = serve(
        Route("/hello/{name}", plain), Route("/breaks", breaks),
        Route("/free", lambda _: PlainTextResponse("hi")), Route("/explodes", explodes),
        Route("/projects/text", lambda _: PlainTextResponse("hi"), methods=["PUT"]),
    )  # fmt: skip
    assert request("GET", "/hello/x").json() == {"tenant": "acme", "actor": "ann", "name": "x"}
    assert request("GET", "/hello/x", tenant="nobody").json()["code"] == "PFQ702"
    assert request("GET", "/free").text == "hi"
    assert request("GET", "/free", tenant="nobody").json()["code"] == "PFQ702"
    assert request.client.get("/api/projects/hello/x").json()["code"] == "PFQ701"
    assert request("GET", "/breaks").json()["code"] == "PFQ510"
    assert request("GET", "/nothing").json()["code"] == "PFQ703"
    assert request("POST", "/hello/x").status_code == 405
    exploded = request("GET", "/explodes")
    assert exploded.json()["code"] == "PFQ716"
    assert "0000" not in exploded.text


def test_a_route_of_starlette_reads_no_more_than_others(app, serve):
    """BODY_LIMIT holds for it as well, whoever sends a length or leaves it out."""

    async def size(request):
        return JSONResponse(len(await request.body()))

    request = serve(Route("/size", size, methods=["POST"]))
    limit = app.settings.body_limit
    assert request("POST", "/size", content=b"x" * limit).json() == limit
    assert request("POST", "/size", content=b"x" * (limit + 1)).json()["code"] == "PFQ707"
    assert request("POST", "/size", content=iter([b"x" * limit, b"x"])).status_code == 413


def test_two_that_want_one_path_are_found_at_start(app, serve):
    """A route neither hides a generated one nor is hidden by it, silently."""
    handler = count(app)
    with pytest.raises(Faults) as caught:
        serve(
            ApiRoute("/projects", handler),
            ApiRoute("/projects/{key}", handler),
            ApiRoute("/projects/{id}/close", handler, methods=["POST"]),
            ApiRoute("/twice", handler),
            ApiRoute("/twice", handler, methods=["GET", "POST"]),
            ApiRoute("/fine", handler),
            ApiRoute("/fine", handler, methods=["POST"]),
        )
    assert [fault.path for fault in caught.value.exceptions] == [
        "GET /api/projects/projects",
        "GET /api/projects/projects/{key}",
        "POST /api/projects/projects/{id}/close",
        "GET /api/projects/twice",
    ]
    assert {fault.code for fault in caught.value.exceptions} == {"PFQ718"}


def test_methods_of_one_path_may_come_from_two_routes(serve):
    """Together they are one path."""
    request = serve(ApiRoute("/both", lambda *_: "got"), ApiRoute("/both", lambda *_: "put", methods=["PUT"]))
    assert request("GET", "/both").json() == "got"
    assert request("PUT", "/both").json() == "put"
    assert request("DELETE", "/both").headers["allow"] == "GET, HEAD, OPTIONS, PUT"


def projects_of(app):
    return IDomainService[app.catalog["projects.Project"].cls]


@pytest.mark.parametrize("place", ["sqlite-sync", "sqlite-async", "postgres-async"], indirect=True)
def test_a_plain_endpoint_of_starlette_runs_where_services_run(app, serve):
    """In a thread, or in the bridge: its code is the same."""

    def total(request):
        with scope_of(request) as scope:
            return JSONResponse(scope[projects_of(app)].list(Page(count=True)).total)

    request = serve(Route("/total", total), Route("/text", lambda _: PlainTextResponse("hi")))
    assert request("GET", "/total").json() == 0
    assert request("GET", "/text").text == "hi"


@pytest.mark.parametrize("place", ["sqlite-async", "postgres-async"], indirect=True)
def test_an_async_endpoint_of_starlette_calls_services_through_the_bridge(app, serve):
    """It opens the request's scope with ``async with``; the tenant of that scope is the token's."""

    async def total(request):
        async with scope_of(request) as scope:
            page = await call(scope[projects_of(app)].list, Page(count=True))
            return JSONResponse({"tenant": scope.tenant, "total": page.total})

    request = serve(Route("/total", total))
    assert request("GET", "/total").json() == {"tenant": "acme", "total": 0}
    assert request("GET", "/total", tenant="globex").json() == {"tenant": "globex", "total": 0}


def test_a_route_is_changed_for_one_application_alone(app):
    """A module's constant serves applications of both modes."""
    route = Route("/text", lambda _: PlainTextResponse("hi"))
    before = route.app
    assert bridged(route) is not route
    assert route.app is before
    mounted = Mount("/below", routes=[route])
    assert bridged(mounted) is mounted
