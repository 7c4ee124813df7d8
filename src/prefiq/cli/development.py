"""What a server does in development before it serves, whoever starts it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from prefiq.cli.database_state import develop, migrate_tenants, run_seeds, tenant_keys
from prefiq.contracts import UniqueViolation

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["fill_database", "get_ready"]

TENANT = "demo"
TENANTS = {TENANT: "Demo", "demo-two": "Demo two"}  # two, so that one can be seen not to see the other
SECONDS = 8 * 3600


def fill_database(app: Application) -> list[str]:
    """Bring the database to the declarations, make sure of tenants, run the seeds.

    Two demonstration tenants are made where there is none.  Several workers may do this at once.

    Args:
        app: Booted, in development.

    Returns:
        Keys of the tenants.
    """
    develop(app)
    migrate_tenants(app, lambda *_: None)
    if not tenant_keys(app):
        for key, name in TENANTS.items():
            with contextlib.suppress(UniqueViolation):  # another worker was faster
                app.tenants.create(key, name)  # so that there is something to ask for
    keys = tenant_keys(app)
    run_seeds(app, keys)
    return keys


def get_ready(app: Application, url: str) -> dict[str, str]:
    """``fill_database``, and make a token.

    Args:
        app: Booted, in development.
        url: Where it will be served.

    Returns:
        What to tell the developer, by name.
    """
    keys = fill_database(app)
    welcome = {"url": url}
    if app.settings.docs:
        welcome["docs"] = f"{url}/docs"
    if app.settings.jwt_keys and keys:
        from prefiq.web import make_token

        tenant = TENANT if TENANT in keys else keys[0]
        welcome["tenant"] = tenant
        welcome["token"] = make_token(app.settings, tenant, "developer", ("*",), SECONDS)
        welcome["try"] = f'curl -H "Authorization: Bearer {welcome["token"]}" {url}/api/me'
    return welcome
