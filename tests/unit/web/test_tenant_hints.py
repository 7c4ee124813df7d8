"""Which tenant a request means: the credential decides, hints select, and nothing tells which tenants there are."""

import json
import re
import time
from datetime import UTC, datetime

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from prefiq import ProviderBase
from prefiq.cli.lifespan import OpenedByServer
from prefiq.cli.session import Session
from prefiq.testing import make_application
from prefiq.web import create_asgi, make_token
from prefiq.web.auth import Identity
from prefiq.web.proxies import BehindProxies
from prefiq.web.routes import scope_of

ACME, BOTH = "acme", "acme globex"


class Who(ProviderBase):
    """A route of Starlette's own, which is behind the same door."""

    name = "who"

    def routes(self):
        from starlette.responses import PlainTextResponse

        def who(request):
            with scope_of(request) as scope:
                return PlainTextResponse(scope.tenant)

        return [Route("/tenant", who)]


class Caller:
    """Asks who it is, in one of the ways that a request can name a tenant."""

    def __init__(self, app, client):
        self.app, self.client = app, client

    def __call__(self, tenants=ACME, *, path="/api/me", host=None, header=None, **more):
        token = token_for(self.app, tenants)
        headers = {"Authorization": f"Bearer {token}", **more}
        if host is not None:
            headers["Host"] = host
        if header is not None:
            headers["Prefiq-Tenant"] = header
        return self.client.get(path, headers=headers)

    def tenant(self, *arguments, **options):
        answer = self(*arguments, **options)
        return answer.json()["tenant"] if answer.status_code == 200 else answer.status_code


def token_for(app, tenants):
    import time

    import jwt

    claims = {"sub": "ann", "tenants": tenants.split(), "scope": "*", "exp": time.time() + 60}
    return jwt.encode(claims, app.settings.jwt_keys[0].reveal(), algorithm="HS256")


def calling(tmp_path, client=("10.0.0.5", 4000), domains=None, **settings):
    """An application with two tenants, served."""
    app = make_application(tmp_path, modules=[Who], **settings)
    if domains is not None:
        app.tenants.of_domain = domains
    served = OpenedByServer(app, Session(), create_asgi)
    return app, TestClient(served, raise_server_exceptions=False, client=client)


@pytest.fixture
def call(tmp_path, request):
    app, client = calling(tmp_path, **getattr(request, "param", {"tenant_domain": "shop.example"}))
    with client:
        yield Caller(app, client)


