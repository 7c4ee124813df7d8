"""What the commands behind ``prefiq apps`` have in common: the list as it would be, and what that changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.errors import UnknownModule
from prefiq.cli.failure import as_data

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.doctor.app_plan import AppPlan
    from prefiq.errors import PrefiqError
    from prefiq.settings import AppRef, Settings

__all__ = [
    "explain_contract",
    "listed_place",
    "place_of",
    "plan_data",
    "ref_of",
    "required_by",
    "show_graph",
    "show_plan",
]


def ref_of(name: str) -> AppRef:
    """The entry that a word of the command line means.

    Raises:
        prefiq.errors.Faults: It is no name and no import path.
    """
    from prefiq.errors import Faults
    from prefiq.settings import SettingError
    from prefiq.settings.toml_file import app_refs

    faults: list[SettingError] = []
    refs = app_refs([name], "NAME", "the command line", faults)
    if faults:
        raise Faults("The name cannot be used", faults)
    return refs[0]


def listed_place(settings: Settings, name: str) -> int | None:
    """Where the list has an app, by its name or its import path."""
    for place, ref in enumerate(settings.apps):
        if name in {ref.name, ref.path}:
            return place
    return None


def place_of(settings: Settings, name: str) -> int:
    """The same of one that has to be there.

    Raises:
        UnknownModule: It is not listed.
    """
    from prefiq.nearest import nearest

    place = listed_place(settings, name)
    if place is None:
        known = [ref.name for ref in settings.apps]
        raise UnknownModule(name, known, nearest(name, known))
    return place


def required_by(app: Application, name: str) -> list[str]:
    """The listed modules whose packages require a module."""
    return [module.name for module in app.host.modules if name in module.requires]


def plan_data(plan: AppPlan, name: str, deed: str) -> dict[str, Any]:
    """A plan as ``--json`` prints it."""
    return {
        "name": name,
        "deed": deed,
        "ok": not plan.conflicts,
        "differences": [dataclasses.asdict(change) for change in plan.differences],
        "conflicts": [as_data(fault) for fault in plan.conflicts],
        "present": [as_data(fault) for fault in plan.present],
    }


def show_plan(plan: AppPlan) -> None:
    """A plan for people."""
    from prefiq.doctor.surface import lines

    for line in lines(plan.differences):
        click.echo(line)
    show_faults("conflicts:", plan.conflicts)
    show_faults("wrong already:", plan.present)
    if not plan.differences and not plan.conflicts and not plan.present:
        click.echo("Nothing would change")


def show_faults(title: str, faults: Sequence[PrefiqError]) -> None:
    """Faults under a heading; nothing where there are none."""
    if faults:
        click.echo(title)
    for fault in faults:
        click.echo("  ! " + str(fault).replace("\n", "\n    "))


def explain_contract(session: Any, contract: str) -> None:
    """Say how a contract comes to be answered."""
    from prefiq.application.explanation import lines

    found = session.prepared().explain(contract)

    def show() -> None:
        for line in lines(found):
            click.echo(line)

    session.answer(dataclasses.asdict(found), show)


def show_graph(session: Any, form: Any, output: Any) -> None:
    """Draw the modules, on stdout or into a file."""
    app = session.prepared()
    text = app.graph(form)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    data = {**dataclasses.asdict(app.graph()), "file": str(output) if output else ""}
    session.answer(data, lambda: click.echo(str(output) if output else text, nl=output is not None))
