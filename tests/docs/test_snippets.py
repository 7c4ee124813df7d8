"""Every Python block of the README and of docs/ runs, from top to bottom, one namespace for a page.

Console and shell blocks are shown and not run here; what they promise is tested in tests/cli.  There is no
way to skip a Python block: one that cannot run is not shown as Python.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page
    for folder in (ROOT, *sorted(ROOT.glob("plugins/*")))
    for page in (folder / "README.md", *sorted((folder / "docs").rglob("*.md")))
    if page.exists()
]
SYBIL = Sybil(parsers=[PythonCodeBlockParser()])


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module that the blocks of one page are run in; classes look their annotations up in it."""
    page = types.ModuleType("page")
    sys.modules["page"] = page
    yield page
    del sys.modules["page"]


def run(page: Path, module: types.ModuleType) -> int:
    """Run the blocks of a page; how many there were."""
    document = SYBIL.parse(page)
    document.namespace = vars(module)
    count = 0
    for count, example in enumerate(document.examples(), 1):  # noqa: B007
        example.evaluate()
    return count


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_runs(
    page: Path, module: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who types the blocks of the page in order gets no error."""
    monkeypatch.chdir(tmp_path)
    run(page, module)


def test_failing_block_is_noticed(module: types.ModuleType, tmp_path: Path) -> None:
    """A block that asserts something false fails, with the page and the line."""
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        run(page, module)
    assert caught.traceback[-1].lineno == 7


def test_console_blocks_are_left_alone(module: types.ModuleType, tmp_path: Path) -> None:
    """Only Python is run."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ exit 1\n```\n\n```python\nx = 1\n```\n", encoding="utf-8")
    assert run(page, module) == 1
