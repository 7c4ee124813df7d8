"""``Plan``: a statement that was compiled for scopes, and the function that binds its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One compiled statement; ``ModelPlans`` makes it with the scoped compiler, and nobody else should.

    The executor hands its text to the driver as it is: that it confines its rows is known from how it was
    made.

    Args:
        sql: Text in the driver's own style.
        bind: Makes the driver's values; its first argument is the tenant's key.
    """

    sql: str
    bind: Callable[..., Any]
