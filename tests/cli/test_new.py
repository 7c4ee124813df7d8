"""``prefiq new``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


@pytest.mark.slow
def test_its_own_test_passes(run, tmp_path: Path) -> None:
    """In its folder, as its owner runs it; a module of one file is found, and one that is broken is a failure."""
    assert run("new", "demo", "--apps", "").exit_code == 0
    demo = tmp_path / "demo"
    assert run("-C", "demo", "lowcode", "new", "bill", "--fields", "number:str!").exit_code == 0
    files = {path.name for path in demo.rglob("*") if path.is_file()}
    passed = own_tests(demo)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed" in passed.stdout
    made = {path.name for path in demo.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert made == files  # its database is none of the folder's
    (demo / "bill.py").write_text("models = (\n")
    assert own_tests(demo).returncode == 1


def own_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """``pytest`` in a folder, in a process of its own."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    hidden = ("PYTEST_", "COVERAGE_", "COV_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
