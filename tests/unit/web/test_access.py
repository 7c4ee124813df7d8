"""One line in the log for each request, with request, tenant and actor."""

import logging
from collections.abc import Iterator
from uuid import UUID

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from prefiq.web import create_asgi, make_token


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "prefiq.access"):
        yield


def lines(caplog):
    return [record for record in caplog.records if record.name == "prefiq.access"]


def test_line_tells_what_was_asked_and_answered(api, caplog):
    """Method and path without its query, status, time, size of the body, request, tenant and actor."""
    answer = api.get("/projects?limit=5")
    (line,) = lines(caplog)
    assert line.getMessage() == "GET /api/projects/projects"
    assert (line.status, line.bytes) == (200, len(answer.content))
    assert 0 < line.ms < 60_000
    assert (line.request_id, line.tenant, line.actor) == (answer.headers["x-request-id"], "acme", "ann")


def test_refused_request_has_a_line_too(api, caplog):
    """With as much as is known: nobody, a tenant that is not the token's, a URL that is too long."""
    api.client.get("/api/me")
    api.get("/api/me", headers={"Prefiq-Tenant": "globex"})
    api.client.get("/api/" + "x" * 5000)
    found = [(line.status, line.tenant, line.actor, len(line.getMessage())) for line in lines(caplog)]
    assert found == [(401, "", "", 11), (403, "", "ann", 11), (414, "", "", 2052)]


def test_head_and_not_modified_have_no_bytes(api, caplog):
    """What is counted is what was sent."""
    key = api.project()["id"]
    caplog.clear()
    api.request("HEAD", f"/projects/{key}")
    api.get(f"/projects/{key}", headers={"If-None-Match": '"1"'})
    assert [(line.status, line.bytes) for line in lines(caplog)] == [(200, 0), (304, 0)]


def test_routes_of_starlette_have_one_line(app, caplog):
    """Also where what they raise is answered further out; the answer carries the request's id."""

    async def fine(_):
        return PlainTextResponse("hello")

    async def odd(_):
        raise HTTPException(418)

    routes = [Route("/fine", fine), Route("/odd", odd)]
    app.host.routes = lambda: [(app.host["projects"], route) for route in routes]
    token = make_token(app.settings, "acme", "ann")
    with TestClient(create_asgi(app), headers={"Authorization": f"Bearer {token}"}) as client:
        client.get("/api/projects/fine")
        answer = client.get("/api/projects/odd")
    found = [(line.getMessage(), line.status, line.bytes, line.tenant, line.actor) for line in lines(caplog)]
    assert found == [
        ("GET /api/projects/fine", 200, 5, "acme", "ann"),
        ("GET /api/projects/odd", 418, len(answer.content), "acme", "ann"),
    ]
    assert lines(caplog)[1].request_id == answer.headers["x-request-id"]


def test_paths_outside_of_the_api(api, caplog):
    """Documents and what is served nowhere have a line; that an orchestrator finds all well has none."""
    for path in ("/openapi.json", "/nowhere", "/livez", "/readyz"):
        api.client.get(path)
    api.client.post("/livez")
    assert [(line.getMessage(), line.status) for line in lines(caplog)] == [
        ("GET /openapi.json", 200),
        ("GET /nowhere", 404),
        ("POST /livez", 405),
    ]
    assert all(UUID(line.request_id) for line in lines(caplog))
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "prefiq.access"):
        api.client.get("/livez")
    assert [line.getMessage() for line in lines(caplog)] == ["GET /livez"]


def test_nothing_is_put_together_above_info(api, caplog, monkeypatch):
    """At a level above INFO a line costs the question whether anybody wants it."""
    monkeypatch.setattr("prefiq.web.endpoint.log_call", lambda *_: pytest.fail("put together"))
    with caplog.at_level(logging.WARNING, "prefiq.access"):
        assert api.get("/api/me").status_code == 200
    assert lines(caplog) == []
