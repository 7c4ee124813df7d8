"""``/livez`` and ``/readyz``: what an orchestrator asks; they tell nothing but yes or no."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from prefiq.bridge import FairSemaphore

__all__ = ["Readiness"]

logger = logging.getLogger("prefiq.web")

FRESH_SECONDS = 1.0


class Readiness:
    """Whether the application should get requests; asked at most once a second, by one at a time.

    Args:
        checks: Each raises where something is missing.
        clock: Monotonic seconds.
    """

    def __init__(
        self, checks: Sequence[Callable[[], None]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks = tuple(checks)
        self._clock = clock
        self._line = FairSemaphore()
        self._until = float("-inf")
        self._ready = False
        self.draining = False

    def recall(self) -> bool | None:
        """The last answer while it is fresh; it does not block."""
        if self.draining:
            return False
        return self._ready if self._clock() < self._until else None

    def ask(self) -> bool:
        """Run the checks, or wait for whoever runs them."""
        with self._line:
            known = self.recall()
            if known is not None:
                return known
            self._ready = all(self._passes(check) for check in self._checks)
            self._until = self._clock() + FRESH_SECONDS
            return self._ready

    def _passes(self, check: Callable[[], None]) -> bool:
        try:
            check()
        except Exception as error:
            logger.warning("not ready: %s", type(error).__name__, exc_info=error)
            return False
        return True
