"""``prefiq lowcode openapi``: the API's document in a repository, and what a change would break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openapi_spec_validator import validate


def test_the_document_is_valid_and_the_same_each_time(within) -> None:
    """OpenAPI 3.1 on stdout, byte for byte the same when nothing was declared anew."""
    first, second = within("lowcode", "openapi"), within("lowcode", "openapi", "--json")
    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout
    document = json.loads(first.stdout)
    validate(document)
    assert "/api/projects/projects" in document["paths"]


def test_it_needs_no_database(within, application: Path) -> None:
    """The declarations are enough."""
    (application / "demo.db").unlink()
    assert within("lowcode", "openapi").exit_code == 0
    assert not (application / "demo.db").exists()


def test_a_file_is_written_once_and_then_left(within, application: Path) -> None:
    """A first run writes the file, a second one finds nothing to do; the check agrees."""
    assert "wrote" in within("lowcode", "openapi", "--out", "api.json").stdout
    written = (application / "api.json").stat().st_mtime_ns
    assert "nothing changed" in within("lowcode", "openapi", "--out", "api.json").stdout
    assert (application / "api.json").stat().st_mtime_ns == written
    assert within("lowcode", "openapi", "--check", "api.json").exit_code == 0


def test_other_ends_of_line_are_no_change(within, application: Path) -> None:
    """A file that a checkout gave Windows' ends of line is still the document."""
    within("lowcode", "openapi", "--out", "api.json")
    file = application / "api.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert within("lowcode", "openapi", "--check", "api.json").exit_code == 0
    assert "nothing changed" in within("lowcode", "openapi", "--out", "api.json").stdout


def test_dry_run_shows_and_writes_nothing(within, application: Path) -> None:
    """The difference on stdout, no file."""
    result = within("lowcode", "openapi", "--out", "api.json", "--dry-run")
    assert result.exit_code == 0
    assert '+  "openapi": "3.1.1",' in result.stdout
    assert not (application / "api.json").exists()


def test_a_breaking_change_fails_the_check_by_name(within, application: Path) -> None:
    """What the file promises and the application no longer has is named; exit code 5."""
    within("lowcode", "openapi", "--out", "api.json")
    file = application / "api.json"
    document = json.loads(file.read_text())
    document["components"]["schemas"]["Project"]["properties"]["colour"] = {"type": "string"}
    document["paths"]["/api/projects/plans"] = {"get": {}}
    file.write_text(json.dumps(document))
    result = within("lowcode", "openapi", "--check", "api.json")
    assert result.exit_code == 5
    assert "the field Project.colour is gone" in result.output
    assert "the path /api/projects/plans is gone" in result.output
    assert "Traceback" not in result.output


def test_what_breaks_nobody_is_only_an_old_file(within, application: Path) -> None:
    """A document that lacks what came since is told to be written again."""
    within("lowcode", "openapi", "--out", "api.json")
    file = application / "api.json"
    document = json.loads(file.read_text())
    del document["paths"]["/api/projects/projects"]["post"]
    file.write_text(json.dumps(document))
    result = within("lowcode", "openapi", "--check", "api.json")
    assert result.exit_code == 5
    assert "PFQ868" in result.output
    assert "PFQ867" not in result.output


@pytest.mark.parametrize(
    "text", [b"# notes\n", b"{}", b"[1]", b"\xff\xfe", b"[" * 100_000], ids=lambda text: repr(text[:8])
)
@pytest.mark.parametrize("option", ["--out", "--check"])
def test_what_is_no_document_is_left_alone(within, application: Path, text: bytes, option: str) -> None:
    """A file that holds something else is neither compared nor replaced."""
    (application / "api.json").write_bytes(text)
    result = within("lowcode", "openapi", option, "api.json")
    assert result.exit_code == 2
    assert "PFQ869" in result.output
    assert "Traceback" not in result.output
    assert (application / "api.json").read_bytes() == text


def test_a_check_of_no_file_says_so(within) -> None:
    """One block, no traceback."""
    result = within("lowcode", "openapi", "--check", "api.json")
    assert result.exit_code == 2
    assert "there is no such file" in result.output


@pytest.mark.parametrize("args", [["--check", "a", "--out", "b"], ["--dry-run"]], ids=" ".join)
def test_options_that_exclude_each_other(within, args: list[str]) -> None:
    """Told as a wrong command line."""
    assert within("lowcode", "openapi", *args).exit_code == 2
