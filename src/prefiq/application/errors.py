"""What the tenant directory can refuse; the codes are PFQ37x.

The tree::

    PrefiqError
    ├── TenantHeld             it must not be deleted now
    └── PlacementNotServed     no tenant can be placed that way here
"""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = ["PlacementNotServed", "TenantHeld"]


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
