"""Several things at once: in threads, or as tasks where the test runs in the bridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["together"]

T = TypeVar("T")


def together(works: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each function returns or raises, in their order; all of them begin before one ends.

    Args:
        works: Functions that share nothing but the database.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from prefiq.bridge import await_, call, in_bridge

    def attempt(work: Callable[[], T]) -> T | Exception:
        try:
            return work()
        except Exception as error:  # noqa: BLE001  it is the result
            return error

    if in_bridge():

        async def gathered() -> list[T | Exception]:
            return await asyncio.gather(*(call(attempt, work) for work in works))

        return await_(gathered())
    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(attempt, works))
