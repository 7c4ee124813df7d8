"""``apps.lock``: what was exchanged is stopped before it is imported."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefiq.errors import PrefiqError
from prefiq.plugins import discover
from prefiq.plugins.entry_points import AppEntry, installed_apps
from prefiq.plugins.errors import LockMismatch, LockUnreadable, NotLocked
from prefiq.plugins.lock import LockedApp, changed_files, lock_text, locked, read_lock, record_of

if TYPE_CHECKING:
    from tests.unit.plugins.conftest import Install


def record(site: Path, name: str, *more: str) -> None:
    """Write the package's RECORD as an installer does."""
    rows = [*more]
    for file in (site / f"acme_{name}.py", site / f"acme_{name}-1.0.dist-info" / "METADATA"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()
        rows.append(f"{file.relative_to(site)},sha256={digest},{file.stat().st_size}")
    (site / f"acme_{name}-1.0.dist-info" / "RECORD").write_text("\n".join(rows) + "\n")


def entry(name: str) -> AppEntry:
    (found,) = installed_apps([name]).by_name[name]
    return found


def faults(lock: dict[str, LockedApp], *apps: str) -> list[PrefiqError]:
    return list(discover(apps, lock=lock).faults)


def lock_of(*names: str) -> dict[str, LockedApp]:
    return {app.name: app for app in locked([entry(name) for name in names])}


def test_what_is_locked_loads(install: Install) -> None:
    """Nothing differs, so nothing is said; an app listed by import path has no package to lock."""
    record(install("things"), "things")
    install("own", apps={})
    found = discover(["things", "acme_own:Provider"], lock=lock_of("things"))
    assert found.faults == ()
    assert [module.name for module in found.modules] == ["things", "acme_own"]


def test_other_files_stop_the_boot_before_import(install: Install) -> None:
    """The list of files of the package is not the one that was locked."""
    site = install("things", "raise SystemExit('imported')")
    record(site, "things")
    lock = lock_of("things")
    (site / "acme_things.py").write_text("raise SystemExit('imported, and changed')")
    record(site, "things")
    (fault,) = faults(lock, "things")
    assert isinstance(fault, LockMismatch)
    assert fault.part == "record"
    assert str(fault) == (
        "The files of acme-things 1.0 are not those that apps.lock holds (module things of acme-things 1.0) "
        "[PFQ344]\n  Try: install what is locked, or, if the change is wanted: prefiq apps lock"
    )
    assert "acme_things" not in sys.modules


def test_another_version_or_package_is_named(install: Install) -> None:
    """The version, or the package that offers the app, is not the one that was locked."""
    install("things")
    install("more")
    was = lock_of("things", "more")
    lock = {
        "things": LockedApp("things", "acme-things", "0.9", was["things"].record),
        "more": LockedApp("more", "Other_Package", "1.0", was["more"].record),
    }
    version, package = faults(lock, "things", "more")
    assert isinstance(version, LockMismatch)
    assert version.what == "apps.lock holds version 0.9 for the app things, installed is 1.0"
    assert isinstance(package, LockMismatch)
    assert package.part == "distribution"
    assert not {"acme_things", "acme_more"} & set(sys.modules)


def test_names_of_packages_are_compared_as_installers_do(install: Install) -> None:
    """``acme-things`` and ``Acme.Things`` are one package."""
    install("things")
    app = lock_of("things")["things"]
    assert faults({"things": LockedApp("things", "Acme.Things", app.version, app.record)}, "things") == []


def test_app_that_is_not_locked_stops_the_boot(install: Install) -> None:
    """Where there is a lock, it holds for every listed app."""
    install("things", "raise SystemExit('imported')")
    (fault,) = faults({}, "things")
    assert isinstance(fault, NotLocked)
    assert fault.what == "The app things is not in apps.lock"
    assert "acme_things" not in sys.modules


def test_what_an_installer_adds_does_not_count(install: Install) -> None:
    """The same package on another machine has other scripts, caches and notes; order does not count either."""
    site = install("things")
    record(site, "things")
    before = record_of(entry("things"))
    record(
        site,
        "things",
        "../../bin/things,sha256=abc,1",
        "__pycache__/acme_things.cpython-311.pyc,,",
        "acme_things.pyo,sha256=abc,1",
        "acme_things-1.0.dist-info/INSTALLER,sha256=abc,4",
        "acme_things-1.0.dist-info/REQUESTED,sha256=abc,0",
        "acme_things-1.0.dist-info/direct_url.json,sha256=abc,9",
        "acme_things-1.0.dist-info/RECORD,,",
    )
    assert record_of(entry("things")) == before
    assert before.startswith("sha256:")
    record(site, "things", "acme_more.py,sha256=abc,1")
    assert record_of(entry("things")) != before


def test_editable_install_is_locked_by_version_alone(install: Install) -> None:
    """Its files are edited where they lie; but exchanging it for a normal install is seen, and back."""
    site = install("things")
    lock = {"things": LockedApp("things", "acme-things", "1.0", "editable")}
    assert [type(fault) for fault in faults(lock, "things")] == [LockMismatch]
    direct = site / "acme_things-1.0.dist-info" / "direct_url.json"
    direct.write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
    assert faults(lock, "things") == []
    assert list(changed_files(entry("things"))) == []


def test_files_that_were_changed_after_installing_are_found(install: Install) -> None:
    """Verifying reads every file; the boot compares the list alone."""
    site = install("things")
    record(site, "things", "acme_gone.py,sha256=abc,1", "acme_odd.py,nonsense=abc,1")
    lock = lock_of("things")
    (site / "acme_things.py").write_text("# changed\n")
    assert list(changed_files(entry("things"))) == ["acme_gone.py", "acme_odd.py", "acme_things.py"]
    assert [fault for fault in faults(lock, "things") if isinstance(fault, LockMismatch)] == []


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """In order of names, whatever stands in them; without a file nothing is locked."""
    assert read_lock(tmp_path) is None
    apps = (LockedApp("b", 'x"y\\', "1.0", "none"), LockedApp("a", "é", "2", "sha256:0"))
    (tmp_path / "apps.lock").write_text(lock_text(apps), encoding="utf-8")
    assert read_lock(tmp_path) == {app.name: app for app in apps}
    assert lock_text(apps).index('name = "a"') < lock_text(apps).index('name = "b"')


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[app]\n", "the syntax is not TOML"),
        ('[[app]]\nname = "a"\n', "an app lacks one of name, distribution, version, record"),
        ("[[app]]\nname = 1\ndistribution = 2\nversion = 3\nrecord = 4\n", "an app lacks one of"),
        ("app = 3\n", "an app lacks one of"),
        ("app = [3]\n", "an app lacks one of"),
        ("\xff", "it cannot be read as text"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, text: str, why: str) -> None:
    """A lock that cannot be understood locks nothing, so nothing may start."""
    (tmp_path / "apps.lock").write_bytes(text.encode("latin-1"))
    with pytest.raises(LockUnreadable, match=why) as caught:
        read_lock(tmp_path)
    assert caught.value.where == str(tmp_path / "apps.lock")
