"""``prefiq tenants resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import change, dry_run, recorded

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("resume")
@click.argument("key")
@recorded
@dry_run
@pass_session
def command(session: Session, key: str, *, operator: str, reason: str, dry_run: bool) -> None:
    """Serve a tenant again in full, whatever kept it from that.

    A deletion in its time of grace is called off.  Seeds that came while it was not served run now.
    """
    from prefiq.foundation import Tenant

    change(
        session,
        key,
        "resume",
        Tenant.resume,
        "served again",
        dry_run=dry_run,
        operator=operator,
        reason=reason,
    )
    if not dry_run:
        session.run(_seed, session, key)


def _seed(app: Application, session: Session, key: str) -> None:
    from prefiq.cli.database_state import run_seeds
    from prefiq.cli.progress import progress

    with progress(session) as report:
        run_seeds(app, [key], report)
