"""Host names that lead to tenants: claimed, proved, and remembered as briefly as a tenant is."""

from __future__ import annotations

import builtins
import threading
import time
from typing import TYPE_CHECKING

from prefiq.application.domain_proof import Nameserver, host_name, record_of, what_is_wrong
from prefiq.application.errors import DomainNotVerified, DomainTaken, UnknownDomain
from prefiq.contracts import (
    IClock,
    IDomain,
    IDomainService,
    ITransactions,
    Scope,
    UniqueViolation,
    UnknownTenant,
    where,
)
from prefiq.foundation.tenants import Tenant, TenantDomain, TenantState

if TYPE_CHECKING:
    from prefiq.application.tenants import Tenants

__all__ = ["Domains"]

MOST_REMEMBERED = 10_000


class Domains:
    """The host names of tenants' own.

    One leads to its tenant once it is verified, and where ``TENANT_DOMAIN`` lets hosts count.  What changes one
    stands in the tenant's life.

    Args:
        tenants: The directory that they belong to.
        seconds: For how long an answer counts, also one that there is none.
    """

    def __init__(self, tenants: Tenants, seconds: float) -> None:
        self._tenants = tenants
        self._seconds = seconds
        self._known: dict[str, tuple[str | None, float]] = {}
        self._lock = threading.Lock()

    # ---- what requests ask

    def tenant_of(self, host: str) -> str | None:
        """Key of the tenant that a host leads to; None where it is nobody's, or not verified."""
        known = self._known.get(host)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        now = time.monotonic()  # before the question: an answer is never older than it is taken for
        with self._looking() as scope:
            found = scope[IDomain[TenantDomain]].get_by("host", host)
        key = found.tenant_key if found is not None and found.verified_at is not None else None
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[host] = (key, now + self._seconds)
        return key

    # ---- what operators ask

    def list(self, key: str) -> builtins.list[TenantDomain]:
        """The domains of a tenant, verified or not, by name.

        Raises:
            UnknownTenant: There is none with this key.
        """
        with self._looking() as scope:
            self._tenants.stored(scope, key)
            found = scope[IDomain[TenantDomain]].stream(where(tenant_key=key))
            return sorted((one for batch in found for one in batch), key=lambda one: one.host)

    def get(self, key: str, host: str) -> TenantDomain:
        """A domain of a tenant.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.application.errors.UnknownDomain: The tenant has no such domain.
        """
        with self._looking() as scope:
            return self._stored(scope, key, self._name(host))[1]

    def planned(self, key: str, host: str) -> TenantDomain:
        """The domain that ``add`` would store; nothing is changed.

        Raises:
            As ``add``.
        """
        name = self._name(host)
        with self._looking() as scope:
            return self._claimed(scope, key, name)[1] or TenantDomain(host=name, tenant_key=key)

    def add(self, key: str, host: str, *, operator: str = "", reason: str = "") -> TenantDomain:
        """Claim a host for a tenant; it leads nowhere until it is verified.  Claimed again, it stays as it is.

        Args:
            key: The tenant's.
            host: The name alone, also with letters beyond ASCII (needs ``prefiq[dns]``).
            operator: Who wants it.
            reason: Why.

        Raises:
            UnknownTenant: There is none with this key, or its rows are deleted.
            prefiq.contracts.ValidationFailed: It is no name that a tenant can have.
            prefiq.application.errors.DomainTaken: It is another tenant's.
        """
        name = self._name(host)
        try:
            with self._tenants.changing() as scope, scope[ITransactions].tx():
                tenant, found = self._claimed(scope, key, name)
                if found is not None:
                    return found
                added = TenantDomain(host=name, tenant_key=key)
                scope[IDomainService[TenantDomain]].create(added)
                self._record(scope, tenant, "domain_add", operator, reason, host=name)
                return added
        except UniqueViolation:  # another process was faster
            return self._claimed_before(key, name)

    def verify(
        self,
        key: str,
        host: str,
        *,
        confirmed: bool = False,
        nameserver: Nameserver | None = None,
        operator: str = "",
        reason: str = "",
    ) -> TenantDomain:
        """Let a host lead to its tenant, once DNS has the record that proves the claim.

        When it returns it is in effect in every process.

        Args:
            key: The tenant's.
            host: Its domain.
            confirmed: It was proved by other means; DNS is not asked, and ``reason`` says what these were.
            nameserver: Who is asked; the machine's own resolver where left out.
            operator: Who wants it.
            reason: Why.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.application.errors.UnknownDomain: The tenant has no such domain.
            prefiq.application.errors.DomainNotVerified: The record is not there; nothing was changed.
            prefiq.contracts.ValidationFailed: It is confirmed without a reason.
            ModuleNotFoundError: ``prefiq[dns]`` is not installed.
        """
        name = self._name(host)
        proved = self.proved(key, name, confirmed=confirmed, nameserver=nameserver, reason=reason)
        with self._tenants.changing() as scope, scope[ITransactions].tx():
            tenant, domain = self._stored(scope, key, name)
            if domain.id != proved.id:  # removed and claimed anew while DNS was asked: another claim
                raise UnknownDomain(name, key)
            domain.verified_at = scope[IClock].now()
            scope[IDomainService[TenantDomain]].update(domain)
            how = "confirmed" if confirmed else "dns"
            self._record(scope, tenant, "domain_verify", operator, reason, host=name, how=how)
        self._settle(key, name)
        return domain

    def proved(
        self,
        key: str,
        host: str,
        *,
        confirmed: bool = False,
        nameserver: Nameserver | None = None,
        reason: str = "",
    ) -> TenantDomain:
        """The domain that ``verify`` would verify; nothing is changed.

        Raises:
            As ``verify``.
        """
        from prefiq.application.tenants import no_reason

        domain = self.get(key, host)
        if confirmed:
            if not reason.strip():
                raise no_reason()
            return domain
        record = record_of(domain)
        wrong = what_is_wrong(record, nameserver)
        if wrong:
            raise DomainNotVerified(domain.host, key, record.name, record.value, wrong)
        return domain

    def remove(self, key: str, host: str, *, operator: str = "", reason: str = "") -> TenantDomain:
        """Let a host lead to its tenant no more, and give up the claim.

        When it returns it is in effect in every process.

        Args:
            key: The tenant's.
            host: Its domain.
            operator: Who wants it.
            reason: Why.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.application.errors.UnknownDomain: The tenant has no such domain.
        """
        name = self._name(host)
        with self._tenants.changing() as scope, scope[ITransactions].tx():
            tenant, domain = self._stored(scope, key, name)
            scope[IDomainService[TenantDomain]].delete(domain.id)
            self._record(scope, tenant, "domain_remove", operator, reason, host=name)
        self._settle(key, name)
        return domain

    # ---- inside

    def _looking(self) -> Scope:
        return self._tenants.app.scope(as_system=self._tenants.REASON, routine=True)

    def _name(self, host: str) -> str:
        return host_name(host, self._tenants.app.settings.tenant_domain)

    def _claimed(self, scope: Scope, key: str, name: str) -> tuple[Tenant, TenantDomain | None]:
        tenant = self._tenants.stored(scope, key)
        if tenant.state is TenantState.GONE:
            raise UnknownTenant(key)
        found = scope[IDomain[TenantDomain]].get_by("host", name)
        if found is not None and found.tenant_key != key:
            raise DomainTaken(name, found.tenant_key)
        return tenant, found

    def _claimed_before(self, key: str, name: str) -> TenantDomain:
        with self._looking() as scope:
            found = self._claimed(scope, key, name)[1]
        if found is None:
            raise UnknownDomain(name, key)
        return found

    def _stored(self, scope: Scope, key: str, name: str) -> tuple[Tenant, TenantDomain]:
        tenant = self._tenants.stored(scope, key)
        found = scope[IDomain[TenantDomain]].get_by("host", name)
        if found is None or found.tenant_key != key:
            raise UnknownDomain(name, key)
        return tenant, found

    def _record(
        self, scope: Scope, tenant: Tenant, action: str, operator: str, reason: str, **details: str
    ) -> None:
        self._tenants.record(scope, tenant, action, tenant.state.value, operator, reason, details)

    def _settle(self, key: str, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)
        self._tenants.settle(key)
