"""What the tenant directory can refuse; the codes are PFQ37x.

The tree::

    PrefiqError
    ├── TenantHeld             it must not be deleted now
    ├── PlacementNotServed     no tenant can be placed that way here
    ├── DomainTaken            the host is another tenant's
    ├── UnknownDomain          the tenant has no such host
    └── DomainNotVerified      DNS does not have the record that proves it
"""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = ["DomainNotVerified", "DomainTaken", "PlacementNotServed", "TenantHeld", "UnknownDomain"]


class TenantHeld(PrefiqError):
    """The tenant must not be deleted now: a hold is on it, or a time for which its rows have to be kept.

    Nothing was changed.  Where a deletion has begun, it waits: the rows go when it is asked for again
    afterwards.

    Args:
        tenant: Its key.
        reason: Of the hold; empty where it is the time alone.
        until: The day of that time; empty where it is the hold alone.
    """

    code: ClassVar[str] = "PFQ370"
    status: ClassVar[int] = 409

    def __init__(self, tenant: str, reason: str = "", until: str = "") -> None:
        self.tenant = tenant
        self.reason = reason
        self.until = until
        causes = [f"it is held ({reason})"] if reason else []
        causes += [f"it has to be kept until {until}"] if until else []
        self.what = f"This tenant must not be deleted: {' and '.join(causes)}"
        self.where = f"tenant {tenant}"
        self.fix = f"prefiq tenants release {tenant}, once that is over"


class PlacementNotServed(PrefiqError):
    """A tenant cannot be placed that way in this application.

    Args:
        mode: ``"row"``, ``"schema"`` or ``"database"``.
        reason: Why not.
    """

    code: ClassVar[str] = "PFQ371"
    exit_code: ClassVar[int] = 3
    fix = "place it otherwise: TENANCY=row serves every engine"

    def __init__(self, mode: str, reason: str) -> None:
        self.mode = mode
        self.reason = reason
        self.what = f"No tenant can be placed by {mode} here: {reason}"
        self.where = f"mode {mode}"


class DomainTaken(PrefiqError):
    """A host belongs to one tenant, verified or not, and this one is another's.

    Args:
        host: The host's name.
        tenant: Whose it is.
    """

    code: ClassVar[str] = "PFQ375"
    status: ClassVar[int] = 409

    def __init__(self, host: str, tenant: str) -> None:
        self.host = host
        self.tenant = tenant
        self.what = f"This domain is claimed for another tenant, {tenant}"
        self.where = f"domain {host}"
        self.fix = f"if that is over: prefiq tenants domains remove {tenant} {host}"


class UnknownDomain(PrefiqError):
    """The tenant has no such domain.

    Args:
        host: The host's name.
        tenant: The tenant's key.
    """

    code: ClassVar[str] = "PFQ376"
    status: ClassVar[int] = 404

    def __init__(self, host: str, tenant: str) -> None:
        self.host = host
        self.tenant = tenant
        self.what = f"The tenant {tenant} has no such domain"
        self.where = f"domain {host}"
        self.fix = f"prefiq tenants domains list {tenant} shows those it has; add claims one"


class DomainNotVerified(PrefiqError):
    """DNS does not have the record that proves that a tenant may have the domain; nothing was changed.

    DNS servers remember an answer, also that there is none, for as long as the zone says.

    Args:
        host: The host's name.
        tenant: The tenant's key.
        record: Name of the TXT record.
        value: Its text.
        reason: What DNS said.
    """

    code: ClassVar[str] = "PFQ377"
    status: ClassVar[int] = 409

    def __init__(self, host: str, tenant: str, record: str, value: str, reason: str) -> None:
        self.host = host
        self.tenant = tenant
        self.record = record
        self.value = value
        self.reason = reason
        self.what = f"The domain {host} is not verified: {reason}"
        self.where = f"TXT record {record}"
        self.fix = (
            f'set it to "{value}"; after a change DNS may need a while until '
            f"prefiq tenants domains verify {tenant} {host} sees it"
        )
