import base64
import json
import time
import warnings

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from prefiq.settings import ClaimMap, Issuer
from prefiq.web.auth import Identity, TokenAuthenticator, bearer_token, claim
from prefiq.web.errors import TenantRefused, Unauthenticated

KEY = "k" * 40
OLD = "o" * 40
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def public(key, kid, **more):
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, **more}


ISSUER = Issuer(
    name="corp",
    issuer="https://id.example",
    audience=("api",),
    jwks=json.dumps(
        {"keys": [public(RSA, "r1"), public(EC, "e1", use="sig"), public(RSA, "enc", use="enc")]}
    ),
    algorithms=("RS256", "ES256"),
    claims=ClaimMap(actor="sub", tenants="org.tenants", scopes="roles", name="display"),
)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def own(key=KEY, algorithm="HS256", headers=None, **claims):
    values = {
        "sub": "ann",
        "tenant": "acme",
        "scope": "projects.* masters.*",
        "exp": time.time() + 600,
        **claims,
    }
    values = {name: value for name, value in values.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # keys that are too short are what is tested
        return jwt.encode(values, key, algorithm=algorithm, headers=headers).encode()


def outside(key=RSA, algorithm="RS256", kid="r1", **claims):
    values = {
        "iss": "https://id.example", "aud": "api", "sub": "u1", "exp": time.time() + 600,
        "org": {"tenants": ["acme", "globex"]}, "roles": ["projects.*"], "display": "Ann", **claims,
    }  # fmt: skip
    values = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(values, key, algorithm=algorithm, headers={"kid": kid} if kid else None).encode()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def authenticator(clock):
    return TokenAuthenticator([KEY, OLD], [ISSUER], clock=clock)


def test_a_token_says_who_and_for_which_tenant(authenticator):
    """Subject, name, permissions and tenant come from its claims."""
    identity = authenticator.authenticate(own(name="Ann"))
    assert (identity.actor.id, identity.actor.name) == ("ann", "Ann")
    assert identity.actor.permissions == ("projects.*", "masters.*")
    assert (identity.tenants, identity.default) == (("acme",), "acme")


def test_the_previous_key_still_verifies(authenticator):
    """Tokens of before the turn of a key are accepted."""
    assert authenticator.authenticate(own(OLD)).actor.id == "ann"


def tampered(**header):
    parts = own().split(b".")
    plain = {"alg": "HS256", "typ": "JWT", **header}
    parts[0] = base64.urlsafe_b64encode(json.dumps(plain).encode()).rstrip(b"=")
    return b".".join(parts)


REFUSED = {
    "forged": own("x" * 40),
    "expired": own(exp=time.time() - 90),
    "without exp": own(exp=None),
    "exp is a text": own(exp="tomorrow"),
    "exp in a hundred years": own(exp=time.time() + 100 * 366 * 86400),
    "not yet": own(nbf=time.time() + 3600),
    "issued in the future": own(iat=time.time() + 3600),
    "without subject": own(sub=None),
    "empty subject": own(sub=""),
    "subject too long for the history": own(sub="a" * 191),
    "subject of more than a line": own(sub="ann\nERROR"),
    "subject with half a character": own(sub="\ud800"),
    "tenant is a number": own(tenant=7),
    "tenants is a text": own(tenants="acme"),
    "another audience": own(aud="billing"),
    "another issuer": own(iss="https://elsewhere"),
    "none": own("", "none"),
    "HS384 with the own key": own(algorithm="HS384"),
    "jku": own(headers={"jku": "https://evil/keys"}),
    "jwk": own(headers={"jwk": {"kty": "oct"}}),
    "x5u": own(headers={"x5u": "https://evil"}),
    "crit": own(headers={"crit": ["b64"], "b64": True}),
    "type of another use": own(headers={"typ": "logout+jwt"}),
    "type is no text": tampered(typ=1),
    "alg is no text": tampered(alg=["HS256"]),
    "two parts": b"a.b",
    "five parts": b"a.b.c.d.e",
    "no base64": b"\xff.\xff.\xff",
    "no json": b"YQ.YQ.YQ",
    "a list": b"W10.W10.YQ",
    "deep": base64.urlsafe_b64encode(b"[" * 5000) + b".e30.YQ",
}


@pytest.mark.parametrize("name", REFUSED)
def test_own_tokens_that_are_refused(authenticator, name):
    """What RFC 8725 warns of, one by one."""
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(REFUSED[name])


def test_a_minute_of_difference_between_clocks_is_forgiven(authenticator):
    """Leeway is 60 seconds."""
    assert authenticator.authenticate(own(exp=time.time() - 50)).actor.id == "ann"


def test_a_short_key_is_refused_when_the_application_starts():
    """HS256 needs 32 bytes; PyJWT would only warn."""
    with pytest.raises(ValueError, match="32 bytes"):
        TokenAuthenticator(["short"])


def test_without_a_key_no_own_token_is_accepted():
    """An empty key is no key."""
    with pytest.raises(Unauthenticated):
        TokenAuthenticator([]).authenticate(own())


def test_the_public_key_of_an_issuer_is_no_secret_of_ours(authenticator):
    """A token signed by HMAC with an issuer's public key does not pass (the swap of algorithms)."""
    pem = json.dumps(public(RSA, "r1")).encode()
    for issuer in ("https://id.example", None):
        header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"r1"}').rstrip(b"=")
        claims = {"sub": "u", "tenant": "acme", "aud": "api", "exp": time.time() + 60, "iss": issuer}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
        import hashlib
        import hmac

        mac = hmac.digest(pem, header + b"." + body, hashlib.sha256)
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(
                header + b"." + body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
            )


