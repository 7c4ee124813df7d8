"""The tenant directory: which tenants there are; a shared model like any other, written by the system."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from prefiq.foundation.entity import Entity
from prefiq.lowcode import ModelMeta, field, now

__all__ = ["TENANT_KEY", "Tenant", "TenantState"]

TENANT_KEY = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""What a tenant's key looks like: a DNS label (RFC 1035, section 2.3.1), so that it can be a host name."""


class TenantState(StrEnum):
    """Whether a tenant is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Tenant(Entity):
    """A customer whose rows are kept apart from all others'."""

    key: str = field(max_length=63, pattern=TENANT_KEY, unique=True)
    name: str = field(max_length=200)
    state: TenantState = field(default=TenantState.ACTIVE, index=True)
    created_at: datetime = field(default=now, read_only=True)

    meta = ModelMeta(label="key", order_by="key", scope="shared", remote=False, audit=False)
