"""``prefiq tenants hold``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import Day, dry_run, many_tenants, recorded, tenant_data

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.foundation import Tenant

__all__ = ["command"]


@click.command("hold")
@click.argument("key")
@click.option("--until", type=Day(), help="The day from which it may be deleted; without it, once released.")
@recorded
@dry_run
@pass_session
def command(
    session: Session, key: str, *, until: datetime | None, operator: str, reason: str, dry_run: bool
) -> None:
    """Let nobody delete a tenant; --reason is wanted, and shown to whoever tries.

    It is served as before.  prefiq tenants release ends it, and so does the day that --until names.
    """
    many_tenants(session)
    if not reason.strip():
        raise click.UsageError("Missing option '--reason': say what it is held for.")

    def work(app: Application) -> Tenant:
        if dry_run:
            return app.tenants.get(key)
        return app.tenants.hold(key, reason=reason, until=until, operator=operator)

    tenant = session.run(work)
    end = f"until {until:%Y-%m-%d}" if until is not None else "until it is released"
    session.answer(
        {**tenant_data(tenant), "dry_run": dry_run},
        lambda: click.echo(f"{key} {'would be' if dry_run else 'is'} held {end}"),
    )
