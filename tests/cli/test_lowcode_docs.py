"""``prefiq lowcode docs``: reference pages of modules, written from their declarations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def page(application: Path, name: str) -> str:
    return (application / "docs" / f"{name}.md").read_text()


def test_a_page_tells_all_that_a_module_declares(within, application: Path) -> None:
    """Fields with their limits, actions, permissions, requests, and the two pictures."""
    result = within("lowcode", "docs", "projects")
    assert result.exit_code == 0, result.output
    text = page(application, "projects")
    code = "| `code` | str | at most 32 characters, `[A-Z0-9-]+` | yes | yes |  | Short name, unique per tenant |"
    for told in (
        "A piece of work with a budget and a life cycle.",
        code,
        "| `stage` | `draft`, `active`, `closed` |  |  |  | `draft` |  |",
        "`projects.project.create`, `projects.project.read`",
        "| `close` | active → closed | `reason` | `projects.close` |",
        "| `ends_after_it_starts` | The end does not lie before the start. |",
        "    active --> closed: close",
        "    projects_Project ||--o{ projects_Task : project",
        "### ChecklistItem",
        "`POST /api/projects/projects/{id}/close`",
    ):
        assert told in text
    assert not (application / "docs" / "masters.md").exists()


def test_without_names_every_listed_module_has_a_page(within, application: Path) -> None:
    """One file each; the second run and the check find nothing to do."""
    within("lowcode", "docs", "--out", "reference")
    assert {file.name for file in (application / "reference").iterdir()} == {"projects.md", "masters.md"}
    assert "nothing changed" in within("lowcode", "docs", "--out", "reference").stdout
    assert within("lowcode", "docs", "--out", "reference", "--check").exit_code == 0


def test_what_an_extension_adds_stands_on_its_own_page(within, application: Path) -> None:
    """The base's page does not repeat the actions and fields that another module brings."""
    toml = application / "prefiq.toml"
    toml.write_text(toml.read_text().replace('"projects"', '"projects", "billing"', 1))
    assert within("lowcode", "docs").exit_code == 0
    assert "| `bill` |" not in page(application, "projects")
    text = page(application, "billing")
    assert "Extends `projects.Project`." in text
    assert "| `billing.rate` |" in text
    assert "| `bill` | `amount` | `billing.project.bill` |" in text
    assert "| `billing.take_usual_rate` | `before_create` | Project |" in text


def test_the_check_names_each_old_page(within, application: Path) -> None:
    """A page that is missing fails it; exit code 5, nothing is written."""
    result = within("lowcode", "docs", "--check")
    assert result.exit_code == 5
    assert "projects.md" in result.output
    assert "masters.md" in result.output
    assert "Traceback" not in result.output
    assert not (application / "docs").exists()


def test_an_edited_page_is_left_alone(within, application: Path) -> None:
    """What a person wrote is told and not replaced, and no other page is written either."""
    within("lowcode", "docs", "projects")
    file = application / "docs" / "projects.md"
    file.write_text(file.read_text().replace("A piece of work", "Our work"))
    before = file.read_text()
    result = within("lowcode", "docs")
    assert result.exit_code != 0
    assert "PFQ841" in result.output
    assert file.read_text() == before
    assert not (application / "docs" / "masters.md").exists()


def test_dry_run_shows_and_writes_nothing(within, application: Path) -> None:
    """The difference on stdout, or as data."""
    assert "+# projects" in within("lowcode", "docs", "projects", "--dry-run").stdout
    data = json.loads(within("lowcode", "docs", "projects", "--dry-run", "--json").stdout)
    assert data["written"] is False
    assert [one["deed"] for one in data["files"]] == ["create"]
    assert not (application / "docs").exists()


@pytest.mark.parametrize(("args", "code"), [(["project"], "PFQ8"), (["--check", "--dry-run"], "PFQ8")])
def test_bad_input_is_one_block(within, args: list[str], code: str) -> None:
    """An unknown module, or options that exclude each other."""
    result = within("lowcode", "docs", *args)
    assert result.exit_code in {2, 3}
    assert code in result.output
    assert "Traceback" not in result.output
