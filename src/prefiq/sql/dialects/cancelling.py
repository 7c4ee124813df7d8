"""What a task that was cancelled at a COMMIT owes: to wait for it, and to be cancelled behind it."""

from __future__ import annotations

import asyncio

__all__ = ["ENDING", "cancel_again"]

ENDING = 5.0
"""Seconds for which a cancelled task still waits."""


def cancel_again(times: int) -> None:
    """Let the present task be cancelled at its next await, as often as it was."""
    task = asyncio.current_task() if times else None
    if task is not None:
        for _ in range(times):
            task.uncancel()
        for _ in range(times):
            task.cancel()
