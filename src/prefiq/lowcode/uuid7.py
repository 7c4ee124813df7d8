"""Time-ordered identifiers made in the process: UUID version 7."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

__all__ = ["uuid7"]

_lock = threading.Lock()
_last = 0  # the 60 bits of milliseconds and counter that the newest id carries


def uuid7() -> UUID:
    """A new identifier, greater than every one that this process made before, also if the clock steps back.

    Source: RFC 9562, section 5.7, with a 12-bit counter in ``rand_a`` (section 6.2, method 1).
    """
    global _last  # noqa: PLW0603  the counter is what makes ids of one millisecond ordered
    random = int.from_bytes(os.urandom(10), "big")
    with _lock:
        stamp = (time.time_ns() // 1_000_000) << 12
        # A fresh millisecond starts its counter in the lower half, so that there is room to count up.
        stamp |= (random >> 64) & 0x7FF
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
    return UUID(
        int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | random & (1 << 62) - 1
    )
