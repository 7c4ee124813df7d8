"""Applications for tests: composed, booted, with tables and tenants, in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from prefiq.application import Application
from prefiq.plugins import ProviderBase
from prefiq.settings import Settings
from prefiq.sql import ConnectionManager, Tables
from prefiq.testing.watched import WatchedApplication

__all__ = ["create_tables", "make_application"]

TENANTS = ("acme", "globex")


def create_tables(app: Application) -> None:
    """Create the tables of every declared model, as all migrations together would."""
    connections = app.container.resolve(None, ConnectionManager)
    with connections.schema_connection() as connection:
        app.container.resolve(None, Tables).metadata.create_all(connection)
        connection.commit()


def make_application(
    folder: Path,
    apps: Sequence[str] = (),
    *,
    modules: Sequence[type[ProviderBase]] = (),
    tenants: Iterable[str] = TENANTS,
    **settings: object,
) -> Application:
    """A booted application with its tables and tenants; close it when done.

    Args:
        folder: Where its database file stands.
        apps: As in ``APPS``.
        modules: Providers beside the listed ones, for modules that are made in the test.
        tenants: Keys of the tenants to create.
        settings: Variables for ``Settings.for_test``.

    Raises:
        prefiq.errors.Faults: The modules do not make an application.
    """
    app = WatchedApplication.boot(Settings.for_test(folder, APPS=list(apps), **settings), modules=modules)
    app.tenants.settling = 0.0  # no other process remembers a tenant
    try:
        create_tables(app)
        if app.settings.tenancy != "single":
            for key in tenants:
                app.tenants.create(key)
    except BaseException:
        app.close()
        raise
    return app
