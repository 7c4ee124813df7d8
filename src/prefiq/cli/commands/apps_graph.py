"""``prefiq apps graph``."""

from __future__ import annotations

from pathlib import Path

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("graph")
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), default="mermaid", show_default=True)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@pass_session
def command(session: Session, form: str, output: Path | None) -> None:
    """Draw the listed modules and what each has from the others.

    Solid lines lead to what a module cannot do without, dashed ones to what it only adds to.
    """
    from prefiq.cli.app_changes import show_graph

    show_graph(session, form, output)
