"""What the commands behind ``prefiq tenants domains`` have in common: the data of a domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.foundation import TenantDomain

__all__ = ["domain_data", "tell_record", "tell_use"]


def domain_data(app: Application, domain: TenantDomain, *, proof: bool = True) -> dict[str, Any]:
    """A domain as ``--json`` prints it.

    Args:
        app: Whose it is.
        domain: The domain.
        proof: Whether its record is known; one that is not stored has none yet.
    """
    from prefiq.application.domain_proof import record_of

    record = record_of(domain)
    return {
        "tenant": domain.tenant_key,
        "host": domain.host,
        "verified_at": domain.verified_at,
        "record": {"type": "TXT", "name": record.name, "value": record.value if proof else None},
        "hosts_count": bool(app.settings.tenant_domain),
    }


def tell_record(data: dict[str, Any]) -> None:
    """Print what to set in DNS."""
    click.echo(f"type   {data['record']['type']}")
    click.echo(f"name   {data['record']['name']}")
    click.echo(f"value  {data['record']['value']}")


def tell_use(data: dict[str, Any]) -> None:
    """Say so where a domain leads nowhere, because hosts do not count."""
    if not data["hosts_count"]:
        click.echo("Hosts do not count here: it leads to the tenant once TENANT_DOMAIN is set")
