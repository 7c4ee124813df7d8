"""``prefiq lowcode makemigrations``."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefiq.cli.errors import NotWritable, UnknownModule
from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.migrations import ModulePart

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
@click.option("--name", default="", help="Name of the migration; made from what it does where left out.")
@click.option("--split", is_flag=True, help="Write what the previous release can live with apart.")
@pass_session
def command(
    session: Session, module: str, *, check: bool, renames: tuple[str, ...], name: str, split: bool
) -> None:
    """Write the migration of a changed module.

    The declarations of MODULE are compared with what its migrations make; no database is needed.  The file
    goes into the module's own package, which must be an editable install or a checkout.
    """
    from prefiq.errors import Faults
    from prefiq.migrations import check_models, make, parts_of
    from prefiq.settings.nearest import nearest

    pairs = _pairs(renames)
    app = session.prepared()
    listed = {part.name: part for part in parts_of(app)}
    if module not in listed:
        raise UnknownModule(module, tuple(listed), nearest(module, listed))
    part = listed[module]
    if check:
        faults = check_models([part], app.catalog)
        if faults:
            raise Faults(f"The migrations of {module} are not what its models say", faults)
        session.answer({"module": module, "files": []}, lambda: click.echo(f"{module}: nothing changed"))
        return
    files = make(
        module,
        app.catalog,
        _folder(part),
        modules=list(listed.values()),
        renames=pairs,
        name=name,
        split=split,
    )

    def show() -> None:
        for file in files:
            click.echo(f"wrote {file}")
        if not files:
            click.echo(f"{module}: nothing changed")

    session.answer({"module": module, "files": [str(file) for file in files]}, show)


def _pairs(renames: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for rename in renames:
        old, equals, new = rename.partition("=")
        if not (old and equals and new):
            raise click.UsageError("Invalid value for '--rename': write OLD=NEW, such as Project.code=key.")
        pairs[old] = new
    return pairs


def _folder(part: ModulePart) -> Path:
    """Where the module's migrations stand, or shall stand."""
    parent, _, name = part.migrations.rpartition(".")
    if not parent:
        raise NotWritable(part.name, "its provider is in no package")
    package = importlib.resources.files(parent)
    if not isinstance(package, Path):
        raise NotWritable(part.name, "its package is no folder")
    if {"site-packages", "dist-packages"} & set(package.parts):
        # What is written there is lost with the next upgrade, and would be on this machine alone.
        raise NotWritable(part.name, "its package is installed, not a checkout")
    return package / name
