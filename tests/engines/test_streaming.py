"""Going over all rows takes the memory and the time of a batch, however many there are."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.stores import DATABASES, Places

from prefiq.contracts import Bound, Page
from prefiq.foundation.entity import Entity
from prefiq.lowcode import Catalog, field

PART = 10_000


class Line(Entity):
    text: str = field(max_length=40)
    number: int


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    made = Places(Catalog.build({"long": (Line,)}))
    yield made
    made.close()


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def stream(places: Places, place: str, rows: int) -> None:
    with places(place) as made:
        lines: Any = made.open(Bound("acme"))(Line)[0]
        for start in range(0, rows, PART):
            lines.save_many([Line(text=f"line {n}", number=n) for n in range(start, start + PART)])
        list(lines.list(Page(limit=1000)).items)  # what is made once is no part of it
        gc.collect()
        tracemalloc.start()
        seen, peaks = 0, []
        for batch in lines.stream():
            seen += len(batch)
            if seen % PART == 0:
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
        tracemalloc.stop()
        assert seen == rows
        assert max(peaks) < 1.3 * peaks[0] + 200_000, peaks


def test_memory_is_that_of_a_batch(places: Places, place: str) -> None:
    stream(places, place, 5 * PART)


@pytest.mark.full
def test_memory_is_that_of_a_batch_over_a_million_rows(places: Places, place: str) -> None:
    stream(places, place, 1_000_000)