def anonymous(answer):
    """Status, header fields and body, without the request's id."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, headers, re.sub(r"urn:uuid:[0-9a-f-]+", "", answer.text)


def test_a_subdomain_selects_among_the_credentials_tenants(call):
    """A token of two tenants needs no header where the host says which."""
    assert call.tenant(BOTH, host="acme.shop.example") == "acme"
    assert call.tenant(BOTH, host="GLOBEX.Shop.Example.:8443") == "globex"
    assert call.tenant(ACME, host="shop.example") == "acme"  # the domain itself names nobody
    assert call.tenant(BOTH, host="shop.example") == 403
    assert call.tenant(BOTH, host="shop.example", header="globex") == "globex"


def test_a_token_of_one_tenant_is_no_good_on_the_host_of_another(call):
    """What the host says never gives what the credential does not."""
    assert call.tenant(ACME, host="globex.shop.example") == 403
    assert call.tenant("globex", host="acme.shop.example") == 403


@pytest.mark.parametrize(
    "named",
    [
        {"host": "acme.shop.example", "header": "globex"},
        {"host": "shop.example", "header": "globex", "path": "/t/acme/api/me"},
        {"host": "acme.shop.example", "path": "/t/globex/api/me"},
        {"host": "acme.shop.example", "header": "acme", "path": "/t/globex/api/me"},
    ],
)
def test_hints_that_disagree_are_refused(call, named):
    """One of them was not meant, though the token is good for both."""
    assert call.tenant(BOTH, **named) == 403


def test_hints_that_agree_are_one(call):
    """All three may be given."""
    assert call.tenant(BOTH, host="globex.shop.example", header="globex", path="/t/globex/api/me") == "globex"


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example", "localhost", "127.0.0.1:8000", "[::1]:8000", "shop.example.evil.example", "evilshop.example",
        "a.acme.shop.example", ".shop.example", "acme..shop.example", "acme.shop.example@evil.example", "acme.shop.example/x",
        "acme.shop.example:port", "acme.shop.example, globex.shop.example", "x" * 300, "", "acme.shop.example\x7f",
    ],
)  # fmt: skip
def test_a_host_that_is_nobodys_is_refused(call, host):
    """With TENANT_DOMAIN a mapping that is missing closes the door, also for a token of one tenant."""
    assert call.tenant(ACME, host=host) == 403


@pytest.mark.parametrize("call", [{}], indirect=True)
def test_without_a_domain_hosts_do_not_count(call):
    """Nothing about the host is looked at."""
    assert call.tenant(ACME, host="globex.shop.example") == "acme"


def test_the_path_selects_and_links_keep_it(call):
    """``/t/<tenant>`` stands in front of every path of the API, and of the links in its answers."""
    host = {"host": "shop.example"}
    assert call.tenant(BOTH, path="/t/globex/api/me", **host) == "globex"
    assert call.tenant(ACME, path="/t/globex/api/me", **host) == 403
    assert call.tenant(ACME, path="/t/GLOBEX/api/me", **host) == 403
    assert call.tenant(ACME, path="/t//api/me", **host) == 403
    assert call.tenant(ACME, path="/t/acm%C3%A9/api/me", **host) == 403
    assert call.tenant(ACME, path="/t/acme/api", **host) == 404
    assert call.tenant(ACME, path="/t/acme/livez", **host) == 404
    assert call(BOTH, path="/t/globex/api/who/tenant", **host).text == "globex"
    assert call.tenant(ACME, path="/t/globex/api/who/tenant", **host) == 403


def test_starlettes_routes_are_behind_the_same_door(call):
    """A module's own routes get the tenant from the same hints."""
    assert call(BOTH, path="/api/who/tenant", host="globex.shop.example").text == "globex"
    assert call.tenant(ACME, path="/api/who/tenant", host="globex.shop.example") == 403


def test_links_stay_below_the_path_that_was_asked(tmp_path):
    """A cursor's link leads back through the same tenant's path."""
    from tests.unit.web.conftest import ProjectsProvider

    app = make_application(tmp_path, modules=[ProjectsProvider])
    headers = {"Authorization": f"Bearer {make_token(app.settings, 'acme')}"}
    with app, TestClient(create_asgi(app)) as client:
        path = "/t/acme/api/projects/projects"
        for code in ("A", "B"):
            made = client.post(path, json={"code": code, "name": code}, headers=headers)
            assert made.headers["location"].startswith(path)
        answer = client.get(f"{path}?limit=1", headers=headers)
        link = answer.headers["link"]
        assert link.startswith(f"<{path}?")
        assert client.get(link[1 : link.index(">")], headers=headers).json()["items"][0]["code"] == "B"


def test_verified_domains_select_too(tmp_path):
    """A customer's own domain; it is asked for only where it can be one, and what it names must be allowed."""
    asked = []

    def of_domain(name):
        asked.append(name)
        return {"www.acme.example": "acme", "globex.example": "globex"}.get(name)

    app, client = calling(tmp_path, tenant_domain="shop.example", domains=of_domain)
    with client:
        call = Caller(app, client)
        assert call.tenant(BOTH, host="WWW.acme.example:443") == "acme"
        assert call.tenant(ACME, host="globex.example") == 403
        assert call.tenant(ACME, host="unknown.example") == 403
        assert asked == ["www.acme.example", "globex.example", "unknown.example"]
        for host in ("localhost", "10.0.0.1:80", "acme.shop.example", "x.shop.example", "[::1]", "bad_/host"):
            call.tenant(ACME, host=host)
        assert len(asked) == 3


