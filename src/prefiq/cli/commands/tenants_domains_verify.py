"""``prefiq tenants domains verify``."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_domain_options import domain_data, tell_use
from prefiq.cli.tenant_options import dry_run, many_tenants, recorded

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]

HIGHEST_PORT = 65_535


class Server(click.ParamType[tuple[str, int]]):
    """A DNS server: its address, and its port where that is not 53."""

    name = "ADDRESS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """See click."""
        if isinstance(value, tuple):
            return value
        address, port = value, "53"
        if value.startswith("["):
            address, _, port = value[1:].partition("]")
            port = port.removeprefix(":") or "53"
        elif value.count(":") == 1:
            address, _, port = value.partition(":")
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            self.fail("a server is written as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353", param, ctx)
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= HIGHEST_PORT):
            self.fail(f"a port is a number from 1 to {HIGHEST_PORT}", param, ctx)
        return str(found), int(port)


@click.command("verify")
@click.argument("key")
@click.argument("host")
@click.option(
    "--confirmed",
    is_flag=True,
    help="It was proved by other means, which --reason tells; DNS is not asked.",
)
@click.option(
    "--nameserver",
    type=Server(),
    help="Ask this DNS server, in place of those that the machine uses.",
)
@recorded
@dry_run
@pass_session
def command(
    session: Session,
    key: str,
    host: str,
    *,
    confirmed: bool,
    nameserver: tuple[str, int] | None,
    operator: str,
    reason: str,
    dry_run: bool,
) -> None:
    """Let a host lead to its tenant, once DNS has the record that proves it.

    prefiq tenants domains add prints the record.  Needs prefiq[dns], unless it is --confirmed.
    """
    many_tenants(session)
    if confirmed and not reason.strip():
        raise click.UsageError("Missing option '--reason': say how it was confirmed.")
    if confirmed and nameserver is not None:
        raise click.UsageError("--confirmed asks no DNS server; leave out --nameserver.")

    def work(app: Application) -> dict[str, Any]:
        domains = app.tenants.domains
        if dry_run:
            found = domains.proved(key, host, confirmed=confirmed, nameserver=nameserver, reason=reason)
            return domain_data(app, found)
        done = domains.verify(
            key, host, confirmed=confirmed, nameserver=nameserver, operator=operator, reason=reason
        )
        return domain_data(app, done)

    with needs_extra("dns"):
        data = session.run(work)

    def show() -> None:
        if dry_run:
            click.echo(f"{data['host']} would lead to {key}: it is {'confirmed' if confirmed else 'proved'}")
        else:
            click.echo(f"{data['host']} is verified for {key}, in effect everywhere")
        tell_use(data)

    session.answer({**data, "dry_run": dry_run}, show)
