"""How the benchmarks measure: contestants interleaved in rounds, the best CPU time of each, ratios between them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

Row = dict[str, object]


def interleaved(
    contestants: Mapping[str, Callable[[], object]], *, rounds: int = 7, number: int = 1
) -> dict[str, float]:
    """Seconds of thread CPU time per call of each contestant: the least of all rounds.

    Args:
        contestants: Name → what is measured, called without arguments.
        rounds: How often each gets its turn; turns alternate, so that a disturbance hits all alike.
        number: Calls per turn.
    """
    best = dict.fromkeys(contestants, float("inf"))
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            gc.collect()
            gc.disable()
            start = time.thread_time_ns()
            for _ in range(number):
                run()
            spent = time.thread_time_ns() - start
            gc.enable()
            best[name] = min(best[name], spent / number / 1e9)
    return best


def row(what: str, measured: float, unit: str, target: float | None, peer: str = "") -> Row:
    """One result; it holds when it is not above the target (a row without a target holds)."""
    return {
        "what": what,
        "measured": round(measured, 3),
        "unit": unit,
        "target": target,
        "peer": peer,
        "holds": target is None or measured <= target,
    }
