"""The index of installed apps on disk: used while it holds, and never trusted further."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefiq.plugins import entry_points, index_file
from prefiq.plugins.entry_points import installed_apps

if TYPE_CHECKING:
    from tests.unit.plugins.conftest import Install


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was just written counts as settled, and the process has not looked yet."""
    monkeypatch.setattr(entry_points, "SETTLED_NS", 0)
    monkeypatch.delenv("PREFIQ_INDEX", raising=False)
    entry_points._kept.clear()


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each time that everything is looked through."""
    seen: list[object] = []
    scan = entry_points._scan
    monkeypatch.setattr(entry_points, "_scan", lambda paths: (seen.append(paths), scan(paths))[1])
    return seen


def another_process() -> None:
    entry_points._kept.clear()


def the_file() -> Path:
    (file,) = Path(index_file.directory()).glob("apps-*.json")
    return file


def test_second_process_does_not_look_again(install: Install, scans: list[object]) -> None:
    """It reads what the first one left, with everything that is asked of it."""
    install("things", version="1.4", requires=("packaging>=1",))
    first = installed_apps(["things"])
    another_process()
    second = installed_apps(["things"])
    assert second == first
    assert second.by_name["things"][0].requires == ("packaging>=1",)
    assert "packaging" in second.versions
    assert len(scans) == 1


def test_new_package_is_seen(install: Install, scans: list[object]) -> None:
    """Its directory changed, so everything is read anew."""
    install("things")
    installed_apps(["things"])
    another_process()
    install("more")
    assert set(installed_apps(["things", "more"]).by_name) >= {"things", "more"}
    assert len(scans) == 2


def test_metadata_edited_in_place_is_seen(install: Install, scans: list[object]) -> None:
    """No directory of the import path changes then, only the file of a listed app."""
    site = install("things")
    installed_apps(["things"])
    another_process()
    file = site / "acme_things-1.0.dist-info" / "entry_points.txt"
    file.write_text("[prefiq.apps]\nthings = acme_things:Other\n")
    os.utime(file, ns=(1, 1))
    (entry,) = installed_apps(["things"]).by_name["things"]
    assert entry.reference == "acme_things:Other"
    assert len(scans) == 2


def test_app_that_is_not_known_is_looked_for(install: Install, scans: list[object]) -> None:
    """An old file may not know it: metadata of an unlisted package may have changed in place."""
    site = install("things", apps={})
    (site / "acme_things-1.0.dist-info" / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n")
    installed_apps()
    another_process()
    (site / "acme_things-1.0.dist-info" / "entry_points.txt").write_text("[prefiq.apps]\nthings = x:Y\n")
    assert "things" in installed_apps(["things"]).by_name
    assert len(scans) == 2


def test_what_just_changed_is_not_kept(
    install: Install, scans: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within the clock's tick would not be seen."""
    monkeypatch.setattr(entry_points, "SETTLED_NS", 10**15)
    install("things")
    installed_apps(["things"])
    installed_apps(["things"])
    assert len(scans) == 2
    assert not Path(index_file.directory()).exists()


