from __future__ import annotations

import pytest

from prefiq.contracts import Across, Bound, Placement, Scope, System, TenantNotBound
from prefiq.foundation.tenant_context import ScopeTenant


def test_tells_tenant_and_placement_of_the_scope():
    """Handed to services by constructor."""
    context = ScopeTenant(Scope(Bound("acme", Placement("single")), resolve=lambda *_: None))
    assert context.tenant == "acme"
    assert context.placement == Placement("single")


@pytest.mark.parametrize("tenancy", [System("seeds"), Across("report")])
def test_fails_where_there_is_no_tenant(tenancy):
    """Neither has one, and neither is guessed."""
    context = ScopeTenant(Scope(tenancy, resolve=lambda *_: None))
    with pytest.raises(TenantNotBound):
        context.tenant  # noqa: B018
    with pytest.raises(TenantNotBound):
        context.placement  # noqa: B018
