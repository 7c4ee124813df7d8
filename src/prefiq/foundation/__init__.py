"""Runtime base classes: entity, services, repositories, hooks, policy, events.

Imports ``sql``, ``lowcode``, ``settings``, ``contracts`` and ``errors``.  Only ``repository_query`` and ``mapper``
may see SQLAlchemy; names that need it are resolved when first used (PEP 562), so that declaring an entity
loads no database library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from prefiq.foundation.clock import FrozenClock, SystemClock
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.events import EntityChanged, Events, subscribe
from prefiq.foundation.extension import Extension
from prefiq.foundation.hooks import on
from prefiq.foundation.policy import Policy, can
from prefiq.foundation.tenants import (
    Tenant,
    TenantDomain,
    TenantEvent,
    TenantLife,
    TenantMode,
    TenantState,
)

if TYPE_CHECKING:
    from prefiq.foundation.history import HistoryEntry
    from prefiq.foundation.mapper import Mapper
    from prefiq.foundation.pagination import Page, PagedResult
    from prefiq.foundation.repository_memory import MemoryStore, MemoryTransactions, RepositoryMemory
    from prefiq.foundation.repository_query import RepositoryQuery
    from prefiq.foundation.seeds import Seed
    from prefiq.foundation.service_context import ServiceContext
    from prefiq.foundation.service_extension import PolicyExtension, ServiceExtension
    from prefiq.foundation.services import Services

__all__ = [
    "Child",
    "Entity",
    "EntityChanged",
    "Events",
    "Extension",
    "FrozenClock",
    "HistoryEntry",
    "Mapper",
    "MemoryStore",
    "MemoryTransactions",
    "Page",
    "PagedResult",
    "Policy",
    "PolicyExtension",
    "RepositoryMemory",
    "RepositoryQuery",
    "Seed",
    "ServiceContext",
    "ServiceExtension",
    "Services",
    "SystemClock",
    "Tenant",
    "TenantDomain",
    "TenantEvent",
    "TenantLife",
    "TenantMode",
    "TenantState",
    "can",
    "on",
    "subscribe",
]

_LATER = {
    "HistoryEntry": "history",
    "Mapper": "mapper",
    "MemoryStore": "repository_memory",
    "MemoryTransactions": "repository_memory",
    "Page": "pagination",
    "PagedResult": "pagination",
    "PolicyExtension": "service_extension",
    "RepositoryMemory": "repository_memory",
    "RepositoryQuery": "repository_query",
    "Seed": "seeds",
    "ServiceContext": "service_context",
    "ServiceExtension": "service_extension",
    "Services": "services",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found
