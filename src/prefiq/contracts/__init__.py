"""The contracts that modules and the framework meet at: protocols and frozen values, no behaviour.

Imports nothing of Prefiq but ``errors``; every other room may import it.
"""

from prefiq.contracts.clock import IClock
from prefiq.contracts.criteria import All, Any_, Compare, Criteria, Not, where
from prefiq.contracts.domain import IDomain
from prefiq.contracts.domain_service import HistoryRecord, IAction, IDomainService
from prefiq.contracts.errors import (
    ConcurrencyError,
    FieldError,
    Forbidden,
    ForeignKeyViolation,
    IllegalTransition,
    NoScope,
    NotFound,
    Refused,
    ScopeClosed,
    TenantNotBound,
    TenantReadOnly,
    UniqueViolation,
    UnknownTenant,
    ValidationFailed,
)
from prefiq.contracts.paging import Page, PagedResult
from prefiq.contracts.permissions import IPermissions
from prefiq.contracts.scope import (
    Across,
    Actor,
    Bound,
    Placement,
    Scope,
    System,
    Tenancy,
    current_scope,
    current_scope_or_none,
)
from prefiq.contracts.tenant_context import ITenantContext
from prefiq.contracts.transactions import ITransactions

__all__ = [
    "Across",
    "Actor",
    "All",
    "Any_",
    "Bound",
    "Compare",
    "ConcurrencyError",
    "Criteria",
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
    "NoScope",
    "Not",
    "NotFound",
    "Page",
    "PagedResult",
    "Placement",
    "Refused",
    "Scope",
    "ScopeClosed",
    "System",
    "Tenancy",
    "TenantNotBound",
    "TenantReadOnly",
    "UniqueViolation",
    "UnknownTenant",
    "ValidationFailed",
    "current_scope",
    "current_scope_or_none",
    "where",
]
