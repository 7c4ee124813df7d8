"""``Plan``: a statement that was compiled for scopes, and the function that binds its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Into", "Plan"]


@dataclass(frozen=True, slots=True)
class Into:
    """Where the values of an insert go, for engines that take many rows another way than by statements.

    Args:
        table: As the statement names it, quoted where it needs to be.
        columns: The same, in the order of the values.
        kinds: What each holds, as in ``FieldType.kind``.
    """

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One compiled statement; ``ModelPlans`` makes it with the scoped compiler, and nobody else should.

    The executor hands its text to the driver as it is: that it confines its rows is known from how it was
    made.

    Args:
        sql: Text in the driver's own style.
        bind: Makes the driver's values; its first argument is the tenant's key.
        into: Of an insert.
    """

    sql: str
    bind: Callable[..., Any]
    into: Into | None = None
