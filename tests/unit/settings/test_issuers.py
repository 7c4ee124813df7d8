"""Outside issuers: from the file, from the environment, and what is refused."""

from __future__ import annotations

import json

import pytest

from prefiq.settings import ClaimMap, Issuer, SecretInToml, SettingError, TomlError, UnknownSetting

KEYS = {"keys": [{"kty": "RSA", "kid": "1", "n": "abc", "e": "AQAB"}]}
GOOD = {"issuer": "https://login.example", "audience": "prefiq", "jwks_uri": "https://login.example/keys"}


def given(**changes):
    table = {**GOOD, **changes}
    return {"JWT_ISSUERS": json.dumps({"acme": {k: v for k, v in table.items() if v is not None}})}


def test_an_issuer_of_the_file(load_from):
    """With everything said, and with the least."""
    settings = load_from(
        {},
        toml="""
[issuers.acme]
issuer = "https://login.example"
audience = ["prefiq", "other"]
jwks_uri = "https://login.example/keys"
algorithms = ["ES256", "EdDSA"]
claims = { actor = "email", tenants = "https://x/tenants", scopes = "realm.roles" }
[issuers.least]
issuer = "https://least.example"
audience = "prefiq"
jwks_uri = "http://127.0.0.1:9000/keys"
""",
    )
    acme, least = settings.issuers
    assert acme == Issuer(
        name="acme",
        issuer="https://login.example",
        audience=("prefiq", "other"),
        jwks_uri="https://login.example/keys",
        algorithms=("ES256", "EdDSA"),
        claims=ClaimMap(actor="email", tenants="https://x/tenants", scopes="realm.roles"),
    )
    assert (least.audience, least.algorithms, least.claims) == (("prefiq",), ("RS256",), ClaimMap())


def test_the_environment_replaces_the_files_issuers(load_from):
    """As a whole, in JSON, with the same keys."""
    toml = '[issuers.file]\nissuer = "f"\naudience = "p"\njwks_uri = "https://f/x"\n'
    settings = load_from(given(), toml=toml)
    assert [i.name for i in settings.issuers] == ["acme"]
    assert settings.sources["JWT_ISSUERS"] == "environment"


def test_keys_inline_and_from_a_file(load_from, tmp_path):
    """Both become the text of a key set, the file at load."""
    (tmp_path / "keys.json").write_text(json.dumps(KEYS))
    inline = load_from(given(jwks_uri=None, jwks=KEYS)).issuers[0]
    from_file = load_from(given(jwks_uri=None, jwks_file="keys.json")).issuers[0]
    assert json.loads(inline.jwks) == json.loads(from_file.jwks) == KEYS
    assert inline.jwks_uri == ""


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"issuer": None}, "issuer"),
        ({"issuer": 3}, "issuer"),
        ({"audience": None}, "audience"),
        ({"audience": []}, "audience"),
        ({"audience": [""]}, "audience"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"jwks_uri": "http://login.example/keys"}, "jwks_uri"),
        ({"jwks_uri": "http://localhost.evil.example/keys"}, "jwks_uri"),
        ({"jwks_uri": "https://user:pw@login.example/keys"}, "jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"jwks_uri": None}, ""),
        ({"jwks": KEYS}, ""),
        ({"jwks_uri": None, "jwks": {"keys": []}}, "jwks"),
        ({"jwks_uri": None, "jwks": "x"}, "jwks"),
        ({"jwks_uri": None, "jwks_file": "absent.json"}, "jwks_file"),
        ({"claims": 3}, "claims"),
        ({"claims": {"actor": ""}}, "claims.actor"),
    ],
)
def test_a_wrong_issuer_is_named_by_its_place(wrong, changes, place):
    """One mistake is one fault, and no key set means no door."""
    (fault,) = wrong(given(**changes))
    assert (type(fault), fault.name) == (SettingError, f"JWT_ISSUERS.acme.{place}".rstrip("."))


def test_unknown_keys_have_the_nearest_name(wrong):
    """Within the table and within its claims."""
    faults = wrong(given(audiences="x", claims={"tenant": "t"}))
    assert [(type(f), f.name, f.nearest) for f in faults] == [
        (UnknownSetting, "JWT_ISSUERS.acme.audiences", "audience"),
        (UnknownSetting, "JWT_ISSUERS.acme.claims.tenant", "tenants"),
    ]


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "canary"},
        {"kty": "oct", "kid": "canary"},
        {"kty": "RSA", "n": "a", "e": "b", "d": "canary"},
    ],
)
def test_private_keys_are_refused(wrong, key):
    """A shared or private key would let others sign."""
    (fault,) = wrong(given(jwks_uri=None, jwks={"keys": [key]}))
    assert isinstance(fault, SecretInToml)
    assert "canary" not in str(fault)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '"x"', "[]"])
def test_what_is_no_table_is_refused(wrong, text):
    """Broken, endless or otherwise shaped JSON is one fault."""
    (fault,) = wrong({"JWT_ISSUERS": text})
    assert fault.name == "JWT_ISSUERS"


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "[]", '{"keys": 1}'])
def test_a_key_file_that_is_no_key_set_is_refused(wrong, tmp_path, content):
    """Found at load, where somebody looks."""
    (tmp_path / "keys.json").write_text(content)
    (fault,) = wrong(given(jwks_uri=None, jwks_file="keys.json"))
    assert fault.name == "JWT_ISSUERS.acme.jwks_file"


def test_one_issuer_has_one_entry(wrong):
    """Two entries with the same ``iss`` would leave open which rules hold."""
    table = 'issuer = "same"\naudience = "p"\njwks_uri = "https://f/x"\n'
    (fault,) = wrong({}, toml=f"[issuers.a]\n{table}[issuers.b]\n{table}")
    assert (type(fault), fault.name) == (TomlError, "issuers.b")


@pytest.mark.parametrize("name", ["a:b", "", "a b", "a\\nb", "x" * 61])
def test_the_name_of_an_issuer_cannot_be_mistaken(wrong, name):
    """It stands before its actors with a colon: ``a`` with ``b:c`` must not be ``a:b`` with ``c``."""
    (fault,) = wrong({"JWT_ISSUERS": json.dumps({name: GOOD})})
    assert "is no name" in str(fault)
