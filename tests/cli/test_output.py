"""Tables: aligned text for programs, drawn on a terminal; nothing in them speaks to the terminal."""

from __future__ import annotations

import io
import sys

import pytest

from prefiq.cli.output import print_table

ROWS = [("acme", "Acme Builders"), ("x\x1b[31m", "[bold]y[/bold]")]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_pipe_gets_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells are whole, whatever their width, and columns begin at one place."""
    print_table(("key", "name"), [*ROWS, ("long", "n" * 300)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["key", "name"]
    assert {
        line.index(cell) for line, cell in zip(lines, ("name", "Acme", "[bold]", "nnn"), strict=True)
    } == {8}
    assert lines[-1].endswith("n" * 300)
    assert "\x1b" not in "".join(lines)


def test_terminal_gets_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup and control characters of cells are shown, not obeyed."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    print_table(("key", "name"), ROWS)
    assert "Acme Builders" in screen.getvalue()
    assert "[bold]y[/bold]" in screen.getvalue()
    assert "\x1b[31m" not in screen.getvalue()


def test_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """A table without rows is a sentence."""
    print_table(("key",), [], empty="No tenants yet")
    assert capsys.readouterr().out == "No tenants yet\n"
