"""The page of all errors, ``docs/errors.md``, written from their classes by ``python3 dev.py docs``.

The page covers the whole house, also the rooms that ``doctor`` may not import; it finds their modules by
name and reads classes only.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path

from prefiq.errors import PrefiqError

__all__ = ["errors_page", "find_errors", "render"]

_CHAPTERS = {
    "0": "The root",
    "1": "Settings",
    "2": "Declarations",
    "3": "Modules, bindings and the application",
    "4": "Databases",
    "5": "What a use case answers",
    "6": "Migrations and seeds",
    "7": "HTTP",
    "8": "Command line, checks, scaffold and test kit",
}
_INTRODUCTION = """\
# Errors

Every error of Prefiq has a code that never changes its meaning; search this page for it.
An error says what happened, where, and what to do about it.
It never repeats a secret or a value that a caller sent.
In Python all of them are caught by `except PrefiqError`; faults found together arrive as one `Faults`.
This page is written from the classes by `python3 dev.py docs`.
"""


def find_errors() -> list[type[PrefiqError]]:
    """Every error class of Prefiq that has a code of its own, by code.

    Returns:
        The classes; two of them with one code both appear, which a test refuses.
    """
    for module in _declaring_modules():
        importlib.import_module(module)
    every: set[type[PrefiqError]] = {PrefiqError, *_below(PrefiqError)}
    # Modules and tests have errors of their own; they are not on this page.
    ours = [error for error in every if error.__module__.startswith("prefiq.") and "code" in vars(error)]
    return sorted(ours, key=lambda error: (error.code, error.__qualname__))


def render(errors: Iterable[type[PrefiqError]]) -> str:
    """The page in Markdown, one heading for each code.

    Args:
        errors: In the order wanted; a new chapter starts where the first digit of the code changes.
    """
    parts, chapter = [_INTRODUCTION], ""
    for error in errors:
        digit = error.code.removeprefix("PFQ")[:1]
        if digit != chapter:
            chapter = digit
            parts.append(f"## {_CHAPTERS.get(digit, 'Others')}\n")
        parts.append(_entry(error))
    return "\n".join(parts)


def errors_page() -> str:
    """The page ``docs/errors.md``."""
    return render(find_errors())


def _declaring_modules() -> Iterator[str]:
    # Reading the sources first keeps pytest, click and web servers from being imported for nothing.
    root = Path(inspect.getfile(PrefiqError)).parent
    for file in sorted(root.rglob("*.py")):
        if re.search(r'^    code\b.*= "PFQ\d', file.read_text(encoding="utf-8"), re.MULTILINE):
            parts = ("prefiq", *file.relative_to(root).with_suffix("").parts)
            yield ".".join(parts).removesuffix(".__init__")


def _below(error: type[PrefiqError]) -> Iterator[type[PrefiqError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def _entry(error: type[PrefiqError]) -> str:
    lines = [f"### {error.code} {error.__name__}", "", _prose(error)]
    if what := _fixed_text(error, "what"):
        lines += ["", f"Says: “{what}”."]
    if fix := _fixed_text(error, "fix"):
        lines += ["", f"What to do: {fix}."]
    status = HTTPStatus(error.status)
    lines += ["", f"HTTP {status.value} {status.phrase} · exit code {error.exit_code} · `{error.__module__}`"]
    package = error.__module__.partition(".")[0]  # what others derive is not on our page
    kinds = sorted(
        c.__name__
        for c in _below(error)
        if c.code == error.code and "code" not in vars(c) and c.__module__.partition(".")[0] == package
    )
    if kinds:
        lines += ["", f"More exactly: {', '.join(f'`{kind}`' for kind in kinds)}."]
    return "\n".join(lines) + "\n"


def _prose(error: type[PrefiqError]) -> str:
    """The docstring without its sections on arguments, which are for the one who raises it."""
    own = vars(error).get("__doc__") or ""
    return re.split(r"^(?:Args|Attributes|Raises|Returns):$", inspect.cleandoc(own), flags=re.MULTILINE)[
        0
    ].strip()


def _fixed_text(error: type[PrefiqError], name: str) -> str:
    """The text, when it is the same for every instance; most are derived from an instance's data."""
    text = inspect.getattr_static(error, name)
    if not isinstance(text, str) or text == vars(PrefiqError)[name]:
        return ""
    return text.rstrip(".")
