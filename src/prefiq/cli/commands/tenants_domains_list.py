"""``prefiq tenants domains list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_domain_options import domain_data
from prefiq.cli.tenant_options import many_tenants

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("list")
@click.argument("key")
@pass_session
def command(session: Session, key: str) -> None:
    """List the hosts of a tenant, verified or not.

    With the DNS record that proves each.
    """
    from prefiq.cli.output import print_table

    many_tenants(session)

    def work(app: Application) -> list[dict[str, Any]]:
        return [domain_data(app, domain) for domain in app.tenants.domains.list(key)]

    data = session.run(work)

    def show() -> None:
        cells = [
            (
                one["host"],
                f"{one['verified_at']:%Y-%m-%d}" if one["verified_at"] is not None else "no",
                one["record"]["name"],
                one["record"]["value"],
            )
            for one in data
        ]
        print_table(("host", "verified", "TXT record", "value"), cells, empty=f"No hosts of {key}'s own")

    session.answer(data, show)
