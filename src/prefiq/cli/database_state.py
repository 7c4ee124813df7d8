"""What commands ask of ``prefiq.migrations``, with an application in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from prefiq.application import Application
    from prefiq.migrations import Done, ModulePart, ModuleStatus
    from prefiq.sql import ConnectionManager

__all__ = [
    "apply",
    "check_at_head",
    "check_files",
    "develop",
    "manager_of",
    "parts",
    "planned",
    "run_seeds",
    "statements",
    "status",
    "tenant_keys",
]


def parts(app: Application) -> list[ModulePart]:
    """The listed modules, as far as migrations are concerned."""
    from prefiq.migrations import ModulePart

    found = []
    for module in app.host.modules:
        package, _, folder = module.migrations.rpartition(".")
        found.append(ModulePart(module.name, package, app.catalog.of_module(module.name), folder))
    return found


def manager_of(app: Application) -> ConnectionManager:
    """The connections of an application."""
    from prefiq.sql import ConnectionManager

    return app.container.resolve(None, ConnectionManager)


@contextmanager
def _looking(app: Application) -> Iterator[sa.Connection]:
    """A connection that makes no database where there is none."""
    connection = manager_of(app).connect()
    try:
        yield connection
    finally:
        connection.close()


def check_at_head(app: Application) -> None:
    """Go on only if the database has every migration; it is not changed.

    Raises:
        prefiq.errors.PrefiqError: It has not, or it cannot be reached.
    """
    from prefiq.migrations import check

    with _looking(app) as connection:
        check(parts(app), connection)


def check_files(app: Application) -> None:
    """Go on only if the models are what the migration files make; no database is touched.

    Raises:
        prefiq.errors.Faults: ``ModelChanged`` and the like.
    """
    from prefiq.errors import Faults
    from prefiq.migrations import check_models

    faults = check_models(parts(app), app.catalog)
    if faults:
        raise Faults("The migrations are not what the models say", faults)


def status(app: Application) -> list[ModuleStatus]:
    """Where each module's tables stand."""
    from prefiq.migrations import status

    with _looking(app) as connection:
        return status(parts(app), connection)


def planned(app: Application) -> list[dict[str, Any]]:
    """What ``run migrate`` would apply, in order; a database that does not exist yet has nothing."""
    return [
        {
            "module": stage.loaded.module,
            "name": stage.loaded.label,
            "phase": stage.loaded.migration.phase,
            "operations": [change.operation.title for change in stage.changes],
        }
        for stage in _plan(app).pending
    ]


def statements(app: Application) -> str:
    """What ``run migrate`` would run, as SQL."""
    from prefiq.migrations import sql

    return sql(_plan(app), app.settings.database.engine)


def _plan(app: Application) -> Any:
    from prefiq.migrations import plan
    from prefiq.sql.errors import DatabaseMissing

    try:
        with _looking(app) as connection:
            return plan(parts(app), connection)
    except DatabaseMissing:
        return plan(parts(app))


def apply(app: Application, report: Callable[[Done], None]) -> list[Done]:
    """Apply what is pending; makes the database where there is none."""
    from prefiq.migrations import apply, plan

    with manager_of(app).schema_connection() as connection:
        return apply(plan(parts(app), connection), connection, report=report)


def tenant_keys(app: Application) -> list[str]:
    """Keys of the tenants that are served."""
    if app.settings.tenancy == "single":
        return [app.settings.tenant]
    return [tenant.key for tenant in app.tenants.list() if tenant.state.value == "active"]
