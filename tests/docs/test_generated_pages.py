"""Every page that ``dev.py docs`` writes is in the repository as it would be written now."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES: dict[str, tuple[str, str]] = next(
    ast.literal_eval(node.value)
    for node in ast.parse((ROOT / "dev.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAGES"
)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_not_behind_its_declarations(page: str) -> None:
    """The text on disk is the generated one; "python3 dev.py docs" writes it again."""
    module, function = PAGES[page]
    assert (ROOT / page).read_text(encoding="utf-8") == getattr(importlib.import_module(module), function)()
