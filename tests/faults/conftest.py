"""A shop on each engine in each mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults import kit
from tests.faults.kit import Shop, open_shop
from tests.servers import Database


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_interruptions() -> Iterator[None]:
    yield
    kit.between_statements.clear()
