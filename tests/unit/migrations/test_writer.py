"""Migration files are Python that people read; what is written is what was meant."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from prefiq.lowcode.field import NOW
from prefiq.migrations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    FieldState,
    IndexState,
    Migration,
    Operation,
    RefState,
    RenameField,
    RenameModel,
)
from prefiq.migrations.migration import checksum_of
from prefiq.migrations.writer import name_for, source_of

EVERY = Migration(
    12,
    "everything",
    "contract",
    requires={"masters": 3, "other": 1},
    operations=(
        CreateModel(
            "Thing",
            "shop_thing",
            (
                FieldState("id", "uuid"),
                FieldState("a_rather_long_name_of_a_column", "decimal", nullable=True, precision=12, scale=2),
                FieldState(
                    "other_id",
                    "uuid",
                    ref=RefState("masters.Other", "masters_other", shared=True, on_delete="cascade"),
                ),
            ),
            (IndexState("ix_shop_thing_a_rather_long_name", ("a_rather_long_name_of_a_column",)),),
            shared=True,
        ),
        AddField("Thing", FieldState("a", "int"), fill=7),
        AddField("Thing", FieldState("b", "str", max_length=9), fill='it\'s "so"\n\\'),
        AddField("Thing", FieldState("c", "decimal", precision=5, scale=2), fill=Decimal("1.50")),
        AddField("Thing", FieldState("d", "datetime"), fill=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        AddField("Thing", FieldState("e", "date"), fill=date(2026, 1, 2)),
        AddField("Thing", FieldState("f", "uuid"), fill=UUID(int=3)),
        AddField("Thing", FieldState("g", "datetime"), fill=NOW),
        AddField("Thing", FieldState("h", "json"), fill={"a": [1, None, True, {"b": 0.5}], "é": []}),
        AlterField("Thing", FieldState("i", "enum", values=("x",)), fill="x"),
        DropField("Thing", "j"),
        RenameField("Thing", "k", "l"),
        AddIndex("Thing", IndexState("m", ("n", "o"), unique=True)),
        DropIndex("Thing", "p"),
        RenameModel("Thing", "Affair", "shop_affair"),
        DropModel("Affair"),
    ),
)


def read(text: str) -> Any:
    scope: dict[str, Any] = {}
    exec(text, scope)
    return scope["migration"]


def test_file_is_what_was_meant() -> None:
    """Every operation and every kind of value comes back as it was."""
    assert read(source_of(EVERY)) == EVERY


def test_file_needs_no_formatting(tmp_path: Path) -> None:
    """A formatter and a linter of imports have nothing to change, so that checksums last."""
    file = tmp_path / "0012_everything.py"
    file.write_text(source_of(EVERY), encoding="utf-8")
    for arguments in (["format", "--check"], ["check", "--select", "I,F"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", str(file)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout


def test_file_reads_like_this() -> None:
    """Short things stand on one line, long ones have a line for each argument; defaults are left out."""
    migration = Migration(
        2,
        "add_thing_size",
        "contract",
        operations=(AddField("Thing", FieldState("size", "int"), fill=1), DropIndex("Thing", "ix_old")),
    )
    assert source_of(migration) == (
        '"""Add field Thing.size and more."""\n'
        "\n"
        "from prefiq.migrations import AddField, DropIndex, FieldState, Migration\n"
        "\n"
        "migration = Migration(\n"
        "    2,\n"
        '    "add_thing_size",\n'
        '    "contract",\n'
        "    operations=(\n"
        '        AddField("Thing", FieldState("size", "int"), fill=1),\n'
        '        DropIndex("Thing", "ix_old"),\n'
        "    ),\n"
        ")\n"
    )


@pytest.mark.parametrize(
    ("number", "operations", "name"),
    [
        (1, [CreateModel("Thing", "shop_thing", ())], "initial"),
        (2, [CreateModel("BigThing", "shop_big_thing", ())], "create_big_thing"),
        (1, [DropField("Thing", "a")], "drop_thing_a"),
        (2, [AddField("Thing", FieldState("a", "int")), DropField("Thing", "b")], "add_thing_a_and_more"),
        (2, [RenameField("Thing", "a", "b")], "rename_thing_a_to_b"),
        (2, [RenameModel("Thing", "Affair", "t")], "rename_thing_to_affair"),
        (2, [AddField("T" * 40, FieldState("f" * 40, "int"))], f"add_{'t' * 40}_{'f' * 15}"),
    ],
)
def test_name_says_what_it_does(number: int, operations: list[Operation], name: str) -> None:
    """Named by its first operation, short enough for a file."""
    assert name_for(operations, number) == name


STEPS = """
def fill(steps):
    'Docstring.'
    rows = steps.table(u"Thing")
    steps.execute(rows.update().where(rows.c.brand == "caf\N{LATIN SMALL LETTER E WITH ACUTE}").values(size=7,
      brand=f'{rows}'))
"""


@pytest.mark.parametrize("length", [60, 88, 120])
def test_checksum_does_not_see_a_formatter(length: int) -> None:
    """Line lengths, quotes, comments, docstrings and line ends are no edit."""
    text = source_of(EVERY) + STEPS
    command = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={length}", "-"]
    formatted = subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert formatted != text
    assert checksum_of(formatted) == checksum_of(text)
    assert checksum_of(text.replace("\n", "\r\n")) == checksum_of(text)
    assert checksum_of(f'"""Another word."""  # and a comment\n{text}') == checksum_of(text)


def test_checksum_sees_an_edit() -> None:
    """A value, an argument more, a statement more."""
    text = source_of(EVERY) + STEPS
    edits = {
        text.replace("fill=7", "fill=8"),
        text.replace("fill=7", 'fill="7"'),
        text.replace("size=7", "size=7, code=1"),
        text.replace("    rows = ", "    steps = rows = "),
        text.replace("where", "filter"),
        text + "fill(None)\n",
    }
    assert len({checksum_of(edit) for edit in edits} | {checksum_of(text)}) == 7


def test_checksum_is_the_same_with_every_python() -> None:
    """It is kept in databases, which outlive versions of Python."""
    assert checksum_of(STEPS) == "d246f652aea3bbcf6e17e20f6f855f9c23733b8e5b63cc1e161284527c1df509"
