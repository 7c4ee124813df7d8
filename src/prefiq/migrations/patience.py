"""``Patience``: how long one piece of work waits for what others hold."""

from __future__ import annotations

import time
from collections.abc import Callable

from prefiq.migrations.errors import MigrationLocked

__all__ = ["WAIT", "Patience"]

WAIT = 60.0
"""Seconds, where nobody says another number."""


class Patience:
    """Waits between attempts, a little longer each time, until the time is over.

    Args:
        wait: Seconds in all.
        sleep: Waits so many seconds.
        database: What is waited for, for people.
        first: Seconds before the second attempt.
        longest: Seconds between two attempts at most.
    """

    def __init__(
        self,
        wait: float,
        sleep: Callable[[float], None],
        database: str,
        *,
        first: float = 0.05,
        longest: float = 2.0,
    ) -> None:
        self.wait = wait
        self._sleep = sleep
        self._database = database
        self._pause = first
        self._longest = longest
        self._end = time.monotonic() + wait

    def pause(self, cause: BaseException | None = None) -> None:
        """Wait before the next attempt.

        Raises:
            MigrationLocked: The time is over.
        """
        if time.monotonic() >= self._end:
            raise MigrationLocked(self._database, self.wait) from cause
        self._sleep(self._pause)
        self._pause = min(self._pause * 1.6, self._longest)
