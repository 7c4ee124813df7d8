"""``prefiq tenants read-only``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import change, dry_run, recorded

__all__ = ["command"]


@click.command("read-only")
@click.argument("key")
@recorded
@dry_run
@pass_session
def command(session: Session, key: str, *, operator: str, reason: str, dry_run: bool) -> None:
    """Show a tenant's rows and refuse every change of them.

    Reading goes on as before; what would write is answered by HTTP 403.  prefiq tenants resume ends it.
    """
    from prefiq.foundation import Tenant

    change(
        session,
        key,
        "read_only",
        Tenant.make_read_only,
        "read-only",
        dry_run=dry_run,
        operator=operator,
        reason=reason,
    )
