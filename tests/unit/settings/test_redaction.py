"""The second net: secrets are taken out of texts and values, and in little time."""

from __future__ import annotations

import json
import time
from urllib.parse import quote, quote_plus

import pytest

from prefiq.settings import Secret
from prefiq.settings.redaction import Redactor

CANARY = 'cañ"ry +&/\\s\n3'


@pytest.mark.parametrize(
    "form",
    [
        str,
        repr,
        ascii,
        json.dumps,
        lambda v: json.dumps(v, ensure_ascii=False),
        quote_plus,
        quote,
        lambda v: quote(v, safe=""),
    ],
)
def test_a_known_value_goes_in_every_form(form):
    """Plain, in ``repr``, in JSON, in a URL."""
    shown = Redactor([Secret(CANARY)]).text(f"got {form(CANARY)} here")
    assert "ry" not in shown.replace("here", "")
    assert shown.startswith("got ")
    assert shown.endswith(" here")


def test_the_longer_of_two_secrets_goes_first():
    """No rest of a secret that begins with another one stays."""
    assert Redactor([Secret("abcdef"), Secret("abcdef-rest")]).text("x abcdef-rest y") == "x *** y"


def test_a_short_secret_does_not_eat_ordinary_words():
    """Under six characters only its name hides it."""
    redactor = Redactor([Secret("in")])
    assert redactor.text("in the beginning") == "in the beginning"
    assert redactor.text("password=in") == "password=***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=canary x", "password=*** x"),
        ("smtp_password: canary", "smtp_password: ***"),
        ('{"api_key": "ca na\\"ry", "a": 1}', '{"api_key": "***", "a": 1}'),
        ("{'access-key': 'canary'}", "{'access-key': '***'}"),
        ("accessToken=canary&x=1", "accessToken=***&x=1"),
        ("GET /x?token=canary&y=2", "GET /x?token=***&y=2"),
        ("Authorization: Bearer canarycanary", "Authorization: Bearer ***"),
        ("('authorization', 'Bearer canarycanary')", "('authorization', 'Bearer ***')"),
        ("b'Bearer canarycanary'", "b'Bearer ***'"),
        ("got eyJhbGciOiJ9.eyJzdWIiOiIx.canary!", "got ***!"),
        ("postgresql://app:canary@db/x", "postgresql://app:***@db/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----.", "***."),
        ('secret="canary is cut', 'secret="***"'),
    ],
)
def test_names_and_forms_of_secrets_hide_their_values(text, shown):
    """What was never known as a secret is found by its name or its form."""
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    "text", ["compass: north", "two tokens left", "http://host:8080/x", "a=b: c", "2026-01-01T00:00:00"]
)
def test_ordinary_text_stays(text):
    """Nothing else is touched."""
    assert Redactor().text(text) == text


def test_values_are_copied_without_secrets():
    """By key at any depth, by value anywhere; what JSON cannot hold becomes text."""
    shown = Redactor([Secret("canary-9")]).value(
        {
            "user": "a",
            "password": "x",
            "list": [1, "see canary-9", {"apiToken": 3}],
            "secret": Secret("canary-9"),
            "n": float("nan"),
        }
    )
    assert shown == {
        "user": "a",
        "password": "***",
        "list": [1, "see ***", {"apiToken": "***"}],
        "secret": "***",
        "n": "nan",
    }
    loop: list[object] = []
    loop.append(loop)
    json.dumps(Redactor().value(loop))


@pytest.mark.parametrize(
    "text",
    ["a_" * 50_000, "://" + "a" * 100_000, "-eyJeyJ" * 15_000, "password" * 12_000, "password=" * 11_000, "bearer " * 14_000,
     "-----BEGIN " * 9_000, "://a:" * 20_000, "pass" + " " * 100_000, "token='\\" * 12_000],
)  # fmt: skip
def test_a_hostile_line_takes_no_longer_than_its_length(text):
    """100,000 characters made for the expressions are read in well under a second."""
    start = time.process_time()
    Redactor([Secret("canary-9")]).text(text + "=:eyJ earer -----BEGIN ://")
    assert time.process_time() - start < 1.0
