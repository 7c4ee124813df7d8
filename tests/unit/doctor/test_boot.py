"""What ``doctor boot`` finds in settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefiq.doctor.boot import file_permissions, settings_warnings
from prefiq.settings import Settings, load


def test_nobody_can_come_in(tmp_path: Path) -> None:
    """Without a key and without an issuer no token is accepted."""
    settings = Settings.for_test(tmp_path, JWT_SECRET_KEY=None, APPS=["projects"])
    assert [found.id for found in settings_warnings(settings)] == ["PFQ-D101"]


def test_nothing_to_serve(tmp_path: Path) -> None:
    """An empty list of modules is probably not meant."""
    assert [found.id for found in settings_warnings(Settings.for_test(tmp_path))] == ["PFQ-D102"]


def test_warnings_of_the_settings_are_findings(tmp_path: Path) -> None:
    """What the loader found odd keeps its code, as a warning."""
    environ = {"ENV": "test", "APPS": "projects", "JWT_SECRET_KEY": "k" * 40, "DB_HOST": "elsewhere"}
    found = list(settings_warnings(load(tmp_path, environ)))
    assert found
    assert {one.level for one in found} == {"warning"}


@pytest.mark.parametrize(("mode", "found"), [(0o600, []), (0o640, ["PFQ-D103"]), (0o604, ["PFQ-D103"])])
def test_env_file_is_for_its_owner(tmp_path: Path, mode: int, found: list[str]) -> None:
    """Group and others may not read the file with the key."""
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)
    assert [one.id for one in file_permissions(Settings.for_test(tmp_path))] == found
