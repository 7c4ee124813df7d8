"""The temporary application of ``prefiq try``: two tenants, seeds, a few projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefiq.cli.errors import NoModules

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.foundation.seeds import Progress

__all__ = ["MODULES", "TENANTS", "Trial", "fill", "make", "modules_to_try"]

MODULES = ("projects", "masters")
TENANTS = {"acme": "Acme Builders", "globex": "Globex Corporation"}
PROJECTS: Mapping[str, Sequence[tuple[str, str, str | None]]] = {
    "acme": (
        ("HALL-1", "Town hall, new roof", "184000.00"),
        ("HALL-2", "Town hall, new windows", "96500.50"),
        ("PIER-7", "Repair of pier 7", "320000.00"),
        ("ROAD-12", "Road to the quarry", None),
        ("SHOP-3", "Shop fitting, Main Street", "27999.99"),
    ),
    "globex": (("LAB-1", "Laboratory, second floor", "512000.00"), ("LAB-2", "Clean room", None)),
}
"""Tenant → code, name and budget of what is there to look at."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A temporary application that is ready to be served.

    Args:
        app: Composed.
        modules: The listed modules.
        projects: How many projects the first tenant has.
    """

    app: Application
    modules: frozenset[str]
    projects: int


def modules_to_try(installed: Mapping[str, str]) -> list[str]:
    """Those of the modules that the trial knows which are installed.

    Raises:
        NoModules: None is.
    """
    found = [name for name in MODULES if name in installed]
    if not found:
        raise NoModules
    return found


def make(folder: Path, modules: Sequence[str], environ: Mapping[str, str]) -> Application:
    """A new application in a folder that does not exist yet, composed.

    Args:
        folder: Where it is made, as by ``prefiq new``.
        modules: What it lists.
        environ: Variables that count beside its own ``.env``.
    """
    from prefiq.application import Application
    from prefiq.scaffold import make_application
    from prefiq.settings import load

    make_application(folder, apps=modules)
    return Application.prepare(load(folder, environ))


def fill(app: Application, progress: Progress, say: Callable[[str], None]) -> Trial:
    """Open the application; migrate, create the tenants, run the seeds, create the projects; close it.

    Args:
        app: As ``make`` made it.
        progress: Whom the seeds tell how far they are.
        say: Told of each step.
    """
    from prefiq.cli.session import run_in_mode

    def within() -> Trial:
        with app:
            return _filled(app, progress, say)

    return run_in_mode(app.settings, within)


def _filled(app: Application, progress: Progress, say: Callable[[str], None]) -> Trial:
    from prefiq.cli.database_state import develop, run_seeds

    develop(app)
    say("migrated from the declarations")
    for key, name in TENANTS.items():
        app.tenants.create(key, name)
    say(f"created the tenants {' and '.join(TENANTS)}")
    run_seeds(app, list(TENANTS), progress)
    say("ran the seeds")
    modules = frozenset(module.name for module in app.host.modules)
    projects = 0
    if "projects" in modules:
        for tenant, rows in PROJECTS.items():
            _projects(app, tenant, rows)
        projects = len(PROJECTS["acme"])
        say("created a few projects")
    return Trial(app, modules, projects)


def _projects(app: Application, tenant: str, rows: Sequence[tuple[str, str, str | None]]) -> None:
    from prefiq.contracts import Actor, IDomainService

    # The module is found through the catalog: the command line knows no module by import.
    project: Any = app.catalog["projects.Project"].cls
    start = date(2026, 1, 5)
    with app.scope(tenant, Actor("demo", ("projects.*",))) as scope:
        service = scope[IDomainService[project]]
        for number, (code, name, budget) in enumerate(rows):
            starts = start + timedelta(days=30 * number)
            made = service.create(
                project(
                    code=code,
                    name=name,
                    budget=Decimal(budget) if budget else None,
                    starts=starts,
                    ends=starts + timedelta(days=120),
                )
            )
            if number % 2:
                service.run(project.activate, made.id)
