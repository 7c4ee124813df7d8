"""What is written from the commands: the reference page ``docs/reference/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from prefiq.cli.failure import EXIT_CODES
from prefiq.cli.program import common_options, program
from prefiq.cli.table import COMMANDS, GROUPS
from prefiq.doctor.finding import FINDINGS

__all__ = ["cli_page"]

_INTRODUCTION = """\
# Commands

<!-- Written by `prefiq.cli.reference` from the commands; change it there. -->

`prefiq --help`, and `--help` behind every command, show the same on a terminal.
No command asks a question where there is no terminal.
An error is one block on stderr that says what happened, where, and what to do; [its code](../errors.md) leads to more.
"""

_EVERYWHERE = """\
## Options of every command
"""

_EXIT_CODES = """\
## Exit codes

A script can rely on them; where several things are wrong, the worst decides.

| code | meaning |
| --- | --- |
"""

_FINDINGS = """
## What doctor finds

An error that is found keeps [its code](../errors.md), and a module's checks have identifiers of their own.
These are doctor's:

| finding | says |
| --- | --- |
"""


def cli_page() -> str:
    """The page ``docs/reference/cli.md``."""
    parts = [_INTRODUCTION, _EVERYWHERE, _options(common_options())]
    context = click.Context(program, info_name="prefiq")
    common = {option.name for option in common_options()}
    heading = ""
    for group, says in {"": "What needs no further word.", **dict(sorted(GROUPS.items()))}.items():
        for entry in (entry for entry in COMMANDS if entry.group == group):
            if heading != (heading := f"prefiq {group}".strip()):
                parts.append(f"## {heading}\n\n{says}\n")
            command = _command(context, entry.path.split())
            own = [p for p in command.params if p.name not in common]
            parts.append(f"### prefiq {entry.path}\n\n{_paragraphs(command.help or entry.help)}\n")
            parts.append(f"```console\n$ {_usage(entry.path, own)}\n```\n")
            if any(isinstance(param, click.Option) for param in own):
                parts.append(_options(own))
    rows = "".join(f"| {code} | {says} |\n" for code, says in EXIT_CODES.items())
    findings = "".join(f"| {id} | {says} |\n" for id, says in FINDINGS.items())
    return "\n".join(parts) + "\n" + _EXIT_CODES + rows + _FINDINGS + findings


def _command(context: click.Context, words: list[str]) -> click.Command:
    found: click.Command | None = program
    for word in words:
        found = found.get_command(context, word) if isinstance(found, click.Group) else None
    if found is None:
        raise LookupError(f"no command {' '.join(words)}")
    return found


def _usage(path: str, params: list[click.Parameter]) -> str:
    named = ["[OPTIONS]"] if any(isinstance(p, click.Option) for p in params) else []
    given = [p.make_metavar(click.Context(program)) for p in params if isinstance(p, click.Argument)]
    return " ".join(["prefiq", path, *named, *given])


def _paragraphs(help: str) -> str:
    """Docstrings are wrapped for the terminal; the page has one sentence a line."""
    paragraphs = [" ".join(part.split()) for part in help.split("\n\n")]
    return "\n\n".join(part.replace(".  ", ". ").replace(". ", ".\n") for part in paragraphs)


def _options(params: list[click.Parameter]) -> str:
    return "| option | does |\n| --- | --- |\n" + "".join(f"| {n} | {says} |\n" for n, says in _rows(params))


def _rows(params: list[click.Parameter]) -> Iterator[tuple[str, str]]:
    context = click.Context(program)
    for param in params:
        if isinstance(param, click.Option) and not param.hidden:
            record = param.get_help_record(context)
            if record is not None:
                name, says = record
                # A bar would end the cell, also inside of code.
                yield f"`{name}`".replace("|", "\\|"), " ".join(says.split()).replace("|", "\\|")
