"""The page of commands names every command, option and exit code."""

from __future__ import annotations

import re

import click
import pytest

from prefiq.cli.failure import EXIT_CODES
from prefiq.cli.program import program
from prefiq.cli.reference import cli_page
from prefiq.cli.table import COMMANDS

PAGE = cli_page()


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.path)
def test_every_command_has_its_chapter(entry) -> None:
    """With all options of its own; those of every command stand at the top."""
    found = re.search(
        rf"^### prefiq {re.escape(entry.path)}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    assert found
    command = program
    for word in entry.path.split():
        command = command.get_command(click.Context(program), word)
    top = PAGE.partition("## Options of every command")[2].partition("\n## ")[0]
    options = [param for param in command.params if isinstance(param, click.Option)]
    missing = [o.name for o in options if max(o.opts, key=len) not in found[1] + top]
    assert missing == []


def test_every_exit_code_is_explained() -> None:
    """Scripts rely on them."""
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {int(code): says for code, says in rows} == EXIT_CODES
