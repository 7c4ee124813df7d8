"""``ITenantContext`` from the scope."""

from __future__ import annotations

from prefiq.contracts import Bound, Placement, Scope, TenantNotBound

__all__ = ["ScopeTenant"]


class ScopeTenant:
    """The tenant that the current scope is bound to.

    Args:
        scope: Of the request, job or command.
    """

    def __init__(self, scope: Scope) -> None:
        self._tenancy = scope.tenancy

    @property
    def tenant(self) -> str:
        """The tenant's key; raises ``TenantNotBound`` where there is none."""
        return self._bound.tenant

    @property
    def read_only(self) -> bool:
        """Whether nothing of it may be changed now."""
        return isinstance(self._tenancy, Bound) and self._tenancy.read_only

    @property
    def placement(self) -> Placement:
        """Where its rows stand; raises ``TenantNotBound`` where there is none."""
        return self._bound.placement

    @property
    def _bound(self) -> Bound:
        if not isinstance(self._tenancy, Bound):
            raise TenantNotBound
        return self._tenancy
