"""Cursors: where a list goes on, signed and bound to the tenant, the model, the order and the filters."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from prefiq.settings import Settings

__all__ = ["CursorKeys", "cursor_keys"]

MAC_BYTES = 16

Binding = tuple[str, str, Sequence[str], str]
"""Tenant, model, sort, digest of the filters: what a cursor is good for."""


class CursorKeys:
    """Signs with the first key, verifies with all.

    Args:
        keys: At least one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def seal(self, binding: Binding, after: Sequence[Any]) -> str:
        """The cursor behind a row.

        Args:
            binding: What it is good for.
            after: The row's sort values and id.
        """
        place = msgspec.json.encode(after)
        mac = _mac(self._keys[0], binding, place)
        return base64.urlsafe_b64encode(mac + place).rstrip(b"=").decode()

    def open(self, binding: Binding, cursor: str, types: Any) -> tuple[Any, ...] | None:
        """The place that a cursor names, or None where it is not one for this binding.

        Args:
            binding: What it is wanted for.
            cursor: As the caller sent it.
            types: A tuple type for the sort values and the id.
        """
        try:
            text = cursor.encode("ascii")
            sealed = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            return None
        mac, place = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, binding, place)) for key in self._keys):
            return None
        try:
            decoded: tuple[Any, ...] = msgspec.json.decode(place, type=types)
        except msgspec.DecodeError:  # sealed before the declaration changed
            return None
        return decoded


def _mac(key: bytes, binding: Binding, place: bytes) -> bytes:
    message = msgspec.json.encode((*binding, place))
    return hmac.digest(key, message, "sha256")[:MAC_BYTES]


def cursor_keys(settings: Settings) -> CursorKeys:
    """Keys derived from the application's secrets, alike in every worker.

    An application without any secret (SQLite, and tokens of outside issuers alone) derives them from its
    issuers.  A cursor holds nothing but a place in a list that its reader was shown, and every page is scoped
    and filtered anew: what a forger gains there is a page that starts elsewhere.
    """
    secrets = [key.reveal() for key in settings.jwt_keys] or [
        secret.reveal() for secret in settings.secrets()
    ]
    if not secrets:
        secrets = ["".join(issuer.issuer for issuer in settings.issuers)]
    return CursorKeys(
        [hmac.digest(s.encode("utf-8", "surrogatepass"), b"prefiq cursor 1", hashlib.sha256) for s in secrets]
    )
