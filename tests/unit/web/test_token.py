import jwt
import pytest

from prefiq.settings import Settings
from prefiq.web import TokenAuthenticator, make_token
from prefiq.web.errors import TokenNotMade


def test_a_made_token_is_accepted(tmp_path):
    """The application knows its own tokens."""
    settings = Settings.for_test(tmp_path)
    token = make_token(settings, "acme", "ann", ["projects.*"], 60, name="Ann")
    identity = TokenAuthenticator.of(settings).authenticate(token.encode())
    assert (identity.actor.id, identity.actor.name, identity.default) == ("ann", "Ann", "acme")
    assert identity.actor.permissions == ("projects.*",)


def test_a_made_token_ends(tmp_path):
    """It carries its end, and the purpose that only this application has."""
    settings = Settings.for_test(tmp_path)
    claims = jwt.decode(make_token(settings, "acme", seconds=60), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert (claims["iss"], claims["aud"]) == ("prefiq", "prefiq")


@pytest.mark.parametrize("env", ["production", "staging"])
def test_no_token_is_made_in_production(tmp_path, env):
    """There they come from an issuer, whatever key there is."""
    settings = Settings.for_test(tmp_path, ENV=env, JWT_SECRET_KEY="Zx9-qW3_vB7-mN1_kL5-hG8_fD2-sA4_")
    with pytest.raises(TokenNotMade, match="production"):
        make_token(settings, "acme")


def test_without_a_key_no_token_is_made(tmp_path):
    """There is nothing to sign with."""
    with pytest.raises(TokenNotMade, match="JWT_SECRET_KEY"):
        make_token(Settings.for_test(tmp_path, JWT_SECRET_KEY=None), "acme")
