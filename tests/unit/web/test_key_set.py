import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from prefiq.bridge import call
from prefiq.settings import Issuer
from prefiq.web.errors import IssuerUnreachable, Unauthenticated
from prefiq.web.key_set import KeySet

KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]


def jwk(number, **more):
    return {
        **json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[number].public_key())),
        "kid": f"k{number}",
        **more,
    }


class LocalIssuer:
    """An issuer on this machine: what it answers can be changed, and how often it was asked is counted."""

    def __init__(self):
        self.asked = 0
        self.garbage = b""
        self.status, self.body, self.location = 200, json.dumps({"keys": [jwk(0)]}).encode(), ""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                if issuer.garbage:
                    self.wfile.write(issuer.garbage)
                    return
                self.send_response(issuer.status)
                if issuer.location:
                    self.send_header("Location", issuer.location)
                self.send_header("Content-Length", str(len(issuer.body)))
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"


@pytest.fixture
def local():
    issuer = LocalIssuer()
    thread = threading.Thread(target=issuer.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield issuer
    issuer.server.shutdown()
    thread.join()
    issuer.server.server_close()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(local, clock):
    return KeySet(
        Issuer(name="corp", issuer="https://id", audience=("api",), jwks_uri=local.url), clock=clock
    )


def test_keys_are_fetched_once_and_kept(keys, local):
    """The second token costs no request."""
    assert keys.key("k0", "RS256").public_numbers() == KEYS[0].public_key().public_numbers()
    keys.key("k0", "RS256")
    assert local.asked == 1


def test_an_unknown_key_is_looked_for_again_but_not_at_once(keys, local, clock):
    """Forged names of keys make us ask the issuer at most every 30 seconds."""
    keys.key("k0", "RS256")
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            keys.key("forged", "RS256")
    assert local.asked == 1
    clock.now += 31
    local.body = json.dumps({"keys": [jwk(0), jwk(1)]}).encode()
    assert keys.key("k1", "RS256") is not None
    assert local.asked == 2


def test_a_key_that_was_withdrawn_is_refused_after_ten_minutes(keys, local, clock):
    """Keys are read anew when they are ten minutes old."""
    keys.key("k0", "RS256")
    local.body = json.dumps({"keys": [jwk(1)]}).encode()
    clock.now += 601
    with pytest.raises(Unauthenticated):
        keys.key("k0", "RS256")


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b"[" * 100_000},
        {"garbage": b"no HTTP at all\r\n\r\n"},
        {"body": json.dumps({"keys": [jwk(0)]}).encode() + b" " * 300_000},
    ],
)
def test_keys_at_hand_serve_a_day_while_the_issuer_is_in_trouble(keys, local, clock, trouble):
    """What cannot be read, or is too large, does not replace what was read before."""
    keys.key("k0", "RS256")
    vars(local).update(trouble)
    clock.now += 3600
    assert keys.key("k0", "RS256") is not None
    clock.now += 86_400
    with pytest.raises((Unauthenticated, IssuerUnreachable)):
        keys.key("k0", "RS256")


def test_without_any_keys_the_issuer_is_unreachable_not_the_token_wrong(keys, local):
    """The caller is told to try again, and the issuer is not asked for each of them."""
    local.status = 503
    for _ in range(3):
        with pytest.raises(IssuerUnreachable):
            keys.key("k0", "RS256")
    assert local.asked == 1


def test_redirects_are_not_followed(keys, local):
    """Keys come from the declared address alone."""
    local.status, local.location = 302, local.url + "/elsewhere"
    with pytest.raises(IssuerUnreachable):
        keys.key("k0", "RS256")
    assert local.asked == 1


def test_the_loop_is_free_while_keys_are_fetched(keys, local):
    """In async mode the issuer is asked by a thread, once for all who wait for it."""

    async def main():
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        busy = asyncio.create_task(others())
        found = await asyncio.gather(*(call(keys.key, "k0", "RS256") for _ in range(8)))
        busy.cancel()
        return len(found), turns

    found, turns = asyncio.run(main())
    assert (found, local.asked) == (8, 1)
    assert turns > 1


def test_one_thread_fetches_at_a_time(keys, local):
    """Many requests that come together ask the issuer once."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.key("k0", "RS256"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert local.asked == 1


@pytest.mark.parametrize(
    "key",
    [
        jwk(0, use="enc"),
        jwk(0, alg="RS512"),
        jwk(0, kty="EC"),
        {**jwk(0), "n": jwk(0)["n"][:170]},
        {**jwk(0), "n": "!!"},
        {"kty": "RSA", "kid": "k0"},
        "k0",
    ],
)
def test_keys_that_do_not_fit_are_no_keys(key):
    """Purpose, algorithm, family and size of a key must fit the token's algorithm."""
    keys = KeySet(
        Issuer(name="corp", issuer="https://id", audience=("api",), jwks=json.dumps({"keys": [key, jwk(1)]}))
    )
    with pytest.raises(Unauthenticated):
        keys.key("k0", "RS256")


def test_a_name_of_a_key_is_a_text():
    """Whatever else a header holds there is refused."""
    keys = KeySet(
        Issuer(name="corp", issuer="https://id", audience=("api",), jwks=json.dumps({"keys": [jwk(0)]}))
    )
    with pytest.raises(Unauthenticated):
        keys.key(["k0"], "RS256")
