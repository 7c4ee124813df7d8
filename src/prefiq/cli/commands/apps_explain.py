"""``prefiq apps explain``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("explain")
@click.argument("contract")
@pass_session
def command(session: Session, contract: str) -> None:
    """Say who bound, replaced and decorated a contract, and who uses it.

    CONTRACT is a name as [replace] writes it, projects.IProject or "projects.IDomain[Project]"; the part
    behind the dot is enough where it is clear.
    """
    from prefiq.cli.app_changes import explain_contract

    explain_contract(session, contract)
