"""``FilePlan``: seen before it is written, all or nothing, never over the work of a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefiq.errors import Faults
from prefiq.scaffold import CannotWrite, ChangedMeanwhile, FileEdited, FilePlan


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its text."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_creates_files_and_their_folders(tmp_path: Path) -> None:
    """What is new is made, folders included, and running it again changes nothing."""
    for deed in ("create", "unchanged"):
        plan = FilePlan(tmp_path / "new")
        assert plan.create("a/b.py", "b = 1\n") == deed
        plan.apply()
        assert files(tmp_path) == {"new/a/b.py": "b = 1\n"}


def test_other_ends_of_line_are_no_edit(tmp_path: Path) -> None:
    """A file with Windows' ends of line is the same file."""
    (tmp_path / "a.py").write_bytes(b"a = 1\r\n")
    assert FilePlan(tmp_path).create("a.py", "a = 1\n") == "unchanged"


def test_a_file_of_a_person_is_never_replaced(tmp_path: Path) -> None:
    """Every refused file is told, and the others are not written either."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("mine\n")
    plan = FilePlan(tmp_path)
    for name in ("a.py", "b.py", "c.py"):
        plan.create(name, "ours\n")
    with pytest.raises(Faults) as caught:
        plan.apply()
    assert [type(fault) for fault in caught.value.exceptions] == [FileEdited, FileEdited]
    assert files(tmp_path) == {"a.py": "mine\n", "b.py": "mine\n"}


def test_a_generated_page_is_written_again_until_somebody_edits_it(tmp_path: Path) -> None:
    """Its first line knows what was generated."""
    for text, deed in (("one\n", "create"), ("two\n", "change"), ("two\n", "unchanged")):
        plan = FilePlan(tmp_path)
        assert plan.generate("page.md", text) == deed
        plan.apply()
    page = tmp_path / "page.md"
    page.write_text(page.read_text() + "and a word of mine\n")
    assert FilePlan(tmp_path).generate("page.md", "three\n") == "refused"


def test_an_edit_counts_on_what_was_read(tmp_path: Path) -> None:
    """What somebody wrote between reading and writing stays, and nothing else is written."""
    (tmp_path / "list").write_text("old\n")
    plan = FilePlan(tmp_path)
    plan.create("a.py", "a\n")
    plan.edit("list", "old\n", "new\n")
    (tmp_path / "list").write_text("newer\n")
    with pytest.raises(ChangedMeanwhile):
        plan.apply()
    assert files(tmp_path) == {"list": "newer\n"}


def test_a_failure_takes_everything_back(tmp_path: Path) -> None:
    """The third file cannot be put: the first file is gone again, the second as it was, no folder is left."""
    (tmp_path / "b").write_text("old\n")
    plan = FilePlan(tmp_path)
    plan.create("deep/a", "a\n")
    plan.edit("b", "old\n", "new\n")
    plan.create("c", "c\n")
    (tmp_path / "c").write_text("somebody was faster\n")
    with pytest.raises(ChangedMeanwhile):
        plan.apply()
    assert files(tmp_path) == {"b": "old\n", "c": "somebody was faster\n"}
    assert not (tmp_path / "deep").exists()


def test_refused_by_the_operating_system(tmp_path: Path) -> None:
    """One clear error, and nothing is left."""
    (tmp_path / "file").write_text("")
    plan = FilePlan(tmp_path / "file")
    with pytest.raises(CannotWrite):
        plan.create("a.py", "a\n")
    assert files(tmp_path) == {"file": ""}


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    """A link to elsewhere is refused, and so is a path that climbs."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path)
    with pytest.raises(CannotWrite, match="leads out"):
        FilePlan(tmp_path / "in").create("link/a.py", "a\n")
    with pytest.raises(ValueError, match="no path below"):
        FilePlan(tmp_path / "in").create("../a.py", "a\n")


def test_the_difference_is_seen_first(tmp_path: Path) -> None:
    """A plan that is not applied has written nothing, and says what it would."""
    (tmp_path / "list").write_text("old\n")
    plan = FilePlan(tmp_path)
    plan.create("a.py", "a = 1\n")
    plan.edit("list", "old\n", "new\n")
    assert plan.diff() == (
        "--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+a = 1\n--- a/list\n+++ b/list\n@@ -1 +1 @@\n-old\n+new\n"
    )
    assert [(one["path"], one["deed"]) for one in plan.as_data()] == [("a.py", "create"), ("list", "change")]
    assert files(tmp_path) == {"list": "old\n"}


def test_rights_are_those_asked_for_or_those_that_were(tmp_path: Path) -> None:
    """A secret file is never readable by others; an edited one keeps its rights."""
    (tmp_path / "list").write_text("old\n")
    (tmp_path / "list").chmod(0o640)
    plan = FilePlan(tmp_path)
    plan.create(".env", "key\n", 0o600)
    plan.edit("list", "old\n", "new\n")
    plan.apply()
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in (".env", "list")] == [0o600, 0o640]
