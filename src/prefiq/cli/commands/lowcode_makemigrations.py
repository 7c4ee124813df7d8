"""``prefiq lowcode makemigrations``."""

from __future__ import annotations

import importlib.resources
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefiq.cli.errors import NotWritable, UnknownModule
from prefiq.cli.pairs import pairs_of
from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.migrations import ModulePart
    from prefiq.plugins.discovery import LoadedModule

__all__ = ["command"]


@click.command("makemigrations")
@click.argument("module")
@click.option("--check", is_flag=True, help="Write nothing; fail (exit code 5) if something changed.")
@click.option(
    "--rename",
    "renames",
    metavar="OLD=NEW",
    multiple=True,
    help="A field or model that has a new name: Project.code=key, Task=Job; may be repeated.",
)
@click.option(
    "--fill",
    "fills",
    metavar="FIELD=VALUE",
    multiple=True,
    help="What rows that exist get in a required field without default: Project.code=?; may be repeated.",
)
@click.option("--name", default="", help="Name of the migration; made from what it does where left out.")
@click.option("--split", is_flag=True, help="Write what the previous release can live with apart.")
@pass_session
def command(
    session: Session,
    module: str,
    *,
    check: bool,
    renames: tuple[str, ...],
    fills: tuple[str, ...],
    name: str,
    split: bool,
) -> None:
    """Write the migration of a changed module.

    The declarations of MODULE are compared with what its migrations make; no database is needed.  The file
    goes into the module's own package, which must be an editable install or a checkout.
    """
    from prefiq.errors import Faults
    from prefiq.migrations import LikelyRenames, check_models, fills_from_texts, make, parts_of
    from prefiq.nearest import nearest

    decide = LikelyRenames(pairs_of("--rename", renames, "OLD=NEW, such as Project.code=key"))
    values = pairs_of("--fill", fills, "FIELD=VALUE, such as Project.code=?")
    app = session.prepared()
    listed = {part.name: part for part in parts_of(app)}
    if module not in listed:
        raise UnknownModule(module, tuple(listed), nearest(module, listed))
    part = listed[module]
    provider = next(loaded for loaded in app.host.modules if loaded.name == module)
    if check:
        faults = check_models([part], app.catalog)
        if faults:
            raise Faults(f"The migrations of {module} are not what its models say", faults)
        session.answer({"module": module, "files": []}, lambda: click.echo(f"{module}: nothing changed"))
        return
    files = make(
        module,
        app.catalog,
        _folder(part, provider),
        modules=list(listed.values()),
        renames=decide,
        fills=fills_from_texts(part.specs, values),
        name=name,
        split=split,
    )
    for old, new in decide.likely:
        hint = f"{old} went and {new} came; if it is the same, take back what was written and add"
        click.echo(f"Hint: {hint} --rename {old}={new.rpartition('.')[2]}", err=True)

    def show() -> None:
        for file in files:
            click.echo(f"wrote {file}")
        if not files:
            click.echo(f"{module}: nothing changed")

    session.answer({"module": module, "files": [str(file) for file in files]}, show)


def _folder(part: ModulePart, loaded: LoadedModule) -> Path:
    """Where the module's migrations stand, or shall stand."""
    parent, _, name = part.migrations.rpartition(".")
    # Beside the provider's file; that also holds where its package is a folder without __init__.py, or none.
    beside = parent == (sys.modules[type(loaded.provider).__module__].__package__ or "")
    package = loaded.path if beside else importlib.resources.files(parent) if parent else None
    if not isinstance(package, Path) or not package.is_dir():
        raise NotWritable(part.name, "its package is no folder")
    if {"site-packages", "dist-packages"} & set(package.parts):
        # What is written there is lost with the next upgrade, and would be on this machine alone.
        raise NotWritable(part.name, "its package is installed, not a checkout")
    return package / name
