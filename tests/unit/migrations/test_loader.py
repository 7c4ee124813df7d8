"""Migrations are found in packages, and every bad file is an error that says which and why."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from tests.unit.migrations.kit import Workshop

from prefiq.migrations import ModulePart, folder_of, load
from prefiq.migrations.errors import BrokenMigration, DuplicateMigration, MigrationGap, SharedFolder

GOOD = "from prefiq.migrations import Migration\nmigration = Migration({number}, '{name}', 'expand')\n"


def good(workshop: Workshop, *labels: str) -> None:
    for label in labels:
        number, _, name = label.partition("_")
        workshop.write("shop", f"{label}.py", GOOD.format(number=int(number), name=name))


def part(workshop: Workshop) -> ModulePart:
    return ModulePart("shop", f"{workshop.package('shop')}.migrations")


def test_migrations_come_by_number(workshop: Workshop) -> None:
    """Numbered files are migrations; what else stands in the folder is not looked at."""
    good(workshop, "0002_second", "0001_first")
    workshop.write("shop", "__init__.py", "raise SystemExit")
    workshop.write("shop", "helpers.py", "raise SystemExit")
    workshop.write("shop", "snapshot.json", "{}")
    found, faults = load([part(workshop)])
    assert faults == []
    assert [loaded.label for loaded in found["shop"]] == ["0001_first", "0002_second"]
    assert [loaded.file for loaded in found["shop"]] == ["0001_first.py", "0002_second.py"]


def test_module_without_migrations_has_none(workshop: Workshop) -> None:
    """No folder and no package are no errors; such a module has nothing to migrate."""
    workshop.declare("shop")
    assert load([part(workshop), ModulePart("gone", "no.such.migrations"), ModulePart("bare", "")]) == (
        {"shop": [], "gone": [], "bare": []},
        [],
    )


def test_only_asked_modules_are_read(workshop: Workshop) -> None:
    """A package that is not listed is neither read nor imported."""
    good(workshop, "0001_first")
    workshop.write("other", "0001_bad.py", "raise SystemExit")
    assert load([part(workshop)])[1] == []
    assert workshop.package("other") not in sys.modules


def test_wheel_that_is_not_unpacked_serves(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations are resources: a package inside a zip file has them, too."""
    archive = workshop.root / "archive.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("prefiq_zipped/__init__.py", "")
        zipped.writestr("prefiq_zipped/migrations/0001_first.py", GOOD.format(number=1, name="first"))
    monkeypatch.syspath_prepend(archive)
    found, faults = load([ModulePart("zipped", "prefiq_zipped.migrations")])
    assert faults == []
    assert [loaded.title for loaded in found["zipped"]] == ["zipped 0001_first"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def (", "it is not Python"),
        ("\n\n1 / 0", "it raises ZeroDivisionError"),
        ("import no_such_module", "it raises ModuleNotFoundError"),
        ("", "it has no value named migration that is a Migration"),
        ("migration = 1", "it has no value named migration that is a Migration"),
        (GOOD.format(number=2, name="first"), "it says that it is 0002_first"),
        (GOOD.format(number=1, name="other"), "it says that it is 0001_other"),
        (GOOD.replace("expand", "both").format(number=1, name="first"), 'its phase is neither "expand" nor "contract"'),
        (
            GOOD.replace("'expand'", "'expand', requires=3").format(number=1, name="first"),
            "its requires are not names of modules with numbers",
        ),
        (
            GOOD.replace("{number}", "'1'").format(name="first"),
            "its number is no number, or its name no text",
        ),
        (
            GOOD.replace("'expand'", "'expand', operations=(1,)").format(number=1, name="first"),
            "its operations are not a tuple of operations",
        ),
        (
            GOOD.replace("'expand'", "'expand', requires={{'a': 'b'}}").format(number=1, name="first"),
            "its requires are not names of modules with numbers",
        ),
    ],
)  # fmt: skip
def test_bad_file_is_named_and_explained(workshop: Workshop, text: str, problem: str) -> None:
    """Whatever is wrong with a file becomes one error with module, file and reason."""
    workshop.write("shop", "0001_first.py", text)
    found, (fault,) = load([part(workshop)])
    assert found == {"shop": []}
    assert isinstance(fault, BrokenMigration)
    assert fault.problem == problem
    assert fault.where.startswith("module shop, 0001_first.py")


def test_bad_file_is_shown_with_its_line(workshop: Workshop) -> None:
    """The text names the line, and repeats nothing of what the file said."""
    workshop.write("shop", "0001_first.py", "\n\nraise RuntimeError('secret')")
    assert str(load([part(workshop)])[1][0]) == (
        "The migration cannot be used: it raises RuntimeError (module shop, 0001_first.py, line 3) [PFQ601]\n"
        "  Try: correct 0001_first.py, or delete it and run prefiq lowcode makemigrations shop"
    )


def test_file_that_is_not_text_is_a_fault(workshop: Workshop) -> None:
    """Bytes that are no UTF-8 are reported like any other mistake."""
    workshop.write("shop", "0001_first.py", "").write_bytes(b"\xff\xfe")
    (fault,) = load([part(workshop)])[1]
    assert fault.what == "The migration cannot be used: it cannot be read (UnicodeDecodeError)"


@pytest.mark.parametrize(
    "name", ["1_first.py", "0001-first.py", "0001_First.py", "00001_first.py", "0001.py"]
)
def test_file_with_a_number_but_no_proper_name_is_a_fault(workshop: Workshop, name: str) -> None:
    """A file that was meant as a migration is not passed over in silence."""
    workshop.write("shop", name, "")
    (fault,) = load([part(workshop)])[1]
    assert isinstance(fault, BrokenMigration)
    assert fault.file == name


def test_all_faults_come_together(workshop: Workshop) -> None:
    """Gaps, doubled numbers and broken files of one module are told at once."""
    good(workshop, "0001_first", "0004_fourth", "0004_again")
    workshop.write("shop", "0005_broken.py", "(")
    faults = load([part(workshop)])[1]
    assert [str(fault).partition("\n")[0] for fault in faults] == [
        "The migration cannot be used: it is not Python (module shop, 0005_broken.py, line 1) [PFQ601]",
        "Migration 0002 is missing (module shop, before 0004_again.py) [PFQ603]",
        "Migration 0003 is missing (module shop, before 0004_again.py) [PFQ603]",
        "The number 0004 stands 2 times (module shop: 0004_again.py, 0004_fourth.py) [PFQ604]",
    ]
    assert [type(fault) for fault in faults[1:]] == [MigrationGap, MigrationGap, DuplicateMigration]


def test_two_modules_may_not_share_a_folder(workshop: Workshop) -> None:
    """Numbers and snapshot of two modules would mix."""
    good(workshop, "0001_first")
    place = part(workshop).migrations
    faults = load([ModulePart("a", place), ModulePart("b", place)])[1]
    assert [type(fault) for fault in faults] == [SharedFolder]
    assert faults[0].what == "The modules a and b keep their migrations in one folder"


def test_folder_is_beside_the_code(workshop: Workshop) -> None:
    """An installed or checked-out package gives a folder to write into."""
    good(workshop, "0001_first")
    assert Path(str(folder_of(part(workshop)))) == workshop.folder("shop")
