"""The test kit for module authors and application teams: fixtures, the contract suite, small tools.

The fixtures are a pytest plugin that installing ``prefiq[testing]`` brings; see ``prefiq.testing.plugin``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from prefiq.foundation.clock import FrozenClock
from prefiq.foundation.policy import can

if TYPE_CHECKING:
    from prefiq.testing.applications import create_tables, make_application
    from prefiq.testing.client import Client, client_for
    from prefiq.testing.domain_contract import DomainContract
    from prefiq.testing.tenancy_contract import TenancyContract

__all__ = [
    "Client",
    "DomainContract",
    "FrozenClock",
    "TenancyContract",
    "can",
    "client_for",
    "create_tables",
    "make_application",
]

_LATER = {
    "Client": "client",
    "DomainContract": "domain_contract",
    "TenancyContract": "tenancy_contract",
    "client_for": "client",
    "create_tables": "applications",
    "make_application": "applications",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found
