"""Who asks: bearer tokens (JWT), verified as RFC 8725 wants it, and remembered for at most 30 seconds."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from prefiq.contracts import Actor
from prefiq.lowcode.values import BadValue, clean_text
from prefiq.web.errors import TenantRefused, Unauthenticated
from prefiq.web.key_set import KeySet

if TYPE_CHECKING:
    from prefiq.settings import Issuer, Settings

__all__ = ["OWN_ALGORITHM", "OWN_ISSUER", "IAuthenticator", "Identity", "TokenAuthenticator", "bearer_token"]

OWN_ISSUER = "prefiq"
OWN_ALGORITHM = "HS256"
TOKEN_LIMIT = 8192
LEEWAY = 60
LONGEST_LIFE = 366 * 86_400
REMEMBERED_SECONDS = 30.0
MOST_REMEMBERED = 10_000
MOST_PERMISSIONS = 1000
LONGEST_ACTOR = 190
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class Identity:
    """What a credential proves.

    Args:
        actor: Who it is, and what they may do.
        tenants: The tenants it is good for.
        default: The one of them that is meant where the request names none; empty where it must name one.
        expires: Unix time after which it proves nothing.
    """

    actor: Actor
    tenants: tuple[str, ...]
    default: str
    expires: float

    def tenant(self, wanted: bytes | None) -> str:
        """The tenant of a request.

        Args:
            wanted: The header field ``Prefiq-Tenant``, or None.

        Raises:
            TenantRefused: It is not one of the credential's, or none is named where one must be.
        """
        if wanted is None:
            if self.default:
                return self.default
        else:
            key = wanted.decode("latin-1")
            if key in self.tenants:
                return key
        raise TenantRefused


class IAuthenticator(Protocol):
    """Turns a bearer token into an identity; bind another one to bring sessions or API keys."""

    def recall(self, token: bytes, /) -> Identity | None:
        """The identity of a token that was verified a moment ago, or None.  It runs on the event loop: it must not block."""
        ...

    def authenticate(self, token: bytes, /) -> Identity:
        """The identity of a token.

        It runs where use cases run: in a thread, where it may block, or with ``DB_MODE=async`` in the bridge,
        where it may use the database, and everything else that blocks goes through ``prefiq.web.in_thread``.

        Raises:
            Unauthenticated: The token is not accepted.
        """
        ...


def bearer_token(authorization: bytes | None) -> bytes:
    """The token of a header field ``Authorization``.

    Raises:
        Unauthenticated: There is none, or it cannot be one.

    Source: RFC 6750, section 2.1.
    """
    if authorization is None:
        raise Unauthenticated("no Authorization header", given=False)
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthenticated("another scheme than Bearer", given=False)
    token = token.strip(b" ")
    if not token or len(token) > TOKEN_LIMIT:
        raise Unauthenticated("an empty or overlong token")
    return token


class TokenAuthenticator:
    """The JWTs that an application accepts: its own, and those of declared issuers.

    Args:
        keys: Secrets of its own tokens (HS256); the first signs, all verify.
        issuers: Outside issuers.
        tenant: The one tenant of an installation with ``TENANCY=single``, else empty.
        clock: Monotonic seconds, for what is remembered.
    """

    def __init__(
        self,
        keys: Sequence[str],
        issuers: Sequence[Issuer] = (),
        *,
        tenant: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for key in keys:
            if len(key.encode()) < 32:  # RFC 7518, section 3.2; PyJWT only warns
                raise ValueError("a key of HS256 tokens needs at least 32 bytes")
        self._keys = tuple(keys)
        self._issuers = {issuer.issuer: (issuer, KeySet(issuer, clock=clock)) for issuer in issuers}
        self._tenant = tenant
        self._clock = clock
        self._remembered: dict[bytes, tuple[Identity, float]] = {}

    @classmethod
    def of(cls, settings: Settings) -> TokenAuthenticator:
        """The one that an application's settings describe."""
        return cls([key.reveal() for key in settings.jwt_keys], settings.issuers, tenant=settings.tenant)

    def recall(self, token: bytes, /) -> Identity | None:
        """See ``IAuthenticator``."""
        found = self._remembered.get(sha256(token).digest())
        return found[0] if found is not None and found[1] > self._clock() else None

    def authenticate(self, token: bytes, /) -> Identity:
        """See ``IAuthenticator``."""
        identity = self._verify(token)
        life = min(REMEMBERED_SECONDS, identity.expires + LEEWAY - time.time())
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[sha256(token).digest()] = (identity, self._clock() + life)
        return identity

    def _verify(self, token: bytes) -> Identity:
        header, payload = _unverified(token)
        algorithm = header.get("alg")
        if algorithm == OWN_ALGORITHM:
            return self._own(self._decode_own(token, header))
        found = self._issuers.get(str(payload.get("iss")))
        if found is None:
            raise Unauthenticated("no issuer of this name, or an algorithm that is not its")
        issuer, key_set = found
        if algorithm not in issuer.algorithms:
            raise Unauthenticated(f"an algorithm that issuer {issuer.name} does not use")
        key = key_set.key(header.get("kid"), algorithm)
        claims = _decode(token, key, algorithm, audience=issuer.audience, issuer=issuer.issuer)
        return self._outside(issuer, claims)

    def _decode_own(self, token: bytes, header: Mapping[str, Any]) -> Mapping[str, Any]:
        del header
        error = Unauthenticated("the application has no key of its own")
        for key in self._keys:
            try:
                return _decode(token, key, OWN_ALGORITHM, audience=(OWN_ISSUER,), issuer=OWN_ISSUER, own=True)
            except Unauthenticated as refused:
                error = refused
        raise error

    def _own(self, claims: Mapping[str, Any]) -> Identity:
        default = claims.get("tenant")
        listed = claims.get("tenants", [])
        if not isinstance(default, str | None) or not _is_texts(listed):
            raise Unauthenticated("a tenant that is not a text")
        actor = Actor(claims["sub"], _permissions(claims.get("scope", "")), _name(claims.get("name")))
        return self._identity(actor, default or "", tuple(listed), claims)

    def _outside(self, issuer: Issuer, claims: Mapping[str, Any]) -> Identity:
        wanted = issuer.claims
        subject = claim(claims, wanted.actor)
        tenants = claim(claims, wanted.tenants)
        if not _is_actor(subject):
            raise Unauthenticated(f"issuer {issuer.name}: {wanted.actor} names nobody that can be recorded")
        tenants = [tenants] if isinstance(tenants, str) else tenants or []
        if not _is_texts(tenants):
            raise Unauthenticated(f"issuer {issuer.name}: {wanted.tenants} is not a list of texts")
        # A subject is unique for its issuer only: two issuers must not be able to speak for one person.
        actor = Actor(
            f"{issuer.name}:{subject}",
            _permissions(claim(claims, wanted.scopes)),
            _name(claim(claims, wanted.name)),
        )
        return self._identity(actor, "", tuple(tenants), claims)

    def _identity(
        self, actor: Actor, default: str, tenants: tuple[str, ...], claims: Mapping[str, Any]
    ) -> Identity:
        if default and default not in tenants:
            tenants = (default, *tenants)
        if self._tenant:  # one tenant: a token need not name it, and cannot name another
            if tenants and self._tenant not in tenants:
                raise TenantRefused
            tenants = (self._tenant,)
        if not default or self._tenant:
            default = tenants[0] if len(tenants) == 1 else ""
        return Identity(actor, tenants, default, float(claims["exp"]))


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """The value of a claim; one inside another is written with a dot.  A claim of exactly that name comes first."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _unverified(token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims as they stand, to choose a key by; nothing else may rely on them."""
    parts = token.split(b".")
    if len(parts) != 3:
        raise Unauthenticated("not a signed token of three parts")
    header, payload = (_json_part(part) for part in parts[:2])
    for member in ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"):
        # A key that the token brings along proves nothing; and what is critical is not understood here.
        if member in header:
            raise Unauthenticated(f"the header has {member}")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise Unauthenticated("a token of another type")
    return header, payload


