"""``prefiq tenants release``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import dry_run, many_tenants, recorded, tenant_data

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.foundation import Tenant

__all__ = ["command"]


@click.command("release")
@click.argument("key")
@recorded
@dry_run
@pass_session
def command(session: Session, key: str, *, operator: str, reason: str, dry_run: bool) -> None:
    """Let a tenant be deleted again, whatever it was held for.

    A deletion that has begun waits until it is asked for again.
    """
    many_tenants(session)

    def work(app: Application) -> Tenant:
        if dry_run:
            return app.tenants.get(key)
        return app.tenants.release(key, operator=operator, reason=reason)

    tenant = session.run(work)
    session.answer(
        {**tenant_data(tenant), "dry_run": dry_run},
        lambda: click.echo(f"{key} {'would be' if dry_run else 'is'} held no more"),
    )
