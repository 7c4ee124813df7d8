"""``prefiq tenants domains remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_domain_options import domain_data
from prefiq.cli.tenant_options import dry_run, many_tenants, recorded

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("remove")
@click.argument("key")
@click.argument("host")
@recorded
@dry_run
@pass_session
def command(session: Session, key: str, host: str, *, operator: str, reason: str, dry_run: bool) -> None:
    """Let a host lead to its tenant no more.

    The claim is given up; another tenant may have the host then, once that is proved anew.
    """
    many_tenants(session)

    def work(app: Application) -> dict[str, Any]:
        domains = app.tenants.domains
        if dry_run:
            return domain_data(app, domains.get(key, host))
        return domain_data(app, domains.remove(key, host, operator=operator, reason=reason))

    with needs_extra("dns"):
        data = session.run(work)
    end = "would lead" if dry_run else "leads"
    session.answer(
        {**data, "dry_run": dry_run},
        lambda: click.echo(
            f"{data['host']} {end} to {key} no more" + ("" if dry_run else ", in effect everywhere")
        ),
    )
