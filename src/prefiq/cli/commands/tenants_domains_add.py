"""``prefiq tenants domains add``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_domain_options import domain_data, tell_record, tell_use
from prefiq.cli.tenant_options import dry_run, many_tenants, recorded

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("add")
@click.argument("key")
@click.argument("host")
@recorded
@dry_run
@pass_session
def command(session: Session, key: str, host: str, *, operator: str, reason: str, dry_run: bool) -> None:
    """Claim a host for a tenant, and print the DNS record that proves it.

    It leads nowhere until prefiq tenants domains verify has found the record.  A host belongs to one tenant.
    Claimed again, it stays as it is, and the record is printed again.
    """
    many_tenants(session)

    def work(app: Application) -> dict[str, Any]:
        domains = app.tenants.domains
        if dry_run:
            known = any(one.host == domains.planned(key, host).host for one in domains.list(key))
            return domain_data(app, domains.planned(key, host), proof=known)
        return domain_data(app, domains.add(key, host, operator=operator, reason=reason))

    with needs_extra("dns"):
        data = session.run(work)

    def show() -> None:
        name = data["host"]
        if dry_run:
            click.echo(f"Would claim {name} for {key}; a record {data['record']['name']} would prove it")
        elif data["verified_at"] is not None:
            click.echo(f"{name} leads to {key} already, verified {data['verified_at']:%Y-%m-%d}")
        else:
            click.echo(f"{name} is claimed for {key}. Set this record in DNS:")
            tell_record(data)
            click.echo(f"Then: prefiq tenants domains verify {key} {name}")
        tell_use(data)

    session.answer({**data, "dry_run": dry_run}, show)
