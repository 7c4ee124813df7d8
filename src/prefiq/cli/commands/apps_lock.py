"""``prefiq apps lock``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("lock")
@pass_session
def command(session: Session) -> None:
    """Write apps.lock: exactly which packages the listed apps come from.

    Where the file exists, an app of another version or with other files stops the boot before it is imported.
    Nothing is imported to write it.
    """
    from prefiq.cli.app_lock import entries_of, lock_data
    from prefiq.cli.apps_file import write
    from prefiq.plugins.lock import FILE_NAME, lock_text, locked

    settings = session.settings()
    apps = locked(entries_of(settings))
    write(settings.folder / FILE_NAME, lock_text(apps))

    def show() -> None:
        for app in apps:
            click.echo(f"{app.name}: {app.distribution} {app.version} ({app.record[:19]})")
        click.echo(f"{len(apps)} apps are locked in {FILE_NAME}")

    session.answer(lock_data(apps), show)
