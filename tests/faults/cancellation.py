"""Cancelling a task where it waits the n-th time, for every n: as SQLite's own tests fail every allocation."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

__all__ = ["cancelled_everywhere"]

MOST_PLACES = 500


async def cancelled_everywhere(
    work: Callable[[], Awaitable[Any]], times: int
) -> AsyncIterator[tuple[int, str]]:
    """Run it again and again, cancelled one await later each time, until it is done before it comes to that.

    Args:
        work: Begins it anew.
        times: At how many awaits in a row it is cancelled: 1 as asyncio does it, or many as impatient
            callers and task groups may.

    Yields:
        The number of the await, and how it ended: ``"cancelled"``, ``"done"`` (although it was cancelled), or
        ``"untouched"`` for the last one.
    """
    for place in range(MOST_PLACES):
        task = asyncio.create_task(_run(work(), place, times))
        try:
            end = "done" if await task else "untouched"
        except asyncio.CancelledError:
            assert task.cancelled()
            end = "cancelled"
        yield place, end
        if end == "untouched":
            return
    raise AssertionError("it waits for ever")


async def _run(work: Awaitable[Any], place: int, times: int) -> bool:
    return await _cancelled_at(work, place, times)


@types.coroutine
def _cancelled_at(work: Awaitable[Any], place: int, times: int) -> Generator[Any, Any, bool]:
    """Await it, and cancel the present task where it waits; whether it came so far."""
    task = asyncio.current_task()
    assert task is not None
    steps = work.__await__()
    count = 0
    step: Callable[[Any], Any] = steps.send
    value: Any = None
    while True:
        try:
            waits_for = step(value)
        except StopIteration:
            return count > place
        if place <= count < place + times:
            task.cancel()  # it is raised as soon as the task would wait
        count += 1
        try:
            value, step = (yield waits_for), steps.send
        except BaseException as error:  # noqa: BLE001  it belongs to what waits
            value, step = error, steps.throw
