"""``prefiq new``."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from prefiq.cli import installed


@pytest.fixture(autouse=True)
def two_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if two modules were installed."""
    monkeypatch.setattr(installed, "installed_modules", lambda: {"masters": "Lookups.", "projects": "Work."})


def test_lists_the_installed_modules(run, tmp_path: Path) -> None:
    """Without --apps the new application lists what is installed, and the next command is shown."""
    result = run("new", "demo")
    assert result.exit_code == 0, result.output
    assert tomllib.loads((tmp_path / "demo/prefiq.toml").read_text()) == {"apps": ["masters", "projects"]}
    assert "Next: cd demo && prefiq server start" in result.stdout


def test_json(run, tmp_path: Path) -> None:
    """--json tells the folder, the files and the modules."""
    data = json.loads(run("new", "demo", "--apps", "projects", "--json").stdout)
    assert data["folder"] == str(tmp_path / "demo")
    assert data["apps"] == ["projects"]
    assert all(Path(file).is_file() for file in data["files"])


def test_unknown_modules_are_told_together(run, tmp_path: Path) -> None:
    """Every unknown name is reported, with the nearest, and nothing is written."""
    result = run("new", "demo", "--apps", "projcts,crm")
    assert result.exit_code == 3
    assert 'did you mean "projects"?' in result.stderr
    assert '"crm"' in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_empty_list(run, tmp_path: Path) -> None:
    """``--apps ""`` makes an application without modules."""
    assert run("new", "demo", "--apps", "").exit_code == 0
    assert tomllib.loads((tmp_path / "demo/prefiq.toml").read_text()) == {"apps": []}


def test_folder_option_is_where_it_is_made(run, tmp_path: Path) -> None:
    """--folder names the parent."""
    (tmp_path / "there").mkdir()
    assert run("-C", "there", "new", "demo").exit_code == 0
    assert (tmp_path / "there/demo/.env").is_file()


def test_folder_in_use(run, tmp_path: Path) -> None:
    """What is there stays."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/mine").write_text("mine")
    result = run("new", "demo")
    assert result.exit_code == 1
    assert "[PFQ821]" in result.stderr
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["mine"]
