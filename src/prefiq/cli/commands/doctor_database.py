"""``prefiq doctor database``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("database")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@pass_session
def command(session: Session, *, strict: bool) -> int:
    """Connect to the database and look at its health.

    Connection, engine settings, integrity, migrations, file permissions and free disk; nothing is written.
    """
    from prefiq.cli.database_state import examine_state
    from prefiq.cli.findings import findings_data, show_findings
    from prefiq.doctor import examine_database, exit_code_of

    findings = session.run(examine_database, examine_state)
    code = exit_code_of(findings, strict=strict)
    session.answer(findings_data(findings, code), lambda: show_findings(findings))
    return code
