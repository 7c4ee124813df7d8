"""A workshop for each test: modules, models and a database that are gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.migrations.kit import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.syspath_prepend(tmp_path)
    return Workshop(tmp_path)