def test_claims_of_an_issuer_are_mapped(authenticator):
    """Actor, tenants, permissions and name come from the claims that the settings name, dots reaching inside."""
    identity = authenticator.authenticate(outside())
    assert identity.actor.id == "corp:u1"
    assert identity.actor.name == "Ann"
    assert identity.actor.permissions == ("projects.*",)
    assert (identity.tenants, identity.default) == (("acme", "globex"), "")


def test_another_algorithm_of_the_issuer_works_too(authenticator):
    """Each key serves the algorithm that it is made for."""
    assert authenticator.authenticate(outside(EC, "ES256", "e1")).actor.id == "corp:u1"


OUTSIDE_REFUSED = {
    "forged": outside(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "unknown kid": outside(kid="zz"),
    "no kid where a set is ambiguous in nothing": outside(EC, "ES256", "r1"),
    "key for encryption": outside(kid="enc"),
    "algorithm that is not the issuer's": outside(algorithm="RS512"),
    "another issuer": outside(iss="https://elsewhere"),
    "without issuer": outside(iss=None),
    "another audience": outside(aud="web"),
    "audience of a number": outside(aud=[1]),
    "without audience": outside(aud=None),
    "without exp": outside(exp=None),
    "expired": outside(exp=time.time() - 100),
    "without actor": outside(sub=None),
    "actor too long for the history": outside(sub="a" * 191),
    "actor with half a character": outside(sub="\ud800"),
    "tenants is a number": outside(org={"tenants": 7}),
    "tenants holds an empty one": outside(org={"tenants": [""]}),
}


@pytest.mark.parametrize("name", OUTSIDE_REFUSED)
def test_outside_tokens_that_are_refused(authenticator, name):
    """Issuer, audience, key and algorithm must all fit together."""
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(OUTSIDE_REFUSED[name])


def test_a_key_set_with_one_fitting_key_needs_no_kid(authenticator):
    """Without a kid, the one key for that algorithm and purpose is meant."""
    assert authenticator.authenticate(outside(kid=None)).actor.id == "corp:u1"


def test_an_issuer_cannot_speak_for_people_of_another(clock):
    """The same subject of two issuers, or of our own tokens, is three people."""
    twin = Issuer(name="twin", issuer="https://twin", audience=("api",), jwks=ISSUER.jwks)
    authenticator = TokenAuthenticator([KEY], [ISSUER, twin], clock=clock)
    tokens = [outside(sub="ann"), outside(sub="ann", iss="https://twin", tenants=["acme"]), own()]
    assert len({authenticator.authenticate(token).actor.id for token in tokens}) == 3


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "x" * 191, "a" + "\u0300" * 40, 7])
def test_a_name_that_cannot_be_stored_is_left_out(authenticator, name):
    """People choose their names at the issuer; one must not make every answer to them a server's fault."""
    assert authenticator.authenticate(outside(display=name)).actor.name == ""


