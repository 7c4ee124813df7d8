"""``prefiq new``."""

from __future__ import annotations

from pathlib import Path

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("new")
@click.argument("name")
@click.option(
    "--apps",
    metavar="NAMES",
    help="Modules to list, with commas between them; every installed one where left out.",
)
@pass_session
def command(session: Session, name: str, apps: str | None) -> None:
    """Make the folder of a new application.

    NAME is its folder, made in the working directory (or in that of --folder).  It is set up for
    development, with a signing key of its own.
    """
    from prefiq.cli.installed import installed_modules
    from prefiq.errors import Faults
    from prefiq.nearest import nearest
    from prefiq.scaffold import NotInstalled, make_application

    installed = installed_modules()
    wanted = list(installed) if apps is None else [word.strip() for word in apps.split(",") if word.strip()]
    wanted = list(dict.fromkeys(wanted))
    missing = [app for app in wanted if app not in installed]
    if missing:
        faults = [NotInstalled(app, tuple(installed), nearest(app, installed)) for app in missing]
        raise faults[0] if len(faults) == 1 else Faults("The application cannot be made", faults)
    folder = session.folder / name
    files = make_application(folder, apps=wanted, modules=installed)

    def show() -> None:
        click.echo(f"Made {folder} with {', '.join(file.relative_to(folder).as_posix() for file in files)}")
        click.echo(f"Modules: {', '.join(wanted) or 'none yet; install one and list it in prefiq.toml'}")
        click.echo(f"\nNext: cd {_shown(folder)} && prefiq server start")

    session.answer({"folder": str(folder), "files": [str(file) for file in files], "apps": wanted}, show)


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
