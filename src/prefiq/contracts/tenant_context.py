"""``ITenantContext``: the current tenant, handed to services by constructor."""

from __future__ import annotations

from typing import Protocol

from prefiq.contracts.scope import Placement

__all__ = ["ITenantContext"]


class ITenantContext(Protocol):
    """The tenant that the current scope belongs to."""

    @property
    def tenant(self) -> str:
        """The tenant's key.

        Raises:
            prefiq.contracts.errors.TenantNotBound: The scope belongs to no tenant.
        """
        ...

    @property
    def read_only(self) -> bool:
        """Whether nothing of the tenant may be changed now."""
        ...

    @property
    def placement(self) -> Placement:
        """Where the tenant's rows stand."""
        ...
