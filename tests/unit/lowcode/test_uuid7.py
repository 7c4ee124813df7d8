"""Identifiers made in the process, in order of time."""

import sys
import threading
import time
from uuid import RFC_4122, UUID

from prefiq.lowcode import uuid7


def test_is_a_uuid_of_version_7():
    """Version and variant of RFC 9562."""
    made = uuid7()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_starts_with_the_milliseconds_of_its_making():
    """So that rows of one time stand together."""
    before = time.time_ns() // 1_000_000
    stamp = uuid7().int >> 80
    # A burst of ids counts the last millisecond up, so it may run ahead of the clock by a little.
    assert before <= stamp <= time.time_ns() // 1_000_000 + 1000


def test_each_is_greater_than_those_before():
    """Also many in one millisecond."""
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_make_no_two_alike_and_each_its_own_in_order():
    """The counter is shared under a lock; threads take turns as often as Python lets them."""
    together, made = threading.Barrier(8), {}

    def work(number: int) -> None:
        together.wait(10)
        made[number] = [uuid7() for _ in range(3000)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    everything: list[UUID] = [one for part in made.values() for one in part]
    assert len(set(everything)) == 24_000
    assert all(part == sorted(part) for part in made.values())


def test_a_clock_that_steps_back_does_not_break_the_order(monkeypatch):
    """The last stamp is counted up until the clock has caught up."""
    first = uuid7()
    hour_ago = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: hour_ago)
    assert uuid7() > first


def test_the_rest_is_random():
    """An id cannot be guessed from its neighbour."""
    tails = {uuid7().int & ((1 << 62) - 1) for _ in range(1000)}
    assert len(tails) == 1000