def test_it_can_be_switched_off(
    install: Install, scans: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``PREFIQ_INDEX=0`` looks each time and leaves nothing."""
    monkeypatch.setenv("PREFIQ_INDEX", "0")
    install("things")
    installed_apps(["things"])
    installed_apps(["things"])
    assert len(scans) == 2
    assert not Path(index_file.directory()).exists()


def damage_format(data: dict[str, Any]) -> None:
    data["format"] = -1


def damage_directories(data: dict[str, Any]) -> None:
    data["directories"][0][1] += 1


def damage_entries(data: dict[str, Any]) -> None:
    data["entries"][0][1] = 7


def damage_versions(data: dict[str, Any]) -> None:
    del data["versions"]


def damage_files(data: dict[str, Any]) -> None:
    data["files"] = [1]


@pytest.mark.parametrize(
    "damage", [damage_format, damage_directories, damage_entries, damage_versions, damage_files]
)
def test_file_that_does_not_fit_counts_as_missing(install: Install, scans: list[object], damage: Any) -> None:
    """Of another version, of another import path, or of another shape."""
    install("things")
    installed_apps(["things"])
    another_process()
    file = the_file()
    data = json.loads(file.read_text())
    damage(data)
    file.write_text(json.dumps(data))
    assert "things" in installed_apps(["things"]).by_name
    assert len(scans) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff"])
def test_corrupt_file_counts_as_missing(install: Install, scans: list[object], text: str) -> None:
    """Cut off, empty or no JSON at all."""
    install("things")
    installed_apps(["things"])
    another_process()
    the_file().write_bytes(text.encode("latin-1"))
    assert "things" in installed_apps(["things"]).by_name
    assert len(scans) == 2


def planted(file: Path) -> None:
    """What somebody else would like to be imported."""
    data = json.loads(file.read_text())
    data["entries"] = [["things", "evil:Provider", "evil", "1", [], ""]]
    data["files"] = {"things": []}
    file.write_text(json.dumps(data))


def open_file(file: Path) -> None:
    file.chmod(0o666)


def open_folder(file: Path) -> None:
    file.parent.chmod(0o777)


def link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def foreign(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(file, 12345, 12345)


def foreign_folder(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(file.parent, 12345, 12345)


@pytest.mark.parametrize("how", [open_file, open_folder, link, foreign, foreign_folder])
def test_file_that_others_could_have_written_is_not_used(
    install: Install, scans: list[object], how: Any
) -> None:
    """What it holds decides what is imported."""
    install("things")
    installed_apps(["things"])
    another_process()
    planted(the_file())
    another_process()
    (entry,) = installed_apps(["things"]).by_name["things"]
    assert entry.reference == "evil:Provider", "the planted file would work"
    another_process()
    how(the_file())
    (entry,) = installed_apps(["things"]).by_name["things"]
    assert entry.reference == "acme_things:Provider"


def test_no_place_for_it_is_no_fault(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home, or with one that cannot be written, looks each time."""
    install("things")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert "things" in installed_apps(["things"]).by_name
    another_process()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    assert index_file.directory() == ""
    assert "things" in installed_apps(["things"]).by_name


def test_old_files_go(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import paths that are no longer used leave no heap behind."""
    folder = Path(index_file.directory())
    folder.mkdir(parents=True, mode=0o700)
    for number in range(40):
        old = folder / f"apps-{number}.json"
        old.write_text("{}")
        os.utime(old, (number, number))
    install("things")
    installed_apps(["things"])
    names = {file.name for file in folder.iterdir()}
    assert len(names) == index_file.MOST_FILES
    assert "apps-39.json" in names
    assert "apps-0.json" not in names


@pytest.mark.slow
def test_two_thousand_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among 2000 packages: at most 0.5 ms from the file and 20 ms without; allowed twice that on a shared machine."""
    site = tmp_path / "site"
    site.mkdir()
    for number in range(2000):
        info = site / f"dist_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{number}\nVersion: 1.0\n\n")
        group = "prefiq.apps" if number % 200 == 0 else "console_scripts"
        (info / "entry_points.txt").write_text(f"[{group}]\napp{number} = dist_{number}:Provider\n")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    listed = [f"app{number}" for number in range(0, 2000, 200)]

    def cost(prepare: Any, times: int) -> float:
        best = 1.0
        for _ in range(times):
            prepare()
            begun = time.thread_time()
            assert set(installed_apps(listed).by_name) >= set(listed)
            best = min(best, time.thread_time() - begun)
        return best

    def forget() -> None:
        another_process()
        for file in Path(index_file.directory()).glob("apps-*"):
            file.unlink()

    assert cost(forget, 5) <= 0.040
    assert cost(another_process, 20) <= 0.001
