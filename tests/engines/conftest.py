"""A workshop for each test: modules, models and a database that are gone afterwards, on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import servers
from tests.unit.migrations.kit import Workshop


@pytest.fixture
def workshop(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    monkeypatch.syspath_prepend(tmp_path)
    with servers.database(engine, folder=tmp_path) as at:
        yield Workshop(tmp_path, at)