def test_the_directorys_domains_are_those_that_are_verified(call):
    """One that is only claimed leads nowhere; the answer is remembered for as long as a tenant is."""
    from prefiq import IDomainService
    from prefiq.application.tenants import REMEMBERED_SECONDS
    from prefiq.foundation.tenants import TenantDomain

    def add(host, key, verified_at=None):
        with call.app.scope(as_system="test") as scope:
            scope[IDomainService[TenantDomain]].create(
                TenantDomain(host=host, tenant_key=key, verified_at=verified_at)
            )

    add("www.acme.example", "acme", datetime(2026, 1, 1, tzinfo=UTC))
    add("claimed.example", "acme")
    assert call.tenant(BOTH, host="www.acme.example") == "acme"
    assert call.tenant(ACME, host="claimed.example") == 403
    assert call.tenant("globex", host="www.acme.example") == 403
    domains = call.app.tenants.domains
    assert all(until <= time.monotonic() + REMEMBERED_SECONDS for _, until in domains._known.values())
    assert domains._known.keys() == {"www.acme.example", "claimed.example"}


def test_a_domain_leads_to_its_tenant_from_its_verification_to_its_removal(call):
    """A claim alone selects nothing, also where its host was asked for just before; after a removal neither."""
    domains = call.app.tenants.domains
    call.app.tenants.settling = 0.0  # no other process serves
    host = "www.acme.example"
    assert call.tenant(BOTH, host=host) == 403
    domains.add("acme", host)
    assert call.tenant(BOTH, host=host) == 403
    domains.verify("acme", host, confirmed=True, reason="a letter")
    assert call.tenant(BOTH, host=host) == "acme"
    assert call.tenant("globex", host=host) == 403
    domains.remove("acme", host)
    assert call.tenant(BOTH, host=host) == 403


def test_unknown_suspended_and_foreign_tenants_cannot_be_told_apart(call):
    """Whatever names them: one status, one body, the same header fields."""
    call.app.tenants.create("closed")
    call.app.tenants.suspend("closed", reason="test")
    base = {"host": "shop.example"}
    answers = [
        call("nobody", **base),
        call("closed", **base),
        call("closed", path="/t/closed/api/me", **base),
        call(ACME, header="closed", **base),
        call(ACME, header="globex", **base),
        call(ACME, header="nobody", **base),
        call(ACME, header="../x", **base),
        call(ACME, host="globex.shop.example"),
        call(ACME, host="closed.shop.example"),
        call(ACME, host="nobody.shop.example"),
        call(ACME, host="nobody.example"),
        call(ACME, path="/t/globex/api/me", **base),
        call(ACME, path="/t/nobody/api/nothing/at/all", **base),
        call(BOTH, host="acme.shop.example", header="globex"),
    ]
    assert {json.dumps(anonymous(answer), sort_keys=True) for answer in answers} == {
        json.dumps(anonymous(answers[0]), sort_keys=True)
    }
    assert answers[0].status_code == 403


def test_a_tenant_that_is_not_the_credentials_costs_no_query(call, monkeypatch):
    """The directory is not even asked, so that nothing takes longer for a tenant that exists."""
    call.tenant(ACME, host="acme.shop.example")
    monkeypatch.setattr(call.app, "scope", lambda *_, **__: pytest.fail("a scope was opened"))
    for tenant in ("globex", "nobody"):
        assert call.tenant(ACME, host=f"{tenant}.shop.example") == 403
        assert call.tenant(ACME, host="shop.example", header=tenant) == 403


PROXIED = {"tenant_domain": "shop.example", "trusted_proxies": "10.0.0.0/8,fd00::1"}


@pytest.mark.parametrize(
    ("client", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
        ("fd00::2", False),
        ("11.0.0.1", False),
        ("::ffff:11.0.0.1", False),
        ("", False),
    ],
)
def test_forwarded_hosts_count_from_trusted_proxies_alone(tmp_path, client, trusted):
    """Who connects decides; what the request says about where it came from does not."""
    app, client = calling(tmp_path, client=(client, 1), **PROXIED)
    with client:
        call = Caller(app, client)
        forged = {"X-Forwarded-Host": "globex.shop.example", "X-Forwarded-For": "10.0.0.1"}
        expected = "globex" if trusted else "acme"
        assert call.tenant(BOTH, host="acme.shop.example", **forged) == expected
        forwarded = {"Forwarded": 'for=10.0.0.1;host="globex.shop.example:443";proto=https'}
        assert call.tenant(BOTH, host="acme.shop.example", **forwarded) == expected


