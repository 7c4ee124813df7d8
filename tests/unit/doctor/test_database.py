"""What ``doctor database`` finds in an engine's settings, files and disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prefiq.doctor.database import sqlite
from prefiq.settings import Settings

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  as shutil's own


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Any]:
    """A connection as it is when nobody has prepared it: no foreign keys, no WAL."""
    driver = sqlite3.connect(tmp_path / "plain.db")
    driver.execute("CREATE TABLE note (id)")
    yield SimpleNamespace(connection=driver)
    driver.close()


@pytest.fixture
def manager() -> Any:
    """What the check asks of a connection manager."""
    return SimpleNamespace(kind=lambda _: SimpleNamespace(driver_error=sqlite3.Error))


def database_in(folder: Path, **more: Any) -> Any:
    """Settings of a database in a folder."""
    return Settings.for_test(folder, **{"DB_NAME": "some.db", **more}).database


def ids(findings: Iterator[Any]) -> list[str]:
    """The identifiers found."""
    return [finding.id for finding in findings]


def test_connection_that_nobody_prepared_is_noticed(plain: Any, manager: Any, tmp_path: Path) -> None:
    """Foreign keys that are off are an error, another journal than WAL is a warning."""
    found = list(sqlite.engine_settings(manager, plain, database_in(tmp_path)))
    assert [(f.id, f.level) for f in found] == [("PFQ-D201", "error"), ("PFQ-D202", "warning")]


def test_prepared_connection_is_well(plain: Any, manager: Any, tmp_path: Path) -> None:
    """With both as they should be nothing is found."""
    plain.connection.execute("PRAGMA foreign_keys=ON")
    plain.connection.execute("PRAGMA journal_mode=WAL")
    assert ids(sqlite.engine_settings(manager, plain, database_in(tmp_path))) == []


def test_memory_needs_no_wal(plain: Any, manager: Any, tmp_path: Path) -> None:
    """A database in memory has no journal file."""
    plain.connection.execute("PRAGMA foreign_keys=ON")
    assert ids(sqlite.engine_settings(manager, plain, database_in(tmp_path, DB_NAME=":memory:"))) == []


def test_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite writes the file and, beside it, its log: both rights are needed."""
    (tmp_path / "some.db").touch(mode=0o600)
    for closed in (tmp_path, tmp_path / "some.db"):
        monkeypatch.setattr(os, "access", lambda path, mode, closed=closed: Path(path) != closed)
        assert ids(sqlite.files(database_in(tmp_path), production=False)) == ["PFQ-D210"]


@pytest.mark.parametrize(
    ("mode", "production", "found"), [(0o644, True, ["PFQ-D211"]), (0o640, True, []), (0o644, False, [])]
)
def test_file_that_others_read(tmp_path: Path, mode: int, production: bool, found: list[str]) -> None:
    """In production a file that the world can read is a warning."""
    (tmp_path / "some.db").touch()
    (tmp_path / "some.db").chmod(mode)
    assert ids(sqlite.files(database_in(tmp_path), production=production)) == found


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than 256 MiB, or than the file itself, is too little for a migration."""
    (tmp_path / "some.db").write_bytes(b"x" * 5000)
    (tmp_path / "some.db").chmod(0o600)
    for free, least, found in ((999, 1000, True), (4999, 1000, True), (5000, 1000, False)):
        monkeypatch.setattr(sqlite, "LEAST_FREE", least)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(0, 0, free))
        assert ids(sqlite.files(database_in(tmp_path), production=False)) == ["PFQ-D212"] * found


def test_missing_file_is_left_to_the_connection(tmp_path: Path) -> None:
    """What does not exist has no rights to look at."""
    assert ids(sqlite.files(database_in(tmp_path), production=True)) == []


def test_open_files_of_tenants() -> None:
    """Three for each connection, and some besides; no limit is never too low."""
    [finding] = sqlite.open_files(48, 200)
    assert (finding.id, finding.level) == ("PFQ-D213", "warning")
    assert finding.what == "A process may have 200 files open, and tenants' files may need 208"
    assert list(sqlite.open_files(48, 208)) == []
    assert list(sqlite.open_files(10_000, 0)) == []
