"""``LowcodeProvider``: binds the tenant, the clock and the SQL executor, and what the pipeline is made of."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.container import Binder
from prefiq.contracts import IClock, IPermissions, ITenantContext, ITransactions, Scope
from prefiq.foundation import Events, SystemClock, Tenant, TenantDomain, TenantLife
from prefiq.foundation.history import HistoryEntry, record_history
from prefiq.foundation.memory_store import MemoryStore
from prefiq.foundation.policy import ActorPermissions, Roles
from prefiq.foundation.seeds import SeedRecord
from prefiq.foundation.service_context import ServiceContext
from prefiq.foundation.tenant_context import ScopeTenant
from prefiq.lowcode import Catalog
from prefiq.plugins import ProviderBase
from prefiq.settings import Settings
from prefiq.sql import ConnectionManager, Databases, Executor, Tables
from prefiq.sql.async_executor import executor_class
from prefiq.sql.observing import watch_for

__all__ = ["LowcodeProvider"]


class LowcodeProvider(ProviderBase):
    """The first provider; every binding of it can be replaced, like any other module's."""

    models = (Tenant, TenantLife, TenantDomain, HistoryEntry, SeedRecord)
    # Migration files import the room of migrations, which stands above this one: they lie there.
    migrations = "prefiq.migrations.own"
    subscribers = (record_history,)

    def bind(self, to: Binder) -> None:
        """Bind the shared services."""
        to.app(IClock, SystemClock)
        to.bind(ITenantContext, ScopeTenant)
        to.app(Roles, roles)
        to.bind(IPermissions, ActorPermissions)
        to.app(Tables, tables)
        to.resource(ConnectionManager, connections)
        to.bind(Executor, executor)
        to.bind(Databases)
        to.app(MemoryStore, memory_store)
        to.bind(ITransactions, transactions)
        to.bind(Events)
        to.bind(ServiceContext)


def tables(catalog: Catalog) -> Tables:
    """The tables of all models."""
    return Tables(catalog)


def roles(settings: Settings) -> Roles:
    """The roles of ``prefiq.toml``."""
    return Roles(settings.roles)


def connections(settings: Settings, tables: Tables) -> Iterator[ConnectionManager]:
    """The engines, one per named database; disposed of at the end."""
    migrating = settings.database_roles.get("migrate")
    manager = ConnectionManager(
        settings.databases.values(),
        tables,
        migrating,
        max_connections=settings.db_max_connections,
        tenant_key=settings.tenant_db_key,
        reading=settings.database_roles.get("across"),
    )
    manager.watch = watch_for(settings.databases.values(), settings.slow_query)
    try:
        yield manager
    finally:
        manager.close()


def executor(scope: Scope, connections: ConnectionManager, tables: Tables) -> Executor:
    """The scope's executor, which gives its connection back when the scope ends."""
    if connections.asynchronous:
        return executor_class(connections)(connections, scope, tables)
    return Executor(connections, scope, tables)


def memory_store(catalog: Catalog) -> MemoryStore:
    """Rows of stores in memory, for tests that bind one; empty and idle otherwise."""
    return MemoryStore(catalog)


def transactions(executor: Executor) -> ITransactions:
    """The executor's transactions."""
    return executor