@pytest.mark.parametrize("call", [{"tenant_domain": "shop.example"}], indirect=True)
def test_nobody_is_a_trusted_proxy_by_default(call):
    """Not even an address of the machine itself."""
    forged = {"X-Forwarded-Host": "globex.shop.example", "Forwarded": "host=globex.shop.example"}
    assert call.tenant(BOTH, host="acme.shop.example", **forged) == "acme"


@pytest.mark.parametrize("call", [PROXIED], indirect=True)
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "acme.shop.example, globex.shop.example"},
        {"X-Forwarded-Host": "acme.shop.example", "Forwarded": "host=globex.shop.example"},
        {"Forwarded": "host=acme.shop.example, host=globex.shop.example"},
        {"Forwarded": 'for=x;HOST = "acme.shop.example";by=y,for=z; host=globex.shop.example'},
        {"X-Forwarded-Host": ""},
    ],
)
def test_a_proxy_that_names_two_hosts_is_not_believed(call, headers):
    """A client may have sent the first of them itself."""
    assert call.tenant(BOTH, host="acme.shop.example", **headers) == 403
    assert call.tenant(BOTH, host="shop.example", **headers) == 403


@pytest.mark.parametrize("call", [{**PROXIED, "trusted_proxies": "unix", "client": None}], indirect=True)
def test_a_unix_socket_is_trusted_by_its_name(call):
    """It has no address."""
    assert call.tenant(BOTH, host="x", **{"X-Forwarded-Host": "globex.shop.example"}) == "globex"


def test_a_proxy_says_whether_it_was_https(tmp_path):
    """Then the answer says that the next one should be, too."""
    app, client = calling(tmp_path, **PROXIED)
    with client:
        call = Caller(app, client)
        for value, secure in (("https", True), ("http", False), ("https, http", False), ("gopher", False)):
            answer = call(ACME, host="shop.example", **{"X-Forwarded-Proto": value})
            assert ("strict-transport-security" in answer.headers) is secure, value


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_two_host_fields_reach_the_check_that_refuses_them():
    """What a proxy says replaces one host, and hides no second one."""
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)

    fields = [(b"host", b"a"), (b"host", b"b"), (b"x-forwarded-host", b"c")]
    scope = {"type": "http", "client": ("10.0.0.1", 1), "headers": fields, "scheme": "http"}
    await BehindProxies(app, ["10.0.0.0/8"])(scope, None, None)
    assert seen["headers"] == fields
    await BehindProxies(app, ["10.0.0.0/8"])({**scope, "headers": fields[1:]}, None, None)
    assert [value for name, value in seen["headers"] if name == b"host"] == [b"c"]


def test_a_single_tenant_has_a_path_too(tmp_path):
    """With TENANCY=single hints may name the one tenant, and no other."""
    app, client = calling(tmp_path, tenancy="single", tenant="home")
    with client:
        call = Caller(app, client)
        assert call.tenant("home", path="/t/home/api/me") == "home"
        assert call.tenant("home", path="/t/acme/api/me") == 403


def test_the_log_names_the_tenant_that_was_meant(call, caplog):
    """Whatever named it; of a refused request, none."""
    caplog.set_level("INFO", "prefiq.access")
    call(BOTH, host="globex.shop.example")
    call(ACME, host="globex.shop.example")
    assert [record.tenant for record in caplog.records if record.name == "prefiq.access"] == ["globex", ""]


def test_hints_beyond_the_credential_are_refused_by_identity():
    """The last word is the credential's own."""
    identity = Identity(None, ("acme",), "acme", 0.0)
    assert identity.tenant(b"acme") == identity.tenant(None) == "acme"


def test_the_server_does_not_put_a_proxys_word_in_the_place_of_its_address(tmp_path):
    """uvicorn's own reading of ``X-Forwarded-For`` would let a client choose who it seems to be."""
    from prefiq.cli.serving import server_options
    from prefiq.settings import Settings

    assert server_options(Settings.for_test(tmp_path))["proxy_headers"]
    assert not server_options(Settings.for_test(tmp_path, trusted_proxies="10.0.0.1"))["proxy_headers"]
