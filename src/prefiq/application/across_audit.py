"""The record of those who read across tenants: it is stored before they read anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefiq.contracts import (
    FieldError,
    IClock,
    IDomain,
    IDomainService,
    ITransactions,
    ValidationFailed,
    where,
)
from prefiq.foundation.tenants import TenantLife

if TYPE_CHECKING:
    from prefiq.application.application import Application

__all__ = ["EVERY_TENANT", "reads_across", "record_reading"]

EVERY_TENANT = "*"
"""Stands where a tenant's key stands; no tenant can have it."""
ACTION = "across"
REASON = "tenant directory"


def record_reading(app: Application, operator: str, reason: str, request_id: str) -> None:
    """Store that somebody reads across tenants; when it returns it is committed.

    Args:
        app: The application.
        operator: Identifier of the actor.
        reason: Why.
        request_id: Identifier in the logs; empty where there is none.

    Raises:
        prefiq.contracts.ValidationFailed: The reason is empty or too long.
        prefiq.errors.PrefiqError: It could not be stored.
    """
    if not reason.strip():
        raise ValidationFailed("prefiq.TenantLife", (FieldError("reason", "required", "is required"),))
    with app.scope(as_system=REASON, routine=True) as scope, scope[ITransactions].tx():
        entry = TenantLife(
            tenant_key=EVERY_TENANT, at=scope[IClock].now(), action=ACTION, state_after="-", operator=operator,
            reason=reason, details={"request_id": request_id} if request_id else {},
        )  # fmt: skip
        scope[IDomainService[TenantLife]].create(entry)


def reads_across(app: Application) -> list[TenantLife]:
    """Who read across tenants, when and why, oldest first."""
    with app.scope(as_system=REASON, routine=True) as scope:
        found = scope[IDomain[TenantLife]].stream(where(tenant_key=EVERY_TENANT))
        return sorted((one for batch in found for one in batch), key=lambda one: (one.at, one.id))
