"""Clocks: the system's, and one that stands still for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["FrozenClock", "SystemClock"]


class SystemClock:
    """``IClock`` over the machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)


class FrozenClock:
    """``IClock`` that stands still until it is moved.

    Args:
        at: The instant, as a datetime or ISO 8601 text; UTC where it names no zone.
    """

    def __init__(self, at: datetime | str = "2026-01-01T00:00:00+00:00") -> None:
        instant = datetime.fromisoformat(at) if isinstance(at, str) else at
        self._at = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

    def now(self) -> datetime:
        """The instant it stands at."""
        return self._at

    def tick(self, seconds: float = 1.0) -> None:
        """Move it forward."""
        self._at += timedelta(seconds=seconds)
