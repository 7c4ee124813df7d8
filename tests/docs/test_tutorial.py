"""The tutorial's package works: its files are taken from the page, installed, tested, migrated and served."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorial/first-module.md"
FILES = ("src/acme_repairs/repair.py", "src/acme_repairs/provider.py", "tests/test_repairs.py")
DIST_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: acme-repairs\nVersion: 0.1.0\nRequires-Dist: prefiq\n",
    "entry_points.txt": "[prefiq.apps]\nrepairs = acme_repairs.provider:RepairsProvider\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder that a reader has after writing down the page's blocks, and installing it."""
    page = PAGE.read_text(encoding="utf-8")
    folder = tmp_path / "acme-repairs"
    toml = re.search(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert toml
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    texts = dict(zip(FILES, blocks, strict=True))
    for name, text in {**texts, "pyproject.toml": toml[1], "src/acme_repairs/__init__.py": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    installed = folder / "src/acme_repairs-0.1.0.dist-info"
    installed.mkdir()
    for name, text in DIST_INFO.items():
        (installed / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, package: Path, *command: str) -> str:
    """What a command prints that succeeds."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    path = [str(package / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    environment |= {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counted(text: str) -> str:
    """The text without its numbers."""
    return re.sub(r"\d+", "N", text)


def test_the_packages_own_tests_pass(package: Path) -> None:
    """The tests on the page run with the fixtures that the page names."""
    said = run(package, package, "pytest", "-q", "-p", "no:cacheprovider")
    assert "3 passed" in said
    assert "3 passed" in PAGE.read_text(encoding="utf-8")


def test_the_application_is_made_migrated_and_sane(package: Path) -> None:
    """The commands of the page, in order; what they print is what the page shows."""
    page, prefiq = PAGE.read_text(encoding="utf-8"), "prefiq.cli"
    run(package.parent, package, prefiq, "new", "shop", "--apps", "repairs")
    shop = package.parent / "shop"
    # How many bindings there are is nobody's promise.
    assert counted(run(shop, package, prefiq, "doctor", "boot")) in counted(page)
    written = run(shop, package, prefiq, "lowcode", "makemigrations", "repairs")
    names = [Path(line.split()[-1]).name for line in written.splitlines()]
    assert names == re.findall(r"^wrote …\S*/(\S+)$", page, re.MULTILINE)
    migrated = run(shop, package, prefiq, "run", "migrate")
    for line in re.sub(r" \([\d.]+ s\)", "", migrated).splitlines():
        assert line in page
    assert run(shop, package, prefiq, "tenants", "create", "acme") in page
    assert "All is well" in run(shop, package, prefiq, "run", "sanity")
    assert run(shop, package, prefiq, "token", "--tenant", "acme").count(".") == 2
