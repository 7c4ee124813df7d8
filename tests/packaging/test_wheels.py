"""What is published is whole: wheels of the core and of every module, installed outside the repository."""

from __future__ import annotations

import email
import hashlib
import os
import sqlite3
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]

pytestmark = [pytest.mark.slow, pytest.mark.packaging]


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """What the command prints; it has to succeed."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def name_of(package: Path) -> str:
    """The distribution's name as a file name has it."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["name"]).replace("-", "_")


def build(folder: Path, before: str = "") -> dict[str, Path]:
    """Every wheel, built as dev.py builds them, by the distribution's name.

    Args:
        folder: Where to put them.
        before: What the building process runs first.
    """
    # 2026-01-02 03:04:05 UTC; zip counts in steps of two seconds.
    before = "import os; os.environ['SOURCE_DATE_EPOCH'] = '1767323045'\n" + before
    script = before + (
        "import sys; from pathlib import Path; sys.path.insert(0, '.'); import dev; "
        "print(*dev.build_wheels(dev.Environment(Path(sys.prefix)), [dev.ROOT, *dev.MODULES], "
        "Path(sys.argv[1])), sep='\\n')"
    )
    printed = run([sys.executable, "-c", script, folder], ROOT)
    return {Path(line).name.split("-")[0]: Path(line) for line in printed.splitlines()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every wheel, by the distribution's name."""
    return build(tmp_path_factory.mktemp("wheels"))


def test_wheels_are_the_same_bytes_whoever_builds_them(wheels: dict[str, Path], tmp_path: Path) -> None:
    """Built again at another time, in another zone and language, by somebody whose files nobody else may read."""
    elsewhere = (
        "import os; os.umask(0o077); os.environ.update(TZ='Asia/Kolkata', LC_ALL='C', PYTHONHASHSEED='7')\n"
    )
    again = build(tmp_path, elsewhere)
    assert {name: digest(path) for name, path in again.items()} == {
        name: digest(path) for name, path in wheels.items()
    }
    # Nothing in them is of the day on which they were built.
    for path in wheels.values():
        assert {info.date_time for info in zipfile.ZipFile(path).infolist()} == {(2026, 1, 2, 3, 4, 4)}


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_wheel_holds_every_source_file(wheels: dict[str, Path]) -> None:
    """Templates, assets, migrations and type markers are inside; tests and caches are not."""
    for package in PACKAGES:
        inside = set(zipfile.ZipFile(wheels[name_of(package)]).namelist())
        sources = {
            path.relative_to(package / "src").as_posix()
            for path in (package / "src").rglob("*")
            if path.is_file()
            and not {"__pycache__", ".mypy_cache"} & set(path.parts)
            and ".egg-info" not in str(path)
        }
        assert {name for name in inside if ".dist-info/" not in name} == sources


def test_wheel_tells_what_it_is(wheels: dict[str, Path]) -> None:
    """Licence, README, types and Python version stand in the metadata; a module needs the core."""
    for package in PACKAGES:
        with zipfile.ZipFile(wheels[name_of(package)]) as wheel:
            inside = wheel.namelist()
            meta = next(name for name in inside if name.endswith(".dist-info/METADATA"))
            head = email.message_from_bytes(wheel.read(meta))
            entries = next((name for name in inside if name.endswith("/entry_points.txt")), None)
            points = wheel.read(entries).decode() if entries else ""
        assert head["Requires-Python"] == ">=3.11"
        assert head["License-Expression"] == "MIT"
        assert head["Description-Content-Type"] == "text/markdown"
        assert any(name.endswith("/py.typed") for name in inside)
        if package == ROOT:
            assert "prefiq = prefiq.cli.__main__:main" in points
        else:
            assert "[prefiq.apps]" in points
            assert any(need.startswith("prefiq") for need in head.get_all("Requires-Dist", []))


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheels alone; the folder of its programs."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=True)
    bin_ = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    core = wheels["prefiq"]
    others = [path for path in wheels.values() if path != core]
    run([bin_ / "python", "-m", "pip", "install", "--quiet", f"{core}[server]", *others], folder)
    return bin_


def test_wheels_work_in_an_empty_environment(
    wheels: dict[str, Path], installed: Path, tmp_path: Path
) -> None:
    """Installed from wheels alone, requirements agree, and every room and module can be imported."""
    bin_, others = installed, [path for name, path in wheels.items() if name != "prefiq"]
    run([bin_ / "python", "-m", "pip", "check"], tmp_path)
    code = (
        "import importlib, importlib.metadata as m, pkgutil, prefiq\n"
        "for room in pkgutil.iter_modules(prefiq.__path__):\n"
        "    if room.name != 'testing':\n"  # needs prefiq[testing]
        "        importlib.import_module('prefiq.' + room.name)\n"
        "for name in prefiq.__all__:\n"
        "    getattr(prefiq, name)\n"
        "print(prefiq.__file__)\n"
        "print(*sorted(p.name for p in m.entry_points(group='prefiq.apps') if p.load()))\n"
    )
    where, apps = run([bin_ / "python", "-W", "error", "-c", code], tmp_path).splitlines()
    assert Path(where).is_relative_to(installed.parent)
    assert len(apps.split()) >= len(others)
    assert "Usage" in run([bin_ / "prefiq", "--help"], tmp_path)


def test_removing_a_module_leaves_the_rest_working_and_its_rows_untouched(
    wheels: dict[str, Path], installed: Path, tmp_path: Path
) -> None:
    """Uninstalled but listed, it is named; unlisted, the application works and the tables are as they were."""
    prefiq, pip = installed / "prefiq", [installed / "python", "-m", "pip", "--quiet"]
    run([prefiq, "new", "shop", "--apps", "projects,masters"], tmp_path)
    shop = tmp_path / "shop"
    run([prefiq, "run", "migrate"], shop)
    run([prefiq, "tenants", "create", "acme"], shop)
    before = rows_of(shop, "masters_country")
    assert before == 249

    run([*pip, "uninstall", "--yes", "prefiq-masters"], tmp_path)
    try:
        broken = subprocess.run(
            [prefiq, "run", "sanity"], cwd=shop, capture_output=True, text=True, check=False
        )
        assert broken.returncode == 3
        assert "masters" in broken.stderr
        assert "Traceback" not in broken.stderr

        composition = shop / "prefiq.toml"
        kept = [line for line in composition.read_text().splitlines() if '"masters"' not in line]
        composition.write_text("\n".join(kept))
        run([prefiq, "run", "sanity"], shop)
        run([prefiq, "run", "migrate"], shop)
        assert rows_of(shop, "masters_country") == before
        assert "masters" in run([prefiq, "run", "migrate", "--status"], shop)
    finally:
        run([*pip, "install", "--no-deps", wheels["prefiq_masters"]], tmp_path)


def rows_of(folder: Path, table: str) -> int:
    """How many rows a table of the folder's database has."""
    (file,) = folder.glob("*.db")
    connection = sqlite3.connect(file)
    try:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        connection.close()
    return count
