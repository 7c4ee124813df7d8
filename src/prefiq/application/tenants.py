"""The tenant directory of an application."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, ClassVar

from prefiq.contracts import IDomain, IDomainService
from prefiq.foundation.tenants import TENANT_KEY, Tenant, TenantState

if TYPE_CHECKING:
    from prefiq.application.application import Application

__all__ = ["Tenants"]

REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000


class Tenants:
    """Creates, lists and knows the tenants; what it knows is remembered for a few seconds.

    Args:
        app: Whose directory.
    """

    REASON: ClassVar[str] = "tenant directory"

    def __init__(self, app: Application) -> None:
        self._app = app
        self._known: dict[str, tuple[bool, float]] = {}
        self._lock = threading.Lock()

    def create(self, key: str, name: str = "") -> Tenant:
        """Add a tenant.

        Args:
            key: Lower-case letters, digits and hyphens, at most 63; it never changes.
            name: For people; the key where empty.

        Raises:
            prefiq.contracts.ValidationFailed: The key is not of that form.
            prefiq.contracts.UniqueViolation: There is one with this key.
        """
        with self._app.scope(as_system=self.REASON) as scope:
            tenant = scope[IDomainService[Tenant]].create(Tenant(key=key, name=name or key))
        with self._lock:
            self._known.pop(key, None)
        return tenant

    def list(self) -> list[Tenant]:
        """All tenants, by key."""
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            return [tenant for batch in scope[IDomain[Tenant]].stream() for tenant in batch]

    def remembered(self, key: str) -> bool | None:
        """Whether a tenant exists and is served, as far as that is known without asking the database; or None."""
        known = self._known.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        return False if re.fullmatch(TENANT_KEY, key) is None else None

    def is_active(self, key: str) -> bool:
        """Whether a tenant exists and is served.  An unknown key costs no query if it cannot be one."""
        known = self.remembered(key)
        if known is not None:
            return known
        now = time.monotonic()
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            tenant = scope[IDomain[Tenant]].get_by("key", key)
        active = tenant is not None and tenant.state is TenantState.ACTIVE
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = (active, now + REMEMBERED_SECONDS)
        return active