def _json_part(part: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise Unauthenticated("a part is not JSON") from None
    if not isinstance(value, dict):
        raise Unauthenticated("a part is not an object")
    return value


def _decode(
    token: bytes, key: Any, algorithm: str, *, audience: Sequence[str], issuer: str, own: bool = False
) -> Mapping[str, Any]:
    required = ["exp", "sub"] if own else ["exp", "iss", "aud"]
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            leeway=LEEWAY,
            options={"require": required, "verify_aud": False, "verify_iss": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise Unauthenticated(type(error).__name__) from None
    _check_claims(claims, audience, issuer, own=own)
    return claims


def _check_claims(claims: Mapping[str, Any], audience: Sequence[str], issuer: str, *, own: bool) -> None:
    # Our own tokens may leave out issuer and audience, but not name others: a secret shared with another
    # program must not make its tokens ours.
    if claims.get("iss", issuer if own else None) != issuer:
        raise Unauthenticated("another issuer")
    given = claims.get("aud", list(audience) if own else [])
    given = [given] if isinstance(given, str) else given
    if not _is_texts(given) or not set(given) & set(audience):
        raise Unauthenticated("another audience")
    if own and not _is_actor(claims["sub"]):
        raise Unauthenticated("a subject that names nobody that can be recorded")
    if not isinstance(claims["exp"], int | float) or claims["exp"] > time.time() + LONGEST_LIFE:
        raise Unauthenticated("it lives longer than a year")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _permissions(scope: Any) -> tuple[str, ...]:
    """Permission patterns of a claim: a text with spaces between them (RFC 8693, section 4.2), or a list."""
    patterns = scope.split(" ") if isinstance(scope, str) else scope
    if not isinstance(patterns, list):
        return ()
    return tuple(p for p in patterns if isinstance(p, str) and p)[:MOST_PERMISSIONS]


def _is_actor(value: Any) -> bool:
    """Whether the history can hold it beside the name of an issuer."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ACTOR and value.isprintable()


def _name(value: Any) -> str:
    # People choose it themselves: one that cannot be stored is left out, nobody is refused for it.
    try:
        return clean_text(value) if isinstance(value, str) and len(value) <= LONGEST_ACTOR else ""
    except BadValue:
        return ""
