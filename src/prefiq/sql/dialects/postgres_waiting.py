"""What a cancelled task still waits for: that a transaction or a cursor of PostgreSQL ends.

Otherwise a transaction is committed, or not, and nobody knows.  The cancellation goes on behind it, at the
task's next await.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from psycopg.abc import PQGen
from psycopg.waiting import wait_async

from prefiq.sql.dialects.cancelling import ENDING, cancel_again

__all__ = ["finished", "to_its_end"]


async def to_its_end(running: PQGen[None], socket: int, patience: float | None) -> None:
    """Wait for what a connection does, whatever happens to the task.

    Args:
        running: psycopg's generator of it.
        socket: The connection's.
        patience: Seconds after which it is given up; None for no end.

    Raises:
        psycopg.Error: It failed, or did not end in time.
    """
    cancelled = 0
    until = math.inf if patience is None else time.monotonic() + patience
    try:
        while True:
            left = None if until == math.inf else max(0.0, until - time.monotonic())
            try:
                await wait_async(running, socket, interval=1.0, timeout=left)
            except asyncio.CancelledError:
                cancelled += 1
                until = min(until, time.monotonic() + ENDING)
            else:
                return
    finally:
        cancel_again(cancelled)


async def finished(running: Awaitable[None], give_up: Callable[[], None]) -> None:
    """Wait for something, whatever happens to the task; slower, as it makes a task of it.

    Args:
        running: What.
        give_up: Lets it end at once.
    """
    task = asyncio.ensure_future(running)
    cancelled = 0
    try:
        while not task.done():
            try:
                await asyncio.wait((task,), timeout=ENDING if cancelled else None)
                if not task.done():
                    give_up()
            except asyncio.CancelledError:
                cancelled += 1
            except BaseException:  # nothing can wait any more
                give_up()
                raise
    finally:
        cancel_again(cancelled)
    task.result()
