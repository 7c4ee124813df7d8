"""Commands that modules bring: ``prefiq projects archive``, behind the module's name."""

from __future__ import annotations

import click

from prefiq.cli.errors import UnusableCommand
from prefiq.cli.session import Session
from prefiq.cli.table import below
from prefiq.errors import Faults, PrefiqError

__all__ = ["module_group"]


def module_group(session: Session, name: str) -> dict[str, click.Command] | None:
    """The commands of a listed module, by name.

    Args:
        session: Its folder says which application.
        name: What was typed.

    Returns:
        None where no listed module of this name has commands, or where there is no application to ask.

    Raises:
        prefiq.errors.Faults: The module's commands cannot be used.
    """
    if name in below(""):
        return None
    try:
        app = session.prepared()
    except PrefiqError:
        return None  # the word is wrong first of all; what is wrong with the application is doctor's to tell
    faults: list[PrefiqError] = []
    found: dict[str, click.Command] = {}
    for module, command in app.host.commands(faults):
        if module.name != name:
            continue
        if not isinstance(command, click.Command) or not command.name:
            faults.append(UnusableCommand(name, str(getattr(command, "__name__", command))[:80]))
        else:
            found[command.name] = command
    own = [fault for fault in faults if getattr(fault, "module", name) == name]
    if own:
        raise Faults(f"The commands of {name} cannot be used", own)
    return found or None
