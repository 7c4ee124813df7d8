"""Changing the key of tokens while hosts restart one after the other: nobody is refused on the way."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from prefiq.settings import Settings
from prefiq.web.auth import TokenAuthenticator
from prefiq.web.errors import Unauthenticated
from prefiq.web.token import make_token

OLD, NEW = "the-old-key-of-32-bytes-or-more-ab", "the-new-key-of-32-bytes-or-more-cd"
STEPS = (
    {"jwt_secret_key": OLD},
    {"jwt_secret_key": OLD, "jwt_secret_key_previous": NEW},
    {"jwt_secret_key": NEW, "jwt_secret_key_previous": OLD},
    {"jwt_secret_key": NEW},
)
"""Before, and the three steps of the documentation."""


@pytest.fixture
def hosts(tmp_path: Path) -> list[Settings]:
    return [Settings.for_test(tmp_path, **step) for step in STEPS]


def accepts(host: Settings, token: str) -> bool:
    try:
        TokenAuthenticator.of(host).authenticate(token.encode())
    except Unauthenticated:
        return False
    return True


def test_tokens_of_a_step_are_good_before_and_after_it(hosts):
    """While a step is rolled out, hosts of two neighbours serve together; each takes what the other signs."""
    for before, after in itertools.pairwise(hosts):
        assert accepts(before, make_token(after, "acme"))
        assert accepts(after, make_token(before, "acme"))


def test_the_old_key_ends_with_the_last_step(hosts):
    """What was signed before is refused then, so it waits for the longest-lived token."""
    assert [accepts(host, make_token(hosts[0], "acme")) for host in hosts] == [True, True, True, False]
    assert accepts(hosts[3], make_token(hosts[2], "acme"))


def test_exchanging_both_at_once_refuses_somebody(hosts):
    """Why there are three steps: a host that has not restarted does not know the new key."""
    assert not accepts(hosts[0], make_token(hosts[2], "acme"))
