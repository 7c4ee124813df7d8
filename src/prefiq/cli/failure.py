"""How a command ends when it does not succeed: one block on stderr and a documented exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from prefiq.cli.errors import Unexpected, WrongUsage
from prefiq.cli.session import Session
from prefiq.errors import Faults, PrefiqError

__all__ = ["EXIT_CODES", "Unread", "as_data", "end"]

EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "the command line is wrong",
    3: "settings, modules, declarations or bindings are wrong",
    4: "not allowed",
    5: "the database or the files are not where the code is",
    6: "something else held what was needed; try again",
    130: "interrupted",
    141: "nobody read the output to its end",
}
"""What a command's exit code says; the reference page and ``prefiq --help`` print it."""


class Unread(Exception):
    """Nobody reads the output any more."""


def end(error: BaseException, session: Session) -> int:
    """Say what went wrong on stderr.

    Args:
        error: What ended the command.
        session: Whether as JSON, and whether with the traceback.

    Returns:
        The exit code.
    """
    if isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("Interrupted", err=True)
        return 130
    if isinstance(error, Unread | BrokenPipeError):
        _drop_output()
        return 141
    if session.debug and not isinstance(error, click.ClickException):
        click.echo(_traceback(error, session), err=True)
    found = _known(error)
    if session.json:
        data = {"error": as_data(found, lambda text: _redacted(text, session))}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False), err=True)
    else:
        click.echo(click.style("Error: ", fg="red", bold=True) + _redacted(str(found), session), err=True)
    return found.worst_exit_code if isinstance(found, Faults) else found.exit_code


def as_data(error: PrefiqError, clean: Callable[[str], str] = str) -> dict[str, Any]:
    """An error as JSON shows it.

    Args:
        error: The error, with the faults that it holds.
        clean: Takes secrets out of each text.
    """
    texts = {"what": error.what, "where": error.where, "fix": error.fix}
    data: dict[str, Any] = {"code": error.code, **{name: clean(text) for name, text in texts.items()}}
    if isinstance(error, Faults):
        held = (inner for inner in error.exceptions if isinstance(inner, PrefiqError))
        data["faults"] = [as_data(inner, clean) for inner in held]
    return data


def _known(error: BaseException) -> PrefiqError:
    if isinstance(error, PrefiqError):
        return error
    if isinstance(error, click.UsageError):
        return WrongUsage(error.format_message(), error.ctx.command_path if error.ctx else "prefiq")
    if isinstance(error, click.ClickException):
        return WrongUsage(error.format_message(), "prefiq")
    place = ""
    if frames := traceback.extract_tb(error.__traceback__):
        place = f"{frames[-1].filename}:{frames[-1].lineno}"
    detail = ""
    if isinstance(error, OSError) and error.strerror:
        detail = error.strerror + (f": {error.filename}" if error.filename else "")
    return Unexpected(type(error).__name__, place, detail)


def _traceback(error: BaseException, session: Session) -> str:
    return _redacted("".join(traceback.format_exception(error)).rstrip(), session)


def _redacted(text: str, session: Session) -> str:
    """The text without the secrets of the settings; before those are loaded there is none to know."""
    if session.loaded is None:
        return text
    from prefiq.settings.redaction import Redactor

    return Redactor(session.loaded.secrets()).text(text)


def _drop_output() -> None:
    # The interpreter flushes stdout once more at its end and would complain again.
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(null, stream.fileno())
