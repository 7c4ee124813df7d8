from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from prefiq.foundation.clock import FrozenClock, SystemClock


def test_the_systems_clock_is_aware_and_goes_on():
    """UTC, and never the same for long."""
    first = SystemClock().now()
    assert first.tzinfo is UTC
    assert SystemClock().now() >= first


@pytest.mark.parametrize(
    ("at", "instant"),
    [
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T12:00:00+02:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-5))), datetime(2026, 1, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_frozen_clock_stands_at_its_instant_in_utc(at, instant):
    """Text or datetime; UTC where no zone is named."""
    clock = FrozenClock(at)
    assert clock.now() == instant
    assert clock.now().tzinfo is UTC
    assert clock.now() is clock.now()


def test_a_frozen_clock_moves_when_told():
    """By a second, or by as many as are said."""
    clock = FrozenClock("2026-01-01")
    clock.tick()
    clock.tick(0.5)
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_a_frozen_clock_has_a_default():
    """For tests that need any time at all."""
    assert FrozenClock().now() == datetime(2026, 1, 1, tzinfo=UTC)
