"""``make_application``: a handful of files, all or nothing."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from prefiq.scaffold import BadName, CannotWrite, FolderInUse, application_folder, make_application
from prefiq.settings import load


def test_writes_at_most_eight_files(tmp_path: Path) -> None:
    """A new application is small enough to read."""
    files = make_application(tmp_path / "demo")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == files
    assert len(files) <= 8


def test_settings_load_without_fault(tmp_path: Path) -> None:
    """What is written is what the settings accept: development, SQLite, a key, the listed modules."""
    make_application(tmp_path / "demo", apps=["projects", "masters"])
    settings = load(tmp_path / "demo", {})
    assert settings.env == "development"
    assert settings.database.path == tmp_path / "demo" / "demo.db"
    assert [app.name for app in settings.apps] == ["projects", "masters"]
    assert len(settings.jwt_keys[0].reveal()) >= 32
    assert settings.warnings == ()


def test_key_is_random_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    """Each application has a key of its own, in a file of mode 600."""
    keys = set()
    for name in ("one", "two"):
        make_application(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name / ".env").stat().st_mode) == 0o600
        keys.add(load(tmp_path / name, {}).jwt_keys[0].reveal())
    assert len(keys) == 2


def test_composition_holds_no_secret(tmp_path: Path) -> None:
    """The key stands in .env alone, which .gitignore keeps out of version control."""
    files = make_application(tmp_path / "demo")
    key = load(tmp_path / "demo", {}).jwt_keys[0].reveal()
    assert [file.name for file in files if key in file.read_text()] == [".env"]
    assert ".env" in (tmp_path / "demo/.gitignore").read_text().splitlines()


def test_line_about_a_module_stays_a_comment(tmp_path: Path) -> None:
    """Words of a package's metadata cannot become part of the composition."""
    make_application(tmp_path / "demo", apps=["projects"], modules={"projects": 'nice" ] # apps = []'})
    assert tomllib.loads((tmp_path / "demo/prefiq.toml").read_text()) == {"apps": ["projects"]}


@pytest.mark.parametrize("name", ["a b", ".hidden", "..", "-x", "x" * 64, "a\nb", "käse"])
def test_refuses_a_bad_name(tmp_path: Path, name: str) -> None:
    """The name becomes a folder and stands in files: letters, digits, - and _ only."""
    with pytest.raises(BadName):
        make_application(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_takes_an_empty_folder(tmp_path: Path) -> None:
    """A folder that is there and empty is filled."""
    (tmp_path / "demo").mkdir()
    make_application(tmp_path / "demo")
    assert (tmp_path / "demo/prefiq.toml").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_leaves_alone_what_is_there(tmp_path: Path, kind: str) -> None:
    """A folder with something in it, a file or a link is refused and stays as it was."""
    target = tmp_path / "demo"
    if kind == "folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    elif kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FolderInUse):
        make_application(target)
    assert sorted(tmp_path.rglob("*")) == before


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file cannot be written, none is left, nor a half-made folder."""
    wrote = application_folder._write

    def fails_at_the_last(path: Path, text: str, mode: int) -> None:
        if path.name == "prefiq.toml":
            raise OSError(28, "No space left on device")
        wrote(path, text, mode)

    monkeypatch.setattr(application_folder, "_write", fails_at_the_last)
    with pytest.raises(CannotWrite, match="No space left on device"):
        make_application(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_rights_is_told(tmp_path: Path) -> None:
    """Where the user may not write, the error says so."""
    tmp_path.chmod(0o500)
    with pytest.raises(CannotWrite):
        make_application(tmp_path / "demo")
