"""``prefiq tenants create``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import dry_run, many_tenants, recorded, tenant_data

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("create")
@click.argument("key")
@click.option("--name", default="", help="What people call it; the key where left out.")
@click.option(
    "--mode",
    type=click.Choice(("row", "schema", "database")),
    help="How its rows are kept apart; as TENANCY says where left out.",
)
@recorded
@dry_run
@pass_session
def command(
    session: Session,
    key: str,
    name: str,
    *,
    mode: str | None,
    operator: str,
    reason: str,
    dry_run: bool,
) -> None:
    """Create a tenant and fill it with the seeds.

    KEY stands in tokens and never changes: lower-case letters, digits and hyphens, at most 63.  Where this
    broke off before, it goes on.  A seed that fails leaves the tenant as it is; prefiq run migrate runs what
    is missing.
    """
    many_tenants(session)
    data = session.run(_create, session, key, name, mode, operator, reason, dry_run)

    def show() -> None:
        if dry_run:
            click.echo(f"Would create the tenant {key}, by {data['mode']}")
        else:
            click.echo(f"Created the tenant {key}; {len(data['seeds'])} seeds ran")

    session.answer(data, show)


def _create(
    app: Application,
    session: Session,
    key: str,
    name: str,
    mode: str | None,
    operator: str,
    reason: str,
    dry_run: bool,
) -> dict[str, Any]:
    from prefiq.cli.database_state import check_at_head, run_seeds
    from prefiq.cli.progress import progress

    check_at_head(app)
    if dry_run:
        tenant = app.tenants.planned(key, name, mode=mode)
        return {**tenant_data(tenant), "seeds": [], "dry_run": True}
    tenant = app.tenants.create(key, name, mode=mode, operator=operator, reason=reason)
    made = time.monotonic()
    with progress(session) as report:
        seeds = run_seeds(app, [key], report)
    app.tenants.settle(key, made)
    return {**tenant_data(tenant), "seeds": seeds, "dry_run": False}
