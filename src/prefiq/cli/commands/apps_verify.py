"""``prefiq apps verify``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("verify")
@pass_session
def command(session: Session) -> int:
    """Compare the installed packages of the listed apps with apps.lock, file by file.

    More than a boot does: every file is compared with what its package's RECORD says.  Exit code 3 says that
    something differs.  Nothing is imported.
    """
    from prefiq.cli.app_lock import differences

    found = differences(session.settings())

    def show() -> None:
        for line in found:
            click.echo(line)
        click.echo(f"{len(found)} differences" if found else "Everything is as it was locked")

    session.answer({"ok": not found, "differences": found}, show)
    return 3 if found else 0
