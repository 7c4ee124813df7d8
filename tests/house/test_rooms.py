"""The rules of the house (setup.cfg) hold, and would notice a wall being moved."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/prefiq"
SETTLE = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says about the package below ``folder``."""
    return subprocess.run(
        [sys.executable, "-c", SETTLE, "--no-logo", "--no-cache", "--config", "setup.cfg"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its rules, to break."""
    shutil.copytree(PACKAGE, tmp_path / "src/prefiq", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


def test_every_contract_is_kept() -> None:
    """No import of the package breaks a rule."""
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


def test_every_folder_is_a_room_with_a_place() -> None:
    """Each room of the package stands in the layers, and each layer exists."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = set(re.split(r"[\s|:]+", rules["importlinter:contract:layers"]["layers"].strip()))
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert folders | modules == layers


def test_every_room_says_what_it_is_for() -> None:
    """Each room has a docstring that tells a newcomer where they are."""
    silent = [
        str(init.relative_to(PACKAGE))
        for init in PACKAGE.rglob("*/__init__.py")
        if not init.read_text(encoding="utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "statement", "broken"),
    [
        ("contracts/planted.py", "import prefiq.sql", "A room imports only what stands below it"),
        ("lowcode/planted.py", "import prefiq.settings", "A room imports only what stands below it"),
        ("web/planted.py", "import prefiq.migrations", "Web, migrations, scaffold and doctor do not know"),
        ("foundation/entity.py", "import sqlalchemy", "SQLAlchemy stays in sql, migrations"),
        ("foundation/planted.py", "import dependency_injector", "dependency-injector is known to"),
        ("sql/planted.py", "import pluggy", "pluggy is known to the plugin host alone"),
        ("application/planted.py", "import starlette", "Web libraries stay in web"),
        ("attic/__init__.py", "", "prefiq.attic"),
    ],
    ids=["upward", "beside", "siblings", "sqlalchemy", "container", "pluggy", "web", "unplaced-room"],
)
def test_planted_import_is_noticed(copy: Path, file: str, statement: str, broken: str) -> None:
    """Each rule fails, by name, on one import that it forbids."""
    target = copy / "src/prefiq" / file
    target.parent.mkdir(exist_ok=True)
    with target.open("a", encoding="utf-8") as stream:
        stream.write(f"\n{statement}\n")
    result = lint(copy)
    assert result.returncode != 0
    broken_lines = [line for line in result.stdout.splitlines() if broken in line]
    assert any("BROKEN" in line or "attic" in line for line in broken_lines), result.stdout
