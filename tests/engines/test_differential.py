"""One random sequence of operations gives the same results, errors and rows in memory and on every database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from typing import Any

import pytest
from tests.engines import operations
from tests.engines.operations import Generator, Owner, Player, are_alike
from tests.stores import DATABASES, Places

from prefiq.contracts import Bound, UniqueViolation

SEEDS = range(12)
LENGTH = 120
_expected: dict[int, tuple[Any, Any]] = {}


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    made = Places(operations.catalog())
    yield made
    made.close()


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def played(places: Places, place: str, seed: int, length: int) -> tuple[Any, Any]:
    sequence = Generator(random.Random(seed)).operations(length)
    with places(place) as made:
        player = Player(made)
        player.play(sequence)
        return player.said, player.rows()


def check(places: Places, place: str, seed: int, length: int) -> None:
    said, rows = played(places, place, seed, length)
    expected_said, expected_rows = played(places, "memory", seed, length)
    for number, (one, other) in enumerate(zip(said, expected_said, strict=True)):
        assert are_alike(one, other), f"seed {seed}, step {number} (here, then in memory)"
    assert rows == expected_rows, f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_database_does_what_memory_does(places: Places, place: str, seed: int) -> None:
    """Values, order, pages, versions, children, references, errors with model and fields, transactions."""
    check(places, place, seed, LENGTH)


def test_a_connection_serves_on_after_refused_bulks(places: Places, place: str) -> None:
    """Statements are prepared in the middle of what is refused, on the server or in the driver alone."""
    with places(place) as made:
        owners, transactions = made.open(Bound("acme"))(Owner)
        owners.save(Owner(name="taken", born=None))
        for number in range(6):
            for nested in (False, True):
                with transactions.tx() if nested else nullcontext():
                    born = date(2000, 1, 1 + number)
                    refused = [
                        Owner(name="taken", born=None),
                        Owner(name="new", born=born),
                        Owner(name="newer", born=None),
                    ]
                    with pytest.raises(UniqueViolation):
                        owners.save_many(refused[number % 2 :][::-1] + refused[: number % 2])
                    if number % 3 == 0:
                        owners.save_many([Owner(name=f"{number}{nested:d}{n}", born=born) for n in range(3)])
                    owners.save(Owner(name=f"{number}{nested:d}", born=born))
        assert owners.count() == 1 + 12 + 12


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1000, 1100))
def test_a_database_does_what_memory_does_for_long(places: Places, place: str, seed: int) -> None:
    """The same, a hundred times as much."""
    check(places, place, seed, 10 * LENGTH)
