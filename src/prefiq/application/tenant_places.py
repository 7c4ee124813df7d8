"""Where the rows of tenants stand, as the tenant directory sees it.

In row mode a tenant's place is the common tables, so there is nothing to make.  What makes schemas and databases
is the room of migrations, which stands above this one: it is found by name when it is needed.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from prefiq.application.errors import PlacementNotServed
from prefiq.bridge import await_, in_bridge
from prefiq.contracts import Placement
from prefiq.foundation.tenants import Tenant, TenantMode
from prefiq.sql import ConnectionManager, DatabaseMissing, ServerDatabaseMissing

if TYPE_CHECKING:
    from prefiq.application.application import Application

__all__ = ["apart", "count_rows", "delete_rows", "placement", "provision", "unprovision"]

T = TypeVar("T")

MAKER = "prefiq.migrations.targets"


def placement(app: Application, key: str, mode: str) -> Placement:
    """Where a new tenant shall stand; nothing is made.

    Raises:
        PlacementNotServed: Nowhere, in this application.
    """
    if mode == TenantMode.ROW:
        return Placement()
    if mode == "single":
        raise PlacementNotServed(mode, "the one tenant is there already")
    found: Placement = _maker(mode).placement(app, key, mode)
    return found


def provision(app: Application, tenant: Tenant) -> None:
    """Make a tenant's place, or go on with it."""
    if tenant.mode is not TenantMode.ROW:
        _maker(tenant.mode).provision(app, tenant)


def unprovision(app: Application, tenant: Tenant) -> None:
    """Take a tenant's place away, with whatever is left in it."""
    if tenant.mode is not TenantMode.ROW:
        _maker(tenant.mode).unprovision(app, tenant)


def count_rows(app: Application, tenant: Tenant) -> dict[str, int]:
    """How many rows of a tenant each table of its place holds; those without any are left out."""
    from prefiq.sql import tenant_rows

    if tenant.mode is TenantMode.DATABASE:
        path = _connections(app).of_tenant(tenant.placement).path
        if path is not None and not path.exists():
            return {}  # looking at it would make it

    def count() -> dict[str, int]:
        with _connections(app).schema_connection(*_place(tenant)) as connection:
            return tenant_rows.count_rows(connection, tenant.key, tenant_rows.tenant_tables(connection))

    try:
        return apart(count)
    except (DatabaseMissing, ServerDatabaseMissing):
        if tenant.mode is TenantMode.ROW:
            raise
        return {}  # not made yet, or taken away already


def delete_rows(app: Application, tenant: Tenant, report: Callable[[str, int], None]) -> None:
    """Delete a tenant's rows from every common table, in short transactions; a place of its own goes as a whole."""
    from prefiq.sql import tenant_rows

    if tenant.mode is not TenantMode.ROW:
        return

    def delete() -> None:
        with _connections(app).schema_connection() as connection:
            tables = tenant_rows.tenant_tables(connection)
            connection.commit()
            tenant_rows.delete_rows(connection, tenant.key, tables, report)

    apart(delete)


def apart(work: Callable[[], T]) -> T:
    """Run what uses a blocking driver, in the bridge in a thread: the loop goes on."""
    return await_(asyncio.to_thread(work)) if in_bridge() else work()


def _connections(app: Application) -> ConnectionManager:
    return app.container.resolve(None, ConnectionManager)


def _place(tenant: Tenant) -> tuple[Any, ...]:
    return () if tenant.mode is TenantMode.ROW else (tenant.database, tenant.placement)


def _maker(mode: str) -> Any:
    try:
        return importlib.import_module(MAKER)
    except ModuleNotFoundError as error:
        if error.name != MAKER:
            raise
        raise PlacementNotServed(mode, "this release has nothing that makes its place") from error
