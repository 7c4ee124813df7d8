"""``TimeLimit``: one time for many tasks, and one timer for all of them."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["TimeLimit"]


class TimeLimit:
    """Cancels tasks that take too long.

    As ``asyncio.timeout`` around each of them, which costs a tenth of a short request: since all have the same
    time, the one that began first ends first, and only its end needs a timer.

    Args:
        seconds: How long each may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: dict[asyncio.Task[Any], float] = {}
        self._ended: dict[asyncio.Task[Any], int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Let the time of the present task run; call ``end`` in any case."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._until[task] = until = loop.time() + self.seconds
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            self._timer = loop.call_at(until, self._end_the_late, loop)
        return task

    def has_ended(self, task: asyncio.Task[Any]) -> bool:
        """Whether the task was cancelled because its time was over, and by nobody else."""
        return task in self._ended and task.cancelling() <= self._ended[task] + 1

    def end(self, task: asyncio.Task[Any]) -> None:
        """The task is done in time, or was ended."""
        self._until.pop(task, None)
        if self._ended.pop(task, None) is not None:
            task.uncancel()

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Those whose time runs."""
        return {*self._until, *self._ended}

    def _end_the_late(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            return
        self._timer = None
        now = loop.time()
        for task, until in list(self._until.items()):
            if until > now:
                self._timer = loop.call_at(until, self._end_the_late, loop)
                return
            del self._until[task]
            self._ended[task] = task.cancelling()
            task.cancel()
