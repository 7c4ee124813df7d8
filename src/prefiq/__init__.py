"""Prefiq: modular, multi-tenant business software in Python.

The names that people write most, gathered from their rooms.  Each is looked up when it is first used, so
that ``import prefiq`` loads neither SQLAlchemy nor a web framework (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers see; a test holds it against the table below
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
        ValidationFailed,
        current_scope,
        current_scope_or_none,
        where,
    )
    from prefiq.errors import (
        Faults,
        PrefiqError,
    )
    from prefiq.lowcode import (
        ModelMeta,
        Status,
        action,
        children,
        field,
        index,
        ref,
        transition,
        unique,
        validator,
    )
    from prefiq.settings import (
        Secret,
        Settings,
    )

    __version__: str

__all__ = [
    "Across",
    "Actor",
    "All",
    "Any_",
    "Bound",
    "Compare",
    "ConcurrencyError",
    "Criteria",
    "Faults",
    "FieldError",
    "Forbidden",
    "ForeignKeyViolation",
    "HistoryRecord",
    "IAction",
    "IClock",
    "IDomain",
    "IDomainService",
    "IPermissions",
    "ITenantContext",
    "ITransactions",
    "IllegalTransition",
    "ModelMeta",
    "NoScope",
    "Not",
    "NotFound",
    "Page",
    "PagedResult",
    "Placement",
    "PrefiqError",
    "Refused",
    "Scope",
    "ScopeClosed",
    "Secret",
    "Settings",
    "Status",
    "System",
    "Tenancy",
    "TenantNotBound",
    "UniqueViolation",
    "ValidationFailed",
    "action",
    "children",
    "current_scope",
    "current_scope_or_none",
    "field",
    "index",
    "ref",
    "transition",
    "unique",
    "validator",
    "where",
]

_ROOMS: dict[str, str] = {
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
    "ValidationFailed": "contracts",
    "current_scope": "contracts",
    "current_scope_or_none": "contracts",
    "where": "contracts",
    "Faults": "errors",
    "PrefiqError": "errors",
    "ModelMeta": "lowcode",
    "Status": "lowcode",
    "action": "lowcode",
    "children": "lowcode",
    "field": "lowcode",
    "index": "lowcode",
    "ref": "lowcode",
    "transition": "lowcode",
    "unique": "lowcode",
    "validator": "lowcode",
    "Secret": "settings",
    "Settings": "settings",
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
