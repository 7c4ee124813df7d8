"""``Databases``: the executors of one scope, by the name of the database."""

from __future__ import annotations

from prefiq.contracts import Scope
from prefiq.sql.async_executor import executor_class
from prefiq.sql.connection_manager import ConnectionManager
from prefiq.sql.executor import Executor
from prefiq.sql.tables import Tables

__all__ = ["Databases"]


class Databases:
    """``databases["analytics"]`` is the scope's executor on ``ANALYTICS_DB_*``.

    Each database has a connection and transactions of its own: nothing spans two of them.

    Args:
        executor: The scope's own, on the default database.
        connections: Where connections come from.
        scope: Whose tenant every statement is confined to.
        tables: Which tables belong to tenants; those of a further database are made known with ``Tables.add``.
    """

    def __init__(
        self, executor: Executor, connections: ConnectionManager, scope: Scope, tables: Tables
    ) -> None:
        self._executors = {"default": executor}
        self._connections = connections
        self._scope = scope
        self._tables = tables

    def __getitem__(self, name: str) -> Executor:
        """The executor on a database; always the same one in a scope.

        Raises:
            prefiq.sql.errors.UnknownDatabase: No setting names it.
        """
        executor = self._executors.get(name)
        if executor is None:
            kind = executor_class(self._connections, name)
            executor = kind(self._connections, self._scope, self._tables, name)
            self._executors[name] = executor
        return executor
