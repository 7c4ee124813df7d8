"""The bridge: plain functions that wait without blocking the event loop, for ``DB_MODE=async``.

Repositories, services, hooks and policies are plain ``def``, written once.  ``await call(service.create, …)``
runs one so that everything in it that waits leaves the loop free; ``await_(…)`` awaits from within it.
"""

from prefiq.bridge.fair_semaphore import FairSemaphore
from prefiq.bridge.greenlets import (
    NoBridge,
    await_,
    call,
    in_bridge,
    is_ending,
    iterate,
    pause,
    run,
    suspended,
    who,
)

__all__ = [
    "FairSemaphore",
    "NoBridge",
    "await_",
    "call",
    "in_bridge",
    "is_ending",
    "iterate",
    "pause",
    "run",
    "suspended",
    "who",
]
