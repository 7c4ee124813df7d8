"""What ``prefiq server start`` does in development before it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefiq.cli.database_state import develop, run_seeds, tenant_keys

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["get_ready"]

TENANT = "demo"
SECONDS = 8 * 3600


def get_ready(app: Application, url: str) -> dict[str, str]:
    """Bring the database to the declarations, make sure of a tenant, run the seeds, make a token.

    Args:
        app: Booted, in development.
        url: Where it will be served.

    Returns:
        What to tell the developer, by name.
    """
    develop(app)
    if not tenant_keys(app):
        app.tenants.create(TENANT, "Demo")  # so that there is something to ask for
    keys = tenant_keys(app)
    run_seeds(app, keys)
    welcome = {"url": url}
    if app.settings.docs:
        welcome["docs"] = f"{url}/docs"
    if app.settings.jwt_keys:
        from prefiq.web import make_token

        tenant = TENANT if TENANT in keys else keys[0]
        welcome["tenant"] = tenant
        welcome["token"] = make_token(app.settings, tenant, "developer", ("*",), SECONDS)
        welcome["try"] = f'curl -H "Authorization: Bearer {welcome["token"]}" {url}/api/me'
    return welcome
