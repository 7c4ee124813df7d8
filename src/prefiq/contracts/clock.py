"""``IClock``: where time comes from, so that a test can stop it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

__all__ = ["IClock"]


class IClock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC, at microseconds."""
        ...
