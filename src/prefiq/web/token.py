"""``make_token``: a token for trying things out; in production tokens come from an issuer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jwt

from prefiq.web.auth import OWN_ALGORITHM, OWN_ISSUER
from prefiq.web.errors import TokenNotMade

if TYPE_CHECKING:
    from prefiq.settings import Settings

__all__ = ["make_token"]


def make_token(
    settings: Settings,
    tenant: str,
    actor: str = "developer",
    permissions: Sequence[str] = ("*",),
    seconds: int = 3600,
    *,
    name: str = "",
) -> str:
    """A signed token of the application itself.

    Args:
        settings: Whose first key signs.
        tenant: Key of the tenant that it is good for.
        actor: Who it speaks for.
        permissions: Patterns, for example ``"projects.*"``.
        seconds: How long it lives.
        name: What people call the actor.

    Raises:
        TokenNotMade: In production, or where the application has no key.
    """
    if settings.is_production:
        raise TokenNotMade(
            "No token is made in production",
            "let an issuer of [issuers] make them; this command is for development",
        )
    if not settings.jwt_keys:
        raise TokenNotMade("There is no key to sign with", "set JWT_SECRET_KEY to at least 32 random bytes")
    now = int(time.time())
    claims = {
        "iss": OWN_ISSUER,
        "aud": OWN_ISSUER,
        "sub": actor,
        "tenant": tenant,
        "scope": " ".join(permissions),
        "iat": now,
        "exp": now + seconds,
    }
    if name:
        claims["name"] = name
    return jwt.encode(claims, settings.jwt_keys[0].reveal(), algorithm=OWN_ALGORITHM)
