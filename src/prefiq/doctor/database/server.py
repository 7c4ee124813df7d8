"""Findings that both servers share, from figures that each is asked for in words of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prefiq.doctor.database.situation import Situation
from prefiq.doctor.database.sqlite import little_room
from prefiq.doctor.finding import Finding

__all__ = ["clock", "connections", "disk", "encryption", "listed", "setting", "statement_timeout"]

CLOCK = 2.0
"""Seconds that the server's clock may differ from this machine's."""


def setting(
    situation: Situation, found: Iterable[tuple[str, object, object]], cause: str
) -> Iterator[Finding]:
    """Settings of a connection that are not what it asked for.

    Args:
        situation: Whose.
        found: Name, value, and the wanted value.
        cause: What to look at.
    """
    for name, value, wanted in found:
        if value != wanted:
            yield Finding(
                "PFQ-D235",
                "error",
                f"Connections have {name} = {value}, and asked for {wanted}",
                situation.where,
                cause,
            )


def connections(situation: Situation, limits: Iterable[tuple[str, int]]) -> Iterator[Finding]:
    """Limits that the pools of all processes together exceed; a limit below 1 is none.

    Args:
        situation: Whose.
        limits: What sets the limit, and how many connections it leaves.
    """
    wanted = (situation.database.pool_size + situation.of_tenants) * situation.processes
    budget = f" and DB_MAX_CONNECTIONS ({situation.of_tenants})" if situation.of_tenants else ""
    processes = "1 process opens" if situation.processes == 1 else f"{situation.processes} processes open"
    for name, most in limits:
        if 1 <= most < wanted:
            yield Finding(
                "PFQ-D240",
                "error",
                f"{name} leaves {most} connections, and {processes} up to {wanted}",
                situation.where,
                f"raise {name}, lower {situation.prefix}DB_POOL_SIZE ({situation.database.pool_size}){budget}, or "
                "put a pooler between",
            )


def clock(situation: Situation, now: Callable[[], float]) -> Iterator[Finding]:
    """A clock of the server that differs from this machine's.

    Args:
        situation: Whose.
        now: Asks the server for seconds since 1970.
    """
    before = time.time()
    theirs = now()
    after = time.time()
    ahead = theirs - (before + after) / 2
    if abs(ahead) > CLOCK + (after - before) / 2:
        direction = "ahead of" if ahead > 0 else "behind"
        yield Finding(
            "PFQ-D242",
            "warning",
            f"The server's clock is {abs(ahead):.0f} s {direction} this machine's",
            situation.where,
            "let both follow the same time servers (NTP)",
        )


def encryption(situation: Situation, *, encrypted: bool) -> Iterator[Finding]:
    """A connection that crosses a network in the clear."""
    if not encrypted and not situation.here:
        yield Finding(
            "PFQ-D244",
            "error" if situation.production else "warning",
            "The connection is not encrypted: passwords and rows cross the network in the clear",
            situation.where,
            f"give the server a certificate, and set {situation.prefix}DB_SSL_MODE=verify-full",
        )


def disk(situation: Situation, folder: str) -> Iterator[Finding]:
    """Little room where the server keeps its files; known only where that is this machine."""
    if not situation.here or not folder:
        return
    try:
        free = shutil.disk_usage(Path(folder)).free
    except OSError:  # in a container, or not for this user to see
        return
    yield from little_room(free, 0, folder)


def statement_timeout(situation: Situation) -> Iterator[Finding]:
    """Statements without an end, in production."""
    if situation.production and not situation.database.statement_timeout:
        yield Finding(
            "PFQ-D245",
            "warning",
            "A statement may take for ever: one bad query holds a connection until somebody ends it",
            situation.where,
            f"set {situation.prefix}DB_STATEMENT_TIMEOUT",
        )


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names for a sentence, the first few of them."""
    found = list(names)
    rest = len(found) - most
    return ", ".join(found[:most]) + (f" and {rest} more" if rest > 0 else "")
