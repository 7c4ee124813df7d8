"""``prefiq run sanity``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session
from prefiq.errors import PrefiqError

__all__ = ["command"]


@click.command("sanity")
@pass_session
def command(session: Session) -> int:
    """Check settings, connection, migrations and one read per model.

    Quick and harmless: it writes nothing and shows no tenant's rows.  The exit code is that of the worst
    finding.
    """
    from prefiq.cli.database_state import check_at_head
    from prefiq.cli.findings import findings_data, show_findings
    from prefiq.doctor import Finding, exit_code_of, findings_of, read_each_model

    findings: list[Finding] = []
    models = 0
    with session.booted() as app:
        try:
            check_at_head(app)
        except PrefiqError as error:
            findings += findings_of(error)
        else:
            findings += read_each_model(app)
            models = len(app.catalog)
    code = exit_code_of(findings)

    def show() -> None:
        show_findings(findings)
        if not findings:
            click.echo(f"settings, connection, migrations, {models} models read")

    session.answer({**findings_data(findings, code), "models": models}, show)
    return code
