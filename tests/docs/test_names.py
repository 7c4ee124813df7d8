"""The pages about rooms and names say what is there."""

from __future__ import annotations

import configparser
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = re.compile(r"^\| `(\w+)` \| [^|]+ \| `([\w.]+)` \|$", re.MULTILINE)


def page(name: str) -> str:
    """The text of a page of explanations."""
    return (ROOT / "docs/explanation" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "module"), NAMES.findall(page("names.md")))
def test_name_lives_where_the_page_says(name: str, module: str) -> None:
    """Each name is public in its module."""
    found = importlib.import_module(module)
    assert name in found.__all__ if hasattr(found, "__all__") else hasattr(found, name)
    assert hasattr(found, name)


def test_every_module_in_a_sentence_exists() -> None:
    """Modules and attributes that stand outside of the tables."""
    lines = [line for line in page("names.md").splitlines() if not line.startswith("|")]
    for path in re.findall(r"`(prefiq[\w.]*)(?::app)?`", "\n".join(lines)):
        importlib.import_module(path)


def test_rooms_stand_in_their_order() -> None:
    """The table of rooms is the list of layers in setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    layers = config["importlinter:contract:layers"]["layers"].split("\n")
    wanted = [set(re.findall(r"\w+", layer)) for layer in layers if layer.strip()]
    table = page("rooms.md").partition("## The house")[2].partition("## Modules")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    assert [set(re.findall(r"\w+", row)) for row in rows] == wanted
