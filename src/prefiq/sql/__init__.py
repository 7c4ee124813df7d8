"""The database's room: connections, the executor, tenant scoping, tables and compiled plans.

Imports ``settings``, ``lowcode``, ``contracts`` and ``errors``; the rooms above it see a database only
through what is named here.  Names are resolved when first used, so that its errors can be caught without
loading SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefiq.sql.connection_manager import ConnectionManager, DatabaseConfig
    from prefiq.sql.criteria import criteria_expression
    from prefiq.sql.databases import Databases
    from prefiq.sql.errors import (
        AccessDenied,
        AcrossBlocked,
        AcrossOnlyReads,
        CommitUnknown,
        ConnectionsExhausted,
        CorruptDatabase,
        CriteriaError,
        DatabaseError,
        DatabaseLocked,
        DatabaseMissing,
        DeadlineExceeded,
        Deadlock,
        Disconnected,
        DiskFull,
        DriverMissing,
        EncryptionFailed,
        EngineNotServed,
        IsolationChanged,
        RawSqlRefused,
        ReadOnlyDatabase,
        ReadOnlyTransaction,
        SchemaMissing,
        ScopeInUse,
        SerializationFailure,
        ServerDatabaseMissing,
        SharedTableProtected,
        StatementRefused,
        StatementTimeout,
        StatementTooLarge,
        TenantChanged,
        TransactionFailed,
        TransactionLost,
        UnknownDatabase,
        UnreadableRow,
    )
    from prefiq.sql.executor import Executor
    from prefiq.sql.tables import Tables
    from prefiq.sql.tenant_scope import TenantScope
    from prefiq.sql.types import FieldType

_MODULES = {
    "ConnectionManager": "connection_manager",
    "DatabaseConfig": "connection_manager",
    "Databases": "databases",
    "Executor": "executor",
    "FieldType": "types",
    "Tables": "tables",
    "TenantScope": "tenant_scope",
    "criteria_expression": "criteria",
}

__all__ = [
    "AccessDenied",
    "AcrossBlocked",
    "AcrossOnlyReads",
    "CommitUnknown",
    "ConnectionManager",
    "ConnectionsExhausted",
    "CorruptDatabase",
    "CriteriaError",
    "DatabaseConfig",
    "DatabaseError",
    "DatabaseLocked",
    "DatabaseMissing",
    "Databases",
    "DeadlineExceeded",
    "Deadlock",
    "Disconnected",
    "DiskFull",
    "DriverMissing",
    "EncryptionFailed",
    "EngineNotServed",
    "Executor",
    "FieldType",
    "IsolationChanged",
    "RawSqlRefused",
    "ReadOnlyDatabase",
    "ReadOnlyTransaction",
    "SchemaMissing",
    "ScopeInUse",
    "SerializationFailure",
    "ServerDatabaseMissing",
    "SharedTableProtected",
    "StatementRefused",
    "StatementTimeout",
    "StatementTooLarge",
    "Tables",
    "TenantChanged",
    "TenantScope",
    "TransactionFailed",
    "TransactionLost",
    "UnknownDatabase",
    "UnreadableRow",
    "criteria_expression",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
