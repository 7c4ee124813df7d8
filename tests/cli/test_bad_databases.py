"""Databases that cannot be used: locked, ahead of the code, in a place that is none; and a broken prefiq.toml."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def writer(application: Path) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of a write."""
    connection = sqlite3.connect(application / "demo.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_locked_database_stops_writers_only(within, writer: sqlite3.Connection) -> None:
    """Who writes is told to try again (exit code 6), who reads is served; nothing is half-written."""
    refused = within("tenants", "create", "globex", env={"DB_BUSY_TIMEOUT": "0.1"})
    assert refused.exit_code == 6
    assert "[PFQ401]" in refused.stderr
    assert within("run", "sanity").exit_code == 0
    writer.execute("ROLLBACK")
    assert [row["key"] for row in json.loads(within("tenants", "list", "--json").stdout)] == ["acme"]


@pytest.mark.parametrize(
    "command", [("run", "migrate"), ("run", "sanity"), ("server", "start", "--port", "0")]
)
def test_database_that_newer_code_contracted(within, application: Path, command: tuple[str, ...]) -> None:
    """Code that cannot live with what newer code did says so and touches nothing."""
    migrated_by_newer_code(application, "contract")
    result = within(*command, env={"ENV": "staging"})
    assert result.exit_code == 3
    assert "[PFQ608]" in result.output or "PFQ608" in result.output


def test_database_that_newer_code_expanded(within, application: Path) -> None:
    """The previous release runs on it, and its status says so."""
    migrated_by_newer_code(application, "expand")
    for command in (
        ("run", "migrate", "--check"),
        ("run", "migrate"),
        ("run", "sanity"),
        ("doctor", "database"),
    ):
        result = within(*command, env={"ENV": "staging"})
        assert result.exit_code == 0, result.output
    status = within("run", "migrate", "--status").stdout
    assert "0008_future" in status
    assert "migrated by a newer release" in status


def migrated_by_newer_code(application: Path, phase: str) -> None:
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute(
            "INSERT INTO prefiq_migration SELECT module, 8, '0008_future', checksum, applied_at, duration, ? "
            "FROM prefiq_migration WHERE module = 'projects'",
            [phase],
        )
    connection.close()


def test_database_in_a_place_that_is_none(within, tmp_path: Path) -> None:
    """A folder that does not exist is not made."""
    result = within("run", "migrate", env={"DB_NAME": str(tmp_path / "nowhere/some.db")})
    assert result.exit_code == 3
    assert "[PFQ403]" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_broken_composition(within, application: Path) -> None:
    """A prefiq.toml that is no TOML is told with its place."""
    (application / "prefiq.toml").write_text('apps = ["projects"\n')
    result = within("apps", "list")
    assert result.exit_code == 3
    assert "[PFQ107]" in result.stderr
