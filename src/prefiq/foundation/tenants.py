"""The tenant directory: which tenants there are, where their rows stand, and what happened to them.

Shared models like any other, written by the system.  ``prefiq.application.Tenants`` is their service: it
writes the log beside every change, and waits until other processes know of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from prefiq.contracts import Bound, Placement, Refused
from prefiq.foundation.entity import Entity
from prefiq.lowcode import ModelMeta, Status, field, index, now, transition

__all__ = [
    "SERVED",
    "TENANT_KEY",
    "Tenant",
    "TenantDomain",
    "TenantEvent",
    "TenantLife",
    "TenantMode",
    "TenantState",
]

TENANT_KEY = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""What a tenant's key looks like: a DNS label (RFC 1035, section 2.3.1), so that it can be a host name."""


class TenantState(Status):
    """Whether a tenant is served, and what may become of it."""

    PROVISIONING = "provisioning"
    """Its place is being made; ``create`` goes on with it."""
    ACTIVE = "active"
    READ_ONLY = "read_only"
    """Served, but nothing of it can be changed."""
    SUSPENDED = "suspended"
    """Not served; its rows stay."""
    DELETING = "deleting"
    """Not served; its rows go when the time of grace is over."""
    GONE = "gone"
    """Its rows are deleted; the key stays taken, so that nobody else is taken for it."""


SERVED = frozenset({TenantState.ACTIVE, TenantState.READ_ONLY})
"""The states in which requests reach a tenant; in all others it is answered as one that does not exist."""


class TenantMode(StrEnum):
    """How a tenant's rows are kept apart from all others'; see ``prefiq.contracts.Placement``."""

    ROW = "row"
    SCHEMA = "schema"
    DATABASE = "database"


class Tenant(Entity):
    """A customer whose rows are kept apart from all others'."""

    key: str = field(max_length=63, pattern=TENANT_KEY, unique=True)
    name: str = field(max_length=200)
    state: TenantState = field(default=TenantState.PROVISIONING, index=True)
    state_since: datetime = field(default=now, read_only=True)
    mode: TenantMode = field(default=TenantMode.ROW)
    database: str = field(default="default", max_length=63, help="The named database that it stands on")
    hint: str = field(default="", max_length=63, help="Its schema or database; empty in row mode")
    epoch: int = field(default=0, ge=0, help="Counts its moves")
    hold: str = field(default="", max_length=500, help="Why it must not be deleted now; empty where it may")
    retain_until: datetime | None = field(default=None, help="It must not be deleted before")
    delete_after: datetime | None = field(default=None, help="When its rows may go, once it is deleted")
    purging_since: datetime | None = field(default=None, help="Since when rows go: there is no way back")
    created_at: datetime = field(default=now, read_only=True)

    # Every way from one state to another stands here; the store refuses all others.
    activate = transition(TenantState.PROVISIONING, to=TenantState.ACTIVE)
    make_read_only = transition(TenantState.ACTIVE, TenantState.SUSPENDED, to=TenantState.READ_ONLY)
    suspend = transition(TenantState.ACTIVE, TenantState.READ_ONLY, to=TenantState.SUSPENDED)
    begin_deletion = transition(
        TenantState.PROVISIONING,
        TenantState.ACTIVE,
        TenantState.READ_ONLY,
        TenantState.SUSPENDED,
        to=TenantState.DELETING,
    )
    finish_deletion = transition(TenantState.DELETING, to=TenantState.GONE)

    @transition(TenantState.READ_ONLY, TenantState.SUSPENDED, TenantState.DELETING, to=TenantState.ACTIVE)
    def resume(self) -> None:
        """Serve it again; a deletion is called off, unless rows are gone already."""
        if self.purging_since is not None:
            raise Refused("", "some of its rows are deleted already", reason="purging")
        self.delete_after = None

    meta = ModelMeta(label="key", order_by="key", scope="shared", remote=False, audit=False)

    @property
    def bound(self) -> Bound | None:
        """What a scope of this tenant is confined to; None while it is not served."""
        if self.state not in SERVED:
            return None
        return Bound(self.key, self.placement, self.state is TenantState.READ_ONLY)

    @property
    def placement(self) -> Placement:
        """Where its rows stand."""
        return Placement(self.mode.value, self.hint, self.database, self.epoch)


class TenantLife(Entity):
    """One thing that happened to a tenant: never changed, and kept when the tenant is gone."""

    tenant_key: str = field(max_length=63)
    at: datetime
    action: str = field(max_length=40)
    state_before: str = field(default="", max_length=16, help="Empty where it was new")
    state_after: str = field(max_length=16)
    operator: str = field(max_length=255)
    reason: str = field(default="", max_length=500)
    details: dict[str, Any] = field(default_factory=dict, help="Such as the receipt of a deletion")

    meta = ModelMeta(
        title="Tenant's life",
        plural="tenant-life",
        order_by="id",
        indexes=(index("tenant_key", "at"),),
        scope="shared",
        remote=False,
        audit=False,
    )


class TenantDomain(Entity):
    """A host name that leads to a tenant, once it is verified that the tenant may have it."""

    host: str = field(max_length=253, pattern=r"[a-z0-9.-]+", unique=True)
    tenant_key: str = field(max_length=63, pattern=TENANT_KEY, index=True)
    verified_at: datetime | None = field(default=None)

    meta = ModelMeta(label="host", order_by="host", scope="shared", remote=False, audit=False)


@dataclass(frozen=True, slots=True)
class TenantEvent:
    """Something happened to a tenant; published in the transaction that stores it.

    Args:
        tenant: Its key.
        action: ``"create"``, ``"activate"``, ``"suspend"``, ``"resume"``, ``"read_only"``, ``"delete"``, ``"purge"``,
            ``"gone"``, ``"hold"``, ``"release"``, ``"export"``, ``"domain_add"``, ``"domain_verify"`` or
            ``"domain_remove"``.
        before: Its state; empty where it was new.
        after: Its state now.
        operator: Who wanted it.
        reason: Why.
        at: When, in UTC.
    """

    tenant: str
    action: str
    before: str
    after: str
    operator: str
    reason: str
    at: datetime