def test_a_single_tenant_needs_no_claim(clock):
    """With TENANCY=single a token may leave the tenant out, and cannot name another."""
    authenticator = TokenAuthenticator([KEY], tenant="main", clock=clock)
    assert authenticator.authenticate(own(tenant=None)).tenant(None) == "main"
    assert authenticator.authenticate(own(tenant="main")).tenant(b"main") == "main"
    with pytest.raises(TenantRefused):
        authenticator.authenticate(own())


def test_a_verified_token_is_remembered_for_half_a_minute(authenticator, clock):
    """Within 30 seconds it is not verified again; afterwards it is."""
    token = own()
    assert authenticator.recall(token) is None
    identity = authenticator.authenticate(token)
    clock.now += 29
    assert authenticator.recall(token) is identity
    clock.now += 2
    assert authenticator.recall(token) is None


def test_a_token_is_not_remembered_beyond_its_life(authenticator, clock):
    """What expires in ten seconds (and a minute of leeway) is forgotten then."""
    token = own(exp=time.time() - 55)
    authenticator.authenticate(token)
    clock.now += 10
    assert authenticator.recall(token) is None


def test_refused_tokens_are_not_remembered(authenticator):
    """Only what was verified is."""
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(REFUSED["forged"])
    assert authenticator.recall(REFUSED["forged"]) is None


def test_memory_is_bounded_and_holds_no_token(authenticator, monkeypatch):
    """Tokens are kept by their digest, and never more than the limit."""
    monkeypatch.setattr("prefiq.web.auth.MOST_REMEMBERED", 3)
    for number in range(10):
        authenticator.authenticate(own(sub=f"u{number}"))
    assert len(authenticator._remembered) <= 3
    assert all(len(key) == 32 for key in authenticator._remembered)


@pytest.mark.parametrize(
    ("default", "tenants", "wanted", "tenant"),
    [
        ("acme", ("acme",), None, "acme"),
        ("acme", ("acme",), b"acme", "acme"),
        ("acme", ("acme",), b"globex", None),
        ("acme", ("acme",), b"", None),
        ("acme", ("acme",), b"ACME", None),
        ("acme", ("acme",), "ácme".encode(), None),
        ("", ("acme", "globex"), b"globex", "globex"),
        ("", ("acme", "globex"), None, None),
        ("acme", ("acme", "globex"), None, "acme"),
        ("", (), None, None),
        ("", (), b"acme", None),
    ],
)
def test_the_header_selects_among_the_credentials_tenants(default, tenants, wanted, tenant):
    """A header never grants: it narrows what the token allows."""
    identity = Identity(None, tenants, default, 0)
    if tenant is None:
        with pytest.raises(TenantRefused):
            identity.tenant(wanted)
    else:
        assert identity.tenant(wanted) == tenant


@pytest.mark.parametrize(
    ("field", "given"),
    [
        (None, False),
        (b"", False),
        (b"Basic YTpi", False),
        (b"Bearer", True),
        (b"Bearer ", True),
        (b"Bearer " + b"x" * 8193, True),
    ],
)
def test_what_is_no_bearer_token(field, given):
    """Another scheme, no token, or one of more than 8 kB."""
    with pytest.raises(Unauthenticated) as caught:
        bearer_token(field)
    assert caught.value.given is given


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_the_scheme_is_read_in_any_case(scheme):
    """Names of schemes are case-insensitive (RFC 9110, section 11.1)."""
    assert bearer_token(scheme + b" abc") == b"abc"


def test_a_claims_own_name_comes_before_its_dots():
    """Names that are addresses hold dots themselves."""
    claims = {"https://example.com/tenants": ["a"], "https://example": {"com/tenants": ["b"]}, "x": {"y": 1}}
    assert claim(claims, "https://example.com/tenants") == ["a"]
    assert claim(claims, "x.y") == 1
    assert claim(claims, "x.y.z") is None
    assert claim(claims, "nothing.here") is None
