"""``prefiq token``."""

from __future__ import annotations

import re

import click

from prefiq.cli.errors import OnlyInDevelopment
from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session

__all__ = ["command", "seconds_of"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST = 366 * 86_400


@click.command("token")
@click.option("--tenant", metavar="KEY", help="The tenant; needed unless the application has one only.")
@click.option(
    "--permissions",
    metavar="PATTERNS",
    default="*",
    show_default=True,
    help="What the bearer may do, with commas or spaces between: projects.*,masters.country.read.",
)
@click.option("--actor", metavar="ID", default="developer", show_default=True, help="Who the bearer is.")
@click.option(
    "--expires", metavar="TIME", default="1h", show_default=True, help="How long it lives: 90s, 15m, 8h, 30d."
)
@pass_session
def command(session: Session, tenant: str | None, permissions: str, actor: str, expires: str) -> None:
    """Make a token for trying the API; not in production.

    The token alone goes to stdout: TOKEN=$(prefiq token --tenant acme).  In production tokens come from an
    issuer that prefiq.toml declares.
    """
    seconds = seconds_of(expires)
    patterns = [word for word in re.split(r"[,\s]+", permissions) if word]
    settings = session.settings()
    if settings.is_production:
        raise OnlyInDevelopment(
            "prefiq token", "declare the issuer of your tokens: [issuers] in prefiq.toml, or JWT_ISSUERS"
        )
    if settings.tenancy == "single":
        if tenant not in {None, settings.tenant}:
            raise click.UsageError(f"With TENANCY=single there is one tenant: {settings.tenant}.")
        tenant = settings.tenant
    if not tenant:
        raise click.UsageError("Missing option '--tenant'.")
    with needs_extra("server"):
        from prefiq.web import make_token
    token = make_token(settings, tenant, actor, patterns, seconds)
    data = {"token": token, "tenant": tenant, "actor": actor, "permissions": patterns, "seconds": seconds}
    session.answer(data, lambda: click.echo(token))


def seconds_of(text: str) -> int:
    """Seconds of ``90s``, ``15m``, ``8h`` or ``30d``.

    Raises:
        click.UsageError: The text is none of these, or more than a year.
    """
    match = re.fullmatch(r"([1-9]\d{0,8})([smhd]?)", text.strip())
    if match is None:
        raise click.UsageError("Invalid value for '--expires': a number and s, m, h or d, such as 15m.")
    seconds = int(match[1]) * _UNITS[match[2] or "s"]
    if seconds > _LONGEST:
        raise click.UsageError("Invalid value for '--expires': at most 366d.")
    return seconds
