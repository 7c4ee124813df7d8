"""A promise that a page makes names the test that proves it, and that test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/explanation/tenancy.md", "docs/explanation/security.md", "docs/explanation/threats.md")
ROW = re.compile(r"^\| (?!-|promise)(.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def promises(page: str) -> dict[str, list[tuple[str, str]]]:
    """Promise → files and tests that prove it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = text[text.index("| promise | proved by |") :].split("\n\n")[0]
    return {promise: TEST.findall(proof) for promise, proof in ROW.findall(rows)}


def names_in(file: str) -> set[str]:
    """Names of the tests of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_has_its_test(page: str) -> None:
    """A test that is renamed or removed takes its promise along."""
    found = promises(page)
    assert len(found) > 10
    assert [promise for promise, proofs in found.items() if not proofs] == []
    missing = [
        f"{file}::{name}"
        for proofs in found.values()
        for file, name in proofs
        if not (ROOT / file).exists() or (name and name not in names_in(file))
    ]
    assert missing == []


def test_what_security_md_promises_stands_on_the_pages() -> None:
    """SECURITY.md is short, and leads to the pages where the tests are named."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    chapter = text.partition("## What is promised")[2].partition("## What is not promised")[0]
    assert [page for page in PAGES if page not in chapter] == []
