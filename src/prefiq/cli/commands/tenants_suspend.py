"""``prefiq tenants suspend``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import change, dry_run, recorded

__all__ = ["command"]


@click.command("suspend")
@click.argument("key")
@recorded
@dry_run
@pass_session
def command(session: Session, key: str, *, operator: str, reason: str, dry_run: bool) -> None:
    """Serve a tenant no more; its rows stay.

    It is answered like one that does not exist.  prefiq tenants resume serves it again.
    """
    from prefiq.foundation import Tenant

    change(
        session,
        key,
        "suspend",
        Tenant.suspend,
        "not served any more",
        dry_run=dry_run,
        operator=operator,
        reason=reason,
    )
