"""The pipeline before any model: limits, authentication, tenant, match, authorisation, and their order."""

import asyncio
import logging
import time
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from prefiq import Actor, ProviderBase
from prefiq.testing import make_application
from prefiq.web import Greenlets, IAuthenticator, Identity, create_asgi, make_token
from prefiq.web.endpoint import Limits, receive_all
from prefiq.web.errors import BodyTimeout, BodyTooLarge, Malformed, Overloaded, Unauthenticated


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:prefiq:problem:{code}")
    assert body["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert body["title"]
    assert body["detail"]
    return body


def test_every_path_wants_a_token_first(api):
    """Whoever has none learns nothing else: neither paths nor methods nor limits."""
    for method, path, more in (
        ("GET", "/api/projects/projects", {}),
        ("GET", "/api/nothing", {}),
        ("PUT", "/api/projects/projects", {}),
        ("POST", "/api/projects/projects", {"content": b"x" * 2_000_000}),
        ("OPTIONS", "/api/projects/projects", {}),
    ):
        answer = api.client.request(method, path, **more)
        problem(answer, 401, "PFQ701")
        assert answer.headers["www-authenticate"] == 'Bearer realm="prefiq"'


def test_a_token_that_is_refused_learns_nothing_either(api):
    """A forged token gets the same answer at every path, and no reason."""
    bodies = []
    for method, path in (("GET", "/api/projects/projects"), ("GET", "/api/nothing"), ("PUT", "/api/me")):
        answer = api.client.request(method, path, headers={"Authorization": "Bearer a.b.c"})
        body = problem(answer, 401, "PFQ701")
        assert answer.headers["www-authenticate"] == 'Bearer realm="prefiq", error="invalid_token"'
        del body["instance"]
        bodies.append(body)
    assert bodies[0] == bodies[1] == bodies[2]


def test_the_log_says_why_a_token_was_refused(api, caplog):
    """The reason stands in the log under the request's id, without the token."""
    with caplog.at_level(logging.INFO, "prefiq.web"):
        answer = api.client.get("/api/me", headers={"Authorization": "Bearer a.b.c"})
    assert answer.headers["x-request-id"] in caplog.text
    assert "a part is not JSON" in caplog.text


def test_unknown_suspended_and_foreign_tenants_get_one_answer(api):
    """Whether a tenant exists is not told; the tenant comes before the path."""
    api.app.tenants.create("closed")
    api.app.tenants.suspend("closed")
    answers = [
        api.get("/api/me", tenant="nobody"),
        api.get("/api/me", tenant="closed"),
        api.get("/api/me", headers={"Prefiq-Tenant": "globex"}),
        api.get("/api/nothing", headers={"Prefiq-Tenant": "nobody"}),
    ]
    for answer in answers:
        problem(answer, 403, "PFQ702")
    assert len({answer.json()["detail"] for answer in answers}) == 1


def test_paths_and_methods(api):
    """404 for what is not there, 405 with Allow for what answers otherwise, HEAD like GET, OPTIONS says."""
    one = f"/api/projects/projects/{api.project()['id']}"
    for path in ("/api", "/api/", "/api/x", "/api/projects", "/api/projects/nothing", "/api/projects/projects/",
                 f"{one}/", f"{one}/nothing", f"{one}/close/x", "/api/projects/ledgers", "/api/projects/projects//close",
                 "/api/projects/projects%0A", "/api/prefiq/tenants"):  # fmt: skip
        problem(api.get(path), 404, "PFQ703")
    for method, path, allow in (
        ("PUT", "/api/projects/projects", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/api/projects/projects", "GET, HEAD, OPTIONS, POST"),
        ("POST", one, "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", f"{one}/close", "OPTIONS, POST"),
        ("POST", f"{one}/history", "GET, HEAD, OPTIONS"),
        ("POST", "/api/masters/countries", "GET, HEAD, OPTIONS"),
        ("TRACE", "/api/me", "GET, HEAD, OPTIONS"),
    ):
        answer = api.request(method, path)
        problem(answer, 405, "PFQ704")
        assert answer.headers["allow"] == allow
        options = api.request("OPTIONS", path)
        assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")
        assert "content-length" not in options.headers
    head, get = api.request("HEAD", one), api.get(one)
    assert head.content == b""
    assert [head.headers[name] for name in ("content-length", "etag")] == [
        get.headers[name] for name in ("content-length", "etag")
    ]
    assert (
        api.request("OPTIONS", one).headers["accept-patch"]
        == "application/merge-patch+json, application/json"
    )


def test_paths_outside_of_the_api_are_problems_too(api):
    """Starlette's own answers have the same form."""
    problem(api.client.get("/nothing"), 404, "PFQ703")
    problem(api.client.get("/nothing%0A"), 404, "PFQ703")
    problem(api.client.put("/docs"), 405, "PFQ704")


def test_a_missing_permission_comes_before_every_other_fault(api):
    """403 precedes 422, 404 and 412: whoever may not act learns nothing of the rows."""
    one = f"/projects/{api.project()['id']}"
    can = ("projects.project.read",)
    for answer in (
        api.post("/projects", {"nonsense": 1}, can=can),
        api.send("POST", "/projects", "{", can=can),
        api.patch(one, {"nonsense": 1}, can=can),
        api.delete("/projects/nothing", can=can),
        api.delete(one, can=can, headers={"If-Match": '"9"'}),
        api.post(f"{one}/close", {}, can=can),
        api.post("/projects/nothing/close", {}, can=can),
    ):
        assert "permission" in problem(answer, 403, "PFQ511")
    assert api.get(one, can=("projects.project.create",)).json()["permission"] == "projects.project.read"
    assert api.get("/projects?foo=1", can=("masters.*",)).status_code == 403


def test_an_actions_permission_is_its_own(api):
    """`permission=` of a declaration replaces the derived one."""
    one = f"/projects/{api.project()['id']}"
    assert api.post(f"{one}/activate", can=("projects.project.activate",)).status_code == 200
    denied = api.post(f"{one}/close", {"reason": "x"}, can=("projects.project.*",))
    assert denied.json()["permission"] == "projects.close"
    assert api.post(f"{one}/close", {"reason": "x"}, can=("projects.close",)).status_code == 200


def test_limits_of_the_url_and_of_header_fields(api):
    """What is too long is refused before anything is looked at."""
    problem(api.get("/projects/" + "x" * 2048), 414, "PFQ709")
    problem(api.get("/projects?code=" + "x" * 8192), 414, "PFQ709")
    problem(api.get("/projects", headers={f"x-{n}": "1" for n in range(101)}), 431, "PFQ710")


@pytest.mark.parametrize(
    "name", ["Authorization", "Content-Type", "Content-Length", "Prefiq-Tenant", "Host", "If-Match"]
)
def test_header_fields_that_must_stand_alone(app, name):
    """Two of them would let a proxy and this application read one request differently."""
    sent = run(
        create_asgi(app, workers=Greenlets(1, 30)), "GET", "/api/me", [(name.lower().encode(), b"1")] * 2
    )
    assert sent[0]["status"] == 431


def test_other_header_fields_may_stand_twice(api):
    """Forwarding fields and cookies do."""
    answer = api.client.get(
        "/api/me", headers=[("Authorization", f"Bearer {api.token()}"), ("cookie", "a=1"), ("cookie", "b=2")]
    )
    assert answer.status_code == 200


def test_bodies_are_limited_before_they_are_read(api):
    """By Content-Length at once, and by counting where it lies or is missing."""
    limit = api.app.settings.body_limit
    problem(api.send("POST", "/projects", b"x" * (limit + 1)), 413, "PFQ707")

    def parts():
        for _ in range(limit // 1000 + 2):
            yield b"x" * 1000

    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}
    problem(api.client.post("/api/projects/projects", content=parts(), headers=headers), 413, "PFQ707")


def test_a_body_that_says_it_is_too_large_is_not_asked_for(app):
    """Content-Length alone is enough."""
    headers = [
        (b"authorization", f"Bearer {make_token(app.settings, 'acme')}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"99999999"),
    ]
    asked = []

    async def receive():
        asked.append(1)
        return part(b"{}")

    sent = run(create_asgi(app, workers=Greenlets(1, 30)), "POST", "/api/projects/projects", headers, receive)
    assert sent[0]["status"] == 413
    assert not asked


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 201),
        ({"Content-Type": "application/json; charset=utf-8"}, 201),
        ({"Content-Type": 'Application/JSON;charset="UTF-8"'}, 201),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 201),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/merge-patch+json"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": ""}, 415),
        ({}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
def test_content_types(api, headers, status):
    """JSON in UTF-8, uncompressed, and nothing else."""
    answer = api.request("POST", "/projects", content=b'{"code": "A", "name": "n"}', headers=headers)
    assert answer.status_code == status
    if status == 415:
        problem(answer, 415, "PFQ706")


def test_both_types_of_patch(api):
    """Merge patch by its own name, or as plain JSON."""
    one = f"/projects/{api.project()['id']}"
    for kind in ("application/merge-patch+json", "application/json"):
        assert api.request("PATCH", one, content=b"{}", headers={"Content-Type": kind}).status_code == 200


def test_what_goes_wrong_on_the_server_is_not_shown(api, caplog):
    """500 names the request's id, and the log has the whole error under it."""
    answer = api.post("/projects", {"code": "A", "name": "explode"})
    body = problem(answer, 500, "PFQ716")
    assert "0000" not in answer.text
    assert "RuntimeError" not in answer.text
    assert body["instance"].removeprefix("urn:uuid:") in caplog.text
    assert "the launch code is 0000" in caplog.text
    assert api.get("/projects").json()["items"] == []


def test_security_headers(api):
    """Answers are private, typed as they say, and no page that a browser could be made to open."""
    for answer in (api.get("/projects"), api.get("/nothing"), api.client.get("/api/me")):
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "Authorization, Prefiq-Tenant"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "strict-transport-security" not in answer.headers


def test_answers_without_a_body_have_no_length(api):
    """A length of 0 would tell a cache that the copy it has is empty (RFC 9110, section 8.6)."""
    project = api.project()
    tag = {"If-None-Match": '"1"'}
    document = {"If-None-Match": api.client.get("/openapi.json").headers["etag"]}
    for answer, status in (
        (api.get(f"/projects/{project['id']}", headers=tag), 304),
        (api.client.get("/openapi.json", headers=document), 304),
        (api.delete(f"/projects/{project['id']}", headers={"If-Match": '"1"'}), 204),
    ):
        assert answer.status_code == status
        assert "content-length" not in answer.headers
    assert api.request("HEAD", "/projects").headers["content-length"] != "0"


def test_https_is_remembered(app):
    """Behind TLS, browsers are told to stay there."""
    with TestClient(create_asgi(app), base_url="https://testserver") as client:
        assert "max-age" in client.get("/api/me").headers["strict-transport-security"]
        assert "max-age" in client.get("/livez").headers["strict-transport-security"]


def test_a_proxys_request_id_is_taken(api):
    """So that one id runs through all logs; what is no UUID is replaced."""
    given = "0189aaaa-0000-7000-8000-0123456789ab"
    assert api.get("/api/me", headers={"X-Request-Id": given}).headers["x-request-id"] == given
    other = api.get("/api/me", headers={"X-Request-Id": "evil"}).headers["x-request-id"]
    assert str(UUID(other)) == other


def test_the_scope_knows_request_actor_and_deadline(app):
    """What a service sees is what the edge knows."""
    from prefiq.web.routes import ApiRoute

    seen = {}

    def look(_, scope):
        seen.update(id=scope.request_id, actor=scope.actor.id, tenant=scope.tenant, deadline=scope.deadline)

    app.host.routes = lambda: [(app.host["projects"], ApiRoute("/look", look))]
    token = make_token(app.settings, "acme", "ann")
    with TestClient(create_asgi(app)) as client:
        answer = client.get("/api/projects/look", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    assert (seen["id"], seen["actor"], seen["tenant"]) == (answer.headers["x-request-id"], "ann", "acme")
    assert 0 < seen["deadline"].timestamp() - time.time() <= app.settings.request_timeout


def test_under_a_root_path(app):
    """Behind a proxy that keeps a prefix, paths are those below it."""
    token = make_token(app.settings, "acme", "ann")
    with TestClient(create_asgi(app), root_path="/erp") as client:
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/erp/api/me", headers=headers).status_code == 200
        assert client.get("/erp/livez").status_code == 200
        created = client.post("/erp/api/projects/projects", json={"code": "A", "name": "n"}, headers=headers)
        assert created.headers["location"] == f"/erp/api/projects/projects/{created.json()['id']}"
        assert client.get(created.headers["location"], headers=headers).status_code == 200
        client.post("/erp/api/projects/projects", json={"code": "B", "name": "n"}, headers=headers)
        link = client.get("/erp/api/projects/projects?limit=1", headers=headers).headers["link"]
        assert link.startswith("</erp/api/projects/projects?limit=1&cursor=")


def test_overload_is_answered(app):
    """A request that finds the queue full is 503 with Retry-After, and was not started."""

    class Full:
        async def run(self, work, call):
            raise Overloaded(7)

        async def close(self):
            pass

    with TestClient(create_asgi(app, workers=Full())) as client:
        headers = {"Authorization": f"Bearer {make_token(app.settings, 'acme')}"}
        answer = client.get("/api/me", headers=headers)
        problem(answer, 503, "PFQ713")
        assert answer.headers["retry-after"] == "7"
        problem(client.get("/readyz"), 503, "PFQ713")


def test_a_request_that_waited_too_long_is_not_started(app):
    """Whoever asked has stopped waiting by then."""

    class Late(Greenlets):
        async def run(self, work, call):
            if hasattr(call, "started"):
                call.started -= app.settings.request_timeout + 1
            return work(call)

    with TestClient(create_asgi(app, workers=Late(1, 30))) as client:
        headers = {"Authorization": f"Bearer {make_token(app.settings, 'acme')}"}
        problem(
            client.post("/api/projects/projects", json={"code": "A", "name": "n"}, headers=headers),
            503,
            "PFQ713",
        )


def test_a_request_hops_to_a_thread_exactly_once(app):
    """Authentication, tenant, service and encoding share one hop."""
    hops = []

    class Counting(Greenlets):
        async def run(self, work, call):
            hops.append(call)
            return work(call)

    with TestClient(create_asgi(app, workers=Counting(1, 30))) as client:
        headers = {"Authorization": f"Bearer {make_token(app.settings, 'acme')}"}
        for _ in range(2):  # a token that is not known, then one that is
            client.get("/api/projects/projects?include=", headers=headers)
            client.post("/api/projects/projects", json={"code": "A", "name": "n"}, headers=headers)
    assert len(hops) == 4


def test_a_single_tenant(tmp_path):
    """With TENANCY=single every token is for the one tenant, and none for another."""
    with (
        make_application(tmp_path, tenancy="single", tenant="home") as app,
        TestClient(create_asgi(app)) as client,
    ):
        for tenant, status in (("home", 200), ("acme", 403)):
            headers = {"Authorization": f"Bearer {make_token(app.settings, tenant)}"}
            assert client.get("/api/me", headers=headers).status_code == status
        headers = {"Authorization": f"Bearer {make_token(app.settings, 'home')}", "Prefiq-Tenant": "acme"}
        problem(client.get("/api/me", headers=headers), 403, "PFQ702")


@pytest.mark.parametrize(
    ("scopes", "status", "permissions"),
    [
        (["role:clerk"], 200, ["projects.project.read", "projects.task.*"]),
        (["role:clerk", "projects.task.*"], 200, ["projects.project.read", "projects.task.*"]),
        (["role:boss"], 403, []),
    ],
)
def test_a_role_of_the_application(tmp_path, scopes, status, permissions):
    """A token's ``role:`` scope opens what ``[roles]`` gives to it, and ``/api/me`` says what that is."""
    (tmp_path / "prefiq.toml").write_text('[roles]\nclerk = ["projects.project.read", "projects.task.*"]\n')
    with make_application(tmp_path, ["projects"]) as app, TestClient(create_asgi(app)) as client:
        headers = {"Authorization": f"Bearer {make_token(app.settings, 'acme', 'ann', scopes)}"}
        assert client.get("/api/projects/projects", headers=headers).status_code == status
        me = client.get("/api/me", headers=headers).json()
    assert me["permissions"] == permissions
    assert ("projects.task.delete" in me["allowed"]) is bool(permissions)
    assert "projects.project.delete" not in me["allowed"]


class KeyAuthenticator:
    """Another kind of credential: a key that stands for an actor."""

    def recall(self, token, /):
        return None

    def authenticate(self, token, /):
        if token != b"key-of-ann":
            raise Unauthenticated("no such key")
        return Identity(Actor("ann", ("*",)), ("acme",), "acme", 0)


class IdentityProvider(ProviderBase):
    name = "identity"

    def bind(self, to):
        to.app(IAuthenticator, KeyAuthenticator)


def test_a_module_can_bring_its_own_authenticator(tmp_path):
    """Bound to the contract, it replaces the tokens of the settings."""
    with (
        make_application(tmp_path, modules=[IdentityProvider]) as app,
        TestClient(create_asgi(app)) as client,
    ):
        assert (
            client.get("/api/me", headers={"Authorization": "Bearer key-of-ann"}).json()["actor"]["id"]
            == "ann"
        )
        token = make_token(app.settings, "acme")
        assert client.get("/api/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


# ---- bodies that come in parts


def feed(*messages, delay=0.0):
    left = list(messages)

    async def receive():
        if delay:
            await asyncio.sleep(delay)
        if left:
            return left.pop(0)
        return await asyncio.Event().wait()

    return receive


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize("delay", [0.0, 0.001])
def test_a_body_in_parts_is_put_together(delay):
    """Whether the parts are there already or are still to come."""
    receive = feed(part(b"ab", more=True), part(b"", more=True), part(b"cd"), delay=delay)
    assert asyncio.run(receive_all(receive, Limits(10, 5))) == b"abcd"


@pytest.mark.parametrize("delay", [0.0, 0.001])
def test_reading_ends_where_the_limit_is_passed(delay):
    """What comes after is not asked for."""
    with pytest.raises(BodyTooLarge):
        asyncio.run(
            receive_all(
                feed(part(b"x" * 6, more=True), part(b"x" * 6, more=True), delay=delay), Limits(10, 5)
            )
        )


def test_a_body_that_does_not_come_is_not_waited_for():
    """A slow sender holds no request open."""
    with pytest.raises(BodyTimeout):
        asyncio.run(receive_all(feed(part(b"ab", more=True)), Limits(10, 0.01)))


@pytest.mark.parametrize("delay", [0.0, 0.001])
def test_a_sender_that_goes_away(delay):
    """The body ended before it was whole."""
    with pytest.raises(Malformed):
        asyncio.run(
            receive_all(feed(part(b"ab", more=True), {"type": "http.disconnect"}, delay=delay), Limits(10, 5))
        )


def test_a_cancelled_request_stops_reading():
    """Cancellation reaches the reader and is not turned into an error."""
    closed = []

    async def receive():
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def main():
        task = asyncio.create_task(receive_all(receive, Limits(10, 5)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert closed == [True]


def run(app, method, path, headers, receive=None):
    """One request with header fields exactly as given."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive or feed(part(b"")), send))
    return sent
