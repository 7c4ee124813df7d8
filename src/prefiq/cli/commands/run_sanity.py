"""``prefiq run sanity``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.doctor import Finding

__all__ = ["command"]


@click.command("sanity")
@pass_session
def command(session: Session) -> int:
    """Check settings, connection, migrations and one read per model.

    Quick and harmless: it writes nothing and shows no tenant's rows.  The exit code is that of the worst
    finding.
    """
    from prefiq.cli.findings import findings_data, show_findings
    from prefiq.doctor import exit_code_of

    findings, models = session.run(_look)
    code = exit_code_of(findings)

    def show() -> None:
        show_findings(findings)
        if not findings:
            click.echo(f"settings, connection, migrations, {models} models read")

    session.answer({**findings_data(findings, code), "models": models}, show)
    return code


def _look(app: Application) -> tuple[Sequence[Finding], int]:
    """What is wrong, and how many models were read."""
    from prefiq.cli.database_state import check_at_head
    from prefiq.doctor import findings_of, read_each_model

    try:
        check_at_head(app)
    except PrefiqError as error:
        return findings_of(error), 0
    return read_each_model(app), len(app.catalog)
