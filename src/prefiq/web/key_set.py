"""Public keys of an outside issuer: given in the settings, or fetched, kept, and fetched again when they turn."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jwt

from prefiq.web.errors import IssuerUnreachable, Unauthenticated
from prefiq.web.workers import in_thread

if TYPE_CHECKING:
    from prefiq.settings import Issuer

__all__ = ["KeySet"]

logger = logging.getLogger("prefiq.web")

FRESH_SECONDS = 600.0
USABLE_SECONDS = 86_400.0
PAUSE_SECONDS = 30.0
FETCH_SECONDS = 3.0
SIZE_LIMIT = 256 * 1024
SMALLEST_RSA = 2048

_FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from the declared address, not from wherever it sends us."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class KeySet:
    """The keys of one issuer.  Thread-safe; at most one thread fetches at a time.

    Keys are fetched again after ten minutes, and at once when a token names a key that is not known, but
    never twice within 30 seconds, so that forged tokens cannot make us hammer the issuer.  While the issuer
    cannot be reached, the keys at hand serve for a day.

    Args:
        issuer: Whose.
        clock: Monotonic seconds.
    """

    def __init__(self, issuer: Issuer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: list[Mapping[str, Any]] = _keys_of(issuer.jwks) if issuer.jwks else []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._opener = urllib.request.build_opener(_NoRedirect)

    def key(self, kid: Any, algorithm: str) -> Any:
        """The key that a token's header names.

        Args:
            kid: Its ``kid``; without one, the set must hold exactly one key that fits.
            algorithm: Its ``alg``, which the issuer uses.

        Raises:
            Unauthenticated: There is no such key.
            IssuerUnreachable: There are no keys at all.
        """
        found = self._find(kid, algorithm)
        stale = found is None or self._age() > FRESH_SECONDS
        if self._issuer.jwks_uri and stale and not (self._keys and self._tried_just_now()):
            in_thread(self._refresh)
            found = self._find(kid, algorithm)
        if found is None:
            if not self._keys:
                raise IssuerUnreachable(self._issuer.name)
            raise Unauthenticated(f"issuer {self._issuer.name} has no such key")
        try:
            return jwt.PyJWK(dict(found), algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated(f"a key of issuer {self._issuer.name} cannot be used") from None

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _tried_just_now(self) -> bool:
        return self._clock() - self._tried_at < PAUSE_SECONDS

    def _find(self, kid: Any, algorithm: str) -> Mapping[str, Any] | None:
        if self._issuer.jwks_uri and self._age() > USABLE_SECONDS:
            return None
        fitting = [
            key for key in self._keys if (kid is None or key.get("kid") == kid) and _fits(key, algorithm)
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _refresh(self) -> None:
        # Whoever finds another thread fetching goes on with the keys at hand, unless there are none.
        if not self._lock.acquire(timeout=0 if self._keys else FETCH_SECONDS + 1):
            return
        try:
            if self._tried_just_now():
                return
            self._tried_at = self._clock()
            self._keys = _keys_of(self._fetch())
            self._fetched_at = self._clock()
        except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
            logger.warning("keys of issuer %s cannot be fetched: %s", self._issuer.name, type(error).__name__)
        finally:
            self._lock.release()

    def _fetch(self) -> str:
        # The settings take https addresses alone, and http for this machine.
        request = urllib.request.Request(self._issuer.jwks_uri, headers={"accept": "application/json"})  # noqa: S310
        with self._opener.open(request, timeout=FETCH_SECONDS) as response:
            body: bytes = response.read(SIZE_LIMIT + 1)
        if len(body) > SIZE_LIMIT:
            raise ValueError("the key set is too large")
        return body.decode()


def _keys_of(text: str) -> list[Mapping[str, Any]]:
    """The keys of a JSON Web Key Set.

    Raises:
        ValueError: It is not one.
    """
    parsed = json.loads(text)
    keys = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(keys, list):
        raise ValueError("not a JSON Web Key Set")  # noqa: TRY004  what every bad text raises here
    return [key for key in keys if isinstance(key, dict)]


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is for this algorithm: family, curve, size, purpose (RFC 8725, section 3.1)."""
    if key.get("kty") != _FAMILIES.get(algorithm[:2]) or key.get("use", "sig") != "sig":
        return False
    if key.get("alg", algorithm) != algorithm:
        return False
    if algorithm in _CURVES and key.get("crv") != _CURVES[algorithm]:
        return False
    return key.get("kty") != "RSA" or len(str(key.get("n", ""))) * 6 >= SMALLEST_RSA - 8
