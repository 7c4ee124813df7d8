"""docs/reference/field-types.md knows everything that a declaration can say."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from prefiq.lowcode import ModelMeta, children, field, ref
from prefiq.lowcode.model_spec import Kind
from prefiq.lowcode.verifiers.names import RESERVED

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/field-types.md").read_text(encoding="utf-8")
OPTIONS = {
    "field": list(inspect.signature(field).parameters),
    "ref": list(inspect.signature(ref).parameters),
    "children": list(inspect.signature(children).parameters),
    "a model": [each.name for each in dataclasses.fields(ModelMeta)],
}


def chapter(title: str) -> str:
    """The text below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def named(text: str) -> list[str]:
    """The names in the first column of a table."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


@pytest.mark.parametrize("what", OPTIONS)
def test_every_option_is_there_and_no_other(what: str) -> None:
    """A new option needs its line, one that went loses it."""
    title = f"Options of `{what}`" if what != "a model" else "Options of a model"
    assert sorted(named(chapter(title))) == sorted(OPTIONS[what])


def test_every_kind_is_there() -> None:
    """A new kind of field needs its line."""
    listed = re.findall(r"^\| [^|]+ \| (\w+) \|", chapter("Kinds"), re.MULTILINE)
    assert set(listed) - {"kind"} == set(get_args(Kind)) - {"unknown"}


def test_names_that_are_taken_are_told() -> None:
    """Those that no reader would guess; parameters of lists are told together."""
    lists = {"limit", "offset", "after", "cursor", "sort", "fields", "include", "count", "q"}
    assert {name for name in RESERVED if f"`{name}`" not in chapter("Names")} <= lists
