"""Prefiq: modular, multi-tenant business software in Python.

The names that people write most, gathered from their rooms.  Each is looked up when it is first used, so
that ``import prefiq`` loads neither SQLAlchemy nor a web framework (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers see; a test holds it against the table below
    from prefiq.application import (
        Application,
    )
    from prefiq.container import (
        Binder,
        Lazy,
    )
    from prefiq.contracts import (
        Across,
        Actor,
        All,
        Any_,
        Bound,
        Compare,
        ConcurrencyError,
        Criteria,
        FieldError,
        Forbidden,
        ForeignKeyViolation,
        HistoryRecord,
        IAction,
        IClock,
        IDomain,
        IDomainService,
        IllegalTransition,
        IPermissions,
        ITenantContext,
        ITransactions,
        NoScope,
        Not,
        NotFound,
        Page,
        PagedResult,
        Placement,
        Refused,
        Scope,
        ScopeClosed,
        System,
        Tenancy,
        TenantNotBound,
        UniqueViolation,
        UnknownTenant,
        ValidationFailed,
        current_scope,
        current_scope_or_none,
        where,
    )
    from prefiq.errors import (
        Faults,
        PrefiqError,
    )
    from prefiq.foundation import (
        Child,
        Entity,
        EntityChanged,
        Events,
        FrozenClock,
        Mapper,
        MemoryStore,
        Policy,
        RepositoryMemory,
        RepositoryQuery,
        Seed,
        ServiceContext,
        Services,
        Tenant,
        can,
        on,
        subscribe,
    )
    from prefiq.lowcode import (
        ModelMeta,
        Status,
        action,
        children,
        field,
        index,
        now,
        ref,
        transition,
        unique,
        validator,
    )
    from prefiq.plugins import (
        ProviderBase,
    )
    from prefiq.settings import (
        Secret,
        Settings,
    )
    from prefiq.sql import (
        ConnectionManager,
        Executor,
    )

    __version__: str

__all__ = [
    "Across",
    "Actor",
    "All",
    "Any_",
    "Application",
    "Binder",
    "Bound",
    "Child",
    "Compare",
    "ConcurrencyError",
    "ConnectionManager",
    "Criteria",
    "Entity",
    "EntityChanged",
    "Events",
    "Executor",
    "Faults",
    "FieldError",
    "Forbidden",
    "ForeignKeyViolation",
    "FrozenClock",
    "HistoryRecord",
    "IAction",
    "IClock",
    "IDomain",
    "IDomainService",
    "IPermissions",
    "ITenantContext",
    "ITransactions",
    "IllegalTransition",
    "Lazy",
    "Mapper",
    "MemoryStore",
    "ModelMeta",
    "NoScope",
    "Not",
    "NotFound",
    "Page",
    "PagedResult",
    "Placement",
    "Policy",
    "PrefiqError",
    "ProviderBase",
    "Refused",
    "RepositoryMemory",
    "RepositoryQuery",
    "Scope",
    "ScopeClosed",
    "Secret",
    "Seed",
    "ServiceContext",
    "Services",
    "Settings",
    "Status",
    "System",
    "Tenancy",
    "Tenant",
    "TenantNotBound",
    "UniqueViolation",
    "UnknownTenant",
    "ValidationFailed",
    "action",
    "can",
    "children",
    "current_scope",
    "current_scope_or_none",
    "field",
    "index",
    "now",
    "on",
    "ref",
    "subscribe",
    "transition",
    "unique",
    "validator",
    "where",
]

_ROOMS: dict[str, str] = {
    "Application": "application",
    "Binder": "container",
    "Lazy": "container",
    "Across": "contracts",
    "Actor": "contracts",
    "All": "contracts",
    "Any_": "contracts",
    "Bound": "contracts",
    "Compare": "contracts",
    "ConcurrencyError": "contracts",
    "Criteria": "contracts",
    "FieldError": "contracts",
    "Forbidden": "contracts",
    "ForeignKeyViolation": "contracts",
    "HistoryRecord": "contracts",
    "IAction": "contracts",
    "IClock": "contracts",
    "IDomain": "contracts",
    "IDomainService": "contracts",
    "IPermissions": "contracts",
    "ITenantContext": "contracts",
    "ITransactions": "contracts",
    "IllegalTransition": "contracts",
    "NoScope": "contracts",
    "Not": "contracts",
    "NotFound": "contracts",
    "Page": "contracts",
    "PagedResult": "contracts",
    "Placement": "contracts",
    "Refused": "contracts",
    "Scope": "contracts",
    "ScopeClosed": "contracts",
    "System": "contracts",
    "Tenancy": "contracts",
    "TenantNotBound": "contracts",
    "UniqueViolation": "contracts",
    "UnknownTenant": "contracts",
    "ValidationFailed": "contracts",
    "current_scope": "contracts",
    "current_scope_or_none": "contracts",
    "where": "contracts",
    "Faults": "errors",
    "PrefiqError": "errors",
    "Child": "foundation",
    "Entity": "foundation",
    "EntityChanged": "foundation",
    "Events": "foundation",
    "FrozenClock": "foundation",
    "Mapper": "foundation",
    "MemoryStore": "foundation",
    "Policy": "foundation",
    "RepositoryMemory": "foundation",
    "RepositoryQuery": "foundation",
    "Seed": "foundation",
    "ServiceContext": "foundation",
    "Services": "foundation",
    "Tenant": "foundation",
    "can": "foundation",
    "on": "foundation",
    "subscribe": "foundation",
    "ModelMeta": "lowcode",
    "Status": "lowcode",
    "action": "lowcode",
    "children": "lowcode",
    "field": "lowcode",
    "index": "lowcode",
    "now": "lowcode",
    "ref": "lowcode",
    "transition": "lowcode",
    "unique": "lowcode",
    "validator": "lowcode",
    "ProviderBase": "plugins",
    "Secret": "settings",
    "Settings": "settings",
    "ConnectionManager": "sql",
    "Executor": "sql",
}


if not TYPE_CHECKING:  # hidden from checkers, which would otherwise accept every misspelt name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value = version("prefiq")
        elif name in _ROOMS:
            from importlib import import_module

            value = getattr(import_module(f"prefiq.{_ROOMS[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value  # the next use does not come here
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
