"""The commands that visit the databases of tenants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run


@pytest.fixture
def placed(within: Run, application: Path) -> Run:
    """The application, with two more tenants that have databases of their own."""
    with (application / ".env").open("a") as file:
        file.write("\nTENANCY=database\n")
    text = (application / ".env").read_text()
    (application / ".env").write_text(text.replace("TENANCY=row\n", ""))
    for key in ("globex", "initech"):
        result = within("tenants", "create", key)
        assert result.exit_code == 0, result.output
    return within


def test_status_and_check_know_them(placed: Run) -> None:
    """At head is told in one line; a check looks into each."""
    result = placed("run", "migrate", "--status")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "2 of 2 tenants' databases are at head"
    result = placed("run", "migrate", "--check")
    assert result.exit_code == 0, result.output
    result = placed("run", "migrate", "--plan")
    assert result.output == "0 to apply\n"


def test_a_database_that_is_gone_is_told(placed: Run, application: Path) -> None:
    """With its tenant and an exit code; the others are served on, and it is not made anew."""
    [path] = application.glob("*_globex.db")
    path.unlink()
    result = placed("run", "migrate", "--tenant", "globex")
    assert result.exit_code == 3, result.output
    assert "tenant globex" in result.output
    assert "PFQ641" in result.output
    assert not path.exists()
    result = placed("run", "migrate", "--check")
    assert result.exit_code != 0
    assert "globex" in result.output
    assert "initech" not in result.output
    result = placed("run", "migrate", "--status")
    assert "1 of 2 tenants' databases are at head" in result.output
    result = placed("run", "migrate", "--tenant", "initech")
    assert result.exit_code == 0, result.output


def test_shared_rows_are_brought(placed: Run) -> None:
    """Nothing is written where nothing changed."""
    result = placed("--json", "tenants", "sync-shared")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)
    assert [(row["tenant"], row["written"], row["error"]) for row in rows] == [
        ("globex", 0, ""),
        ("initech", 0, ""),
    ]


def test_migrate_tells_of_each(placed: Run) -> None:
    """As JSON: what was done in which database."""
    result = placed("--json", "run", "migrate")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert [row["tenant"] for row in told["tenants"]] == ["globex", "initech"]
    assert told["applied"] == []
