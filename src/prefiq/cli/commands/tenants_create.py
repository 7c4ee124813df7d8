"""``prefiq tenants create``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prefiq.cli.errors import SingleTenant
from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.foundation.tenants import Tenant

__all__ = ["command"]


@click.command("create")
@click.argument("key")
@click.option("--name", default="", help="What people call it; the key where left out.")
@pass_session
def command(session: Session, key: str, name: str) -> None:
    """Create a tenant and fill it with the seeds.

    KEY stands in tokens and never changes: lower-case letters, digits and hyphens, at most 63.  A seed that
    fails leaves the tenant as it is; prefiq run migrate runs what is missing.
    """
    settings = session.settings()
    if settings.tenancy == "single":
        raise SingleTenant(settings.tenant)
    tenant, seeds = session.run(_create, session, key, name)
    data = {"key": tenant.key, "name": tenant.name, "state": tenant.state.value, "seeds": seeds}
    session.answer(data, lambda: click.echo(f"Created the tenant {tenant.key}; {len(seeds)} seeds ran"))


def _create(app: Application, session: Session, key: str, name: str) -> tuple[Tenant, list[dict[str, str]]]:
    from prefiq.cli.database_state import check_at_head, run_seeds
    from prefiq.cli.progress import progress

    check_at_head(app)
    tenant = app.tenants.create(key, name)
    with progress(session) as report:
        return tenant, run_seeds(app, [key], report)
