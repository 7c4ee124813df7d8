"""The end of a tenant: a time of grace, then its rows go from every table, and a receipt stays.

Each step is committed before the next begins, and can be taken again: where a process died, the next call goes
on.  From the first row that goes there is no way back, which the tenant's ``purging_since`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from prefiq.application import tenant_places as places
from prefiq.application.errors import TenantHeld
from prefiq.contracts import IClock, IDomain, IDomainService, ITransactions, where
from prefiq.foundation.tenants import Tenant, TenantDomain, TenantMode, TenantState

if TYPE_CHECKING:
    from prefiq.application.tenants import Tenants

__all__ = ["GRACE", "REMAINS", "Deletion", "check_free", "delete", "planned", "tell_nobody"]

GRACE = timedelta(days=30)
MOST_PASSES = 5
"""Work that had begun before the tenant was closed may write while its rows go; more passes find that."""
REMAINS = (
    "backups, archives of logs and copies of the database that were made before: they hold the rows until they expire",
    "exports that were handed out",
    "the directory's entry and life: key, states, operators and reasons",
)
"""What a receipt says of what is not deleted."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """How far the deletion of a tenant is.

    Args:
        tenant: As it is now.
        rows: Table → rows that went, or that wait to go.
        receipt: What was written into its life at the end; empty until then.
    """

    tenant: Tenant
    rows: Mapping[str, int]
    receipt: Mapping[str, Any] = field(default_factory=dict)


def tell_nobody(table: str, rows: int, /) -> None:
    """Nothing is told of rows that go."""


def check_free(tenant: Tenant, now: datetime) -> None:
    """Go on only if the tenant may be deleted.

    Raises:
        TenantHeld: It may not.
    """
    until = tenant.retain_until
    retained = until.date().isoformat() if until is not None and until > now else ""
    if tenant.hold or retained:
        raise TenantHeld(tenant.key, tenant.hold, retained)


def delete(
    tenants: Tenants,
    key: str,
    *,
    now: bool,
    grace: timedelta,
    operator: str,
    reason: str,
    report: Callable[[str, int], None],
) -> Deletion:
    """See ``Tenants.delete``."""
    tenant, is_due = _begin(tenants, key, timedelta(0) if now else grace, operator, reason, now=now)
    if tenant.state is TenantState.GONE:
        return _sweep(tenants, tenant, operator, reason, report)
    rows = places.count_rows(tenants.app, tenant)
    if not is_due:
        return Deletion(tenant, rows)
    tenant, rows = _begin_purge(tenants, key, rows, operator, reason)
    _purge(tenants, tenant, report)
    return _finish(tenants, key, rows, operator, reason)


def planned(tenants: Tenants, key: str, *, now: bool, grace: timedelta) -> Deletion:
    """See ``Tenants.planned_deletion``."""
    with tenants.app.scope(as_system=tenants.REASON, routine=True) as scope:
        tenant, time = tenants.stored(scope, key), scope[IClock].now()
    if tenant.state is not TenantState.GONE:
        check_free(tenant, time)
        if tenant.state is not TenantState.DELETING:
            tenant.delete_after = time + grace
            Tenant.begin_deletion.apply(tenant)
        if now or (tenant.delete_after is not None and tenant.delete_after <= time):
            Tenant.finish_deletion.apply(tenant)
    return Deletion(tenant, places.count_rows(tenants.app, tenant))


def _begin(
    tenants: Tenants, key: str, grace: timedelta, operator: str, reason: str, *, now: bool
) -> tuple[Tenant, bool]:
    """Close the tenant, unless it is closed; whether its rows may go."""
    with tenants.changing() as scope, scope[ITransactions].tx():
        tenant, time = tenants.stored(scope, key), scope[IClock].now()
        if tenant.state is TenantState.GONE:
            return tenant, True
        check_free(tenant, time)
        if tenant.state is TenantState.DELETING:
            return tenant, now or (tenant.delete_after is not None and tenant.delete_after <= time)
        before = tenant.state.value
        tenant.state_since, tenant.delete_after = time, time + grace
        scope[IDomainService[Tenant]].run(Tenant.begin_deletion, tenant)
        details = {"delete_after": tenant.delete_after.isoformat()}
        tenants.record(scope, tenant, "delete", before, operator, reason, details)
    tenants.settle(key)
    return tenant, not grace


def _begin_purge(
    tenants: Tenants, key: str, rows: dict[str, int], operator: str, reason: str
) -> tuple[Tenant, dict[str, int]]:
    """Close the way back; what was counted when that was first done."""
    with tenants.changing() as scope, scope[ITransactions].tx():
        tenant, time = tenants.stored(scope, key), scope[IClock].now()
        check_free(tenant, time)  # a hold may have come since
        if tenant.purging_since is not None:
            first = next(one for one in reversed(tenants.life(key)) if one.action == "purge")
            return tenant, first.details["rows"]
        tenant.purging_since = time
        scope[IDomainService[Tenant]].update(tenant)
        tenants.record(scope, tenant, "purge", tenant.state.value, operator, reason, {"rows": rows})
    return tenant, rows


def _purge(tenants: Tenants, tenant: Tenant, report: Callable[[str, int], None]) -> None:
    places.unprovision(tenants.app, tenant)
    for _ in range(MOST_PASSES if tenant.mode is TenantMode.ROW else 0):
        places.delete_rows(tenants.app, tenant, report)
        if not places.count_rows(tenants.app, tenant):
            break


def _finish(tenants: Tenants, key: str, rows: dict[str, int], operator: str, reason: str) -> Deletion:
    with tenants.changing() as scope, scope[ITransactions].tx():
        tenant, time = tenants.stored(scope, key), scope[IClock].now()
        if tenant.state is TenantState.GONE:  # another process was faster
            return Deletion(tenant, rows)
        domains = scope[IDomain[TenantDomain]]
        names = [one for batch in domains.stream(where(tenant_key=key)) for one in batch]
        for domain in names:
            domains.delete(domain)
        receipt = {
            "rows": rows,
            "total": sum(rows.values()),
            "began": tenant.purging_since.isoformat() if tenant.purging_since else "",
            "finished": time.isoformat(),
            "mode": tenant.mode.value,
            "domains": [domain.host for domain in names],
            "remains": list(REMAINS),
        }
        before = tenant.state.value
        tenant.state_since, tenant.name = time, key  # a name may be a person's
        scope[IDomainService[Tenant]].run(Tenant.finish_deletion, tenant)
        tenants.record(scope, tenant, "gone", before, operator, reason, receipt)
    return Deletion(tenant, rows, receipt)


def _sweep(
    tenants: Tenants, tenant: Tenant, operator: str, reason: str, report: Callable[[str, int], None]
) -> Deletion:
    """Rows that came back after the end: a job that had begun before, a restored table."""
    rows = places.count_rows(tenants.app, tenant) if tenant.mode.value == "row" else {}
    if not rows:
        return Deletion(tenant, {})
    places.delete_rows(tenants.app, tenant, report)
    with tenants.changing() as scope, scope[ITransactions].tx():
        receipt = {"rows": rows, "total": sum(rows.values()), "remains": list(REMAINS)}
        tenants.record(scope, tenant, "sweep", tenant.state.value, operator, reason, receipt)
    return Deletion(tenant, rows, receipt)
