"""Host names that lead to tenants: verified ones alone, and remembered as briefly as a tenant is."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from prefiq.contracts import IDomain
from prefiq.foundation.tenants import TenantDomain

if TYPE_CHECKING:
    from prefiq.application.application import Application

__all__ = ["Domains"]

MOST_REMEMBERED = 10_000


class Domains:
    """What the directory knows of host names.

    Args:
        app: Whose directory.
        reason: Of the scopes that look into it.
        seconds: For how long an answer counts, also one that there is none.
    """

    def __init__(self, app: Application, reason: str, seconds: float) -> None:
        self._app = app
        self._reason = reason
        self._seconds = seconds
        self._known: dict[str, tuple[str | None, float]] = {}
        self._lock = threading.Lock()

    def tenant_of(self, host: str) -> str | None:
        """Key of the tenant that a host leads to; None where it is nobody's, or not verified."""
        known = self._known.get(host)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        now = time.monotonic()  # before the question: an answer is never older than it is taken for
        with self._app.scope(as_system=self._reason, routine=True) as scope:
            found = scope[IDomain[TenantDomain]].get_by("host", host)
        key = found.tenant_key if found is not None and found.verified_at is not None else None
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[host] = (key, now + self._seconds)
        return key
