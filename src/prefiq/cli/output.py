"""Answers on stdout: JSON documents and tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["print_json", "print_table", "shown"]


def print_json(data: Any) -> None:
    """One JSON document; what JSON does not know becomes its text."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def shown(text: str) -> str:
    """Text without characters that speak to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "none") -> None:
    """A table: drawn on a terminal, else aligned columns that other programs can cut.

    Args:
        columns: The headings.
        rows: Cells; their text is printed.
        empty: What is printed instead of a table without rows.
    """
    cells = [[shown(str(cell)) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
    elif sys.stdout.isatty():
        _drawn(columns, cells)
    else:
        widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
        for row in [list(columns), *cells]:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo(line.rstrip())


def _drawn(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    # rich costs 100 ms to load, so only where it is seen.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
