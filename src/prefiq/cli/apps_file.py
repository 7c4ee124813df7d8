"""Edits the list of apps in ``prefiq.toml`` as text, so that comments and layout stay.

What comes out is read again before it is written: if anything but the list were different, nothing is
written.  The file is exchanged as a whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prefiq.cli.errors import AppsElsewhere, CannotEdit
from prefiq.settings import Settings
from prefiq.settings.toml_file import FILE_NAME

__all__ = ["check_editable", "read", "with_app", "without_app", "write"]

_INDENT = "    "


def check_editable(settings: Settings) -> Path:
    """The file that holds the list.

    Raises:
        AppsElsewhere: The environment replaces the list of the file.
    """
    source = settings.sources.get("APPS", "not set")
    if source not in {FILE_NAME, "not set"}:
        raise AppsElsewhere(source)
    return settings.folder / FILE_NAME


def read(path: Path) -> str:
    """The file's text, with the ends of line that it has; empty where there is none."""
    return path.read_bytes().decode("utf-8") if path.exists() else ""


def with_app(text: str, app: str) -> str:
    """The file with one more app at the end of its list.

    Args:
        text: The file.
        app: An entry point's name or an import path.

    Raises:
        CannotEdit: The file is not understood well enough.
    """
    found = _array(text)
    entry = f'"{app}"'
    if found is None:
        head = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*", text)
        at = head.end() if head else 0
        after = "\n" if text[at:].strip() else ""
        new = f"{text[:at]}apps = [{entry}]\n{after}{text[at:]}"
    elif not found.elements:
        new = f"{text[: found.start + 1]}{entry}{text[found.start + 1 :]}"
        if "#" in text[found.start : found.end]:  # a comment runs to its line's end
            new = f"{text[: found.end]}{_INDENT}{entry},\n{text[found.end :]}"
    else:
        new = _appended(text, found, entry)
    before = tomllib.loads(text).get("apps", [])
    return _checked(text, new, [*before, app])


def without_app(text: str, place: int) -> str:
    """The file without one entry of its list.

    Args:
        text: The file.
        place: Which entry, from 0.

    Raises:
        CannotEdit: The file is not understood well enough.
    """
    found = _array(text)
    before = tomllib.loads(text).get("apps", [])
    if found is None or not 0 <= place < len(found.elements) or len(found.elements) != len(before):
        raise CannotEdit(FILE_NAME)
    after = [*before[:place], *before[place + 1 :]]
    start, end = found.elements[place]
    comma = found.commas[place]
    if comma is not None and not text[end:comma].strip(" \t"):
        return _checked(text, _cut(text, start, comma + 1), after)
    if comma is None and place:
        comma = found.commas[place - 1]  # of the last one, the comma before it goes
    if comma is not None:  # comments may stand between the two, and stay
        text_without = text[:comma] + text[comma + 1 :]
        shift = int(comma < start)
        start, end = start - shift, end - shift
    else:
        text_without = text
    line = text_without.rfind("\n", 0, start) + 1
    if text_without[line:start].strip():  # nothing of its own line is left before it
        start = len(text_without[:start].rstrip(" \t"))
    return _checked(text, _cut(text_without, start, end), after)


def write(path: Path, text: str) -> None:
    """Exchange the file as a whole, with the rights that it had."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


@dataclass(frozen=True, slots=True)
class _Array:
    """Where the list stands: its brackets, its elements, and the comma behind each."""

    start: int
    end: int
    elements: tuple[tuple[int, int], ...]
    commas: tuple[int | None, ...]


def _appended(text: str, found: _Array, entry: str) -> str:
    end = found.elements[-1][1]
    comma = found.commas[-1]
    if "\n" not in text[found.start : found.end]:
        if comma is not None:
            return f"{text[: comma + 1]} {entry},{text[comma + 1 :]}"
        return f"{text[:end]}, {entry}{text[end:]}"
    line = text.rfind("\n", 0, found.elements[-1][0]) + 1
    before = text[line : found.elements[-1][0]]
    indent = before if not before.strip() else _INDENT
    if comma is None:
        text = f"{text[:end]},{text[end:]}"
        comma = end
    at = comma + 1
    rest = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\r?\n)").match(text, at)
    if rest:  # what is said of the last one stays beside it
        at = rest.end()
    return f"{text[:at]}\n{indent}{entry},{text[at:]}"


def _cut(text: str, start: int, end: int) -> str:
    """The text without a part; its line goes too where nothing else but a comment stands on it."""
    line = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n").match(text, end)
    if rest and not text[line:start].strip():
        return text[:line] + text[rest.end() :]
    space = re.compile(r"[ \t]*").match(text, end)
    if space and text[start - 1 : start] in {"[", " "}:
        end = space.end()
    return text[:start] + text[end:]


def _checked(before: str, after: str, apps: list[object]) -> str:
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        raise CannotEdit(FILE_NAME) from None
    if new != {**old, "apps": apps}:
        raise CannotEdit(FILE_NAME)
    return after


def _array(text: str) -> _Array | None:
    """Where the top level's ``apps`` stands; None where it is not there.

    Raises:
        CannotEdit: It is there and no list, or the file is not TOML.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise CannotEdit(FILE_NAME) from None
    if "apps" not in tree:
        return None
    at = 0
    while at < len(text):
        match = re.compile(r"""[ \t\r\n]*(?:(#[^\n]*)|(\[)|("apps"|'apps'|apps)[ \t]*=[ \t]*\[|)""").match(
            text, at
        )
        assert match is not None
        if match[1]:
            at = match.end()
        elif match[2]:
            break  # the top level ends with the first table
        elif match[3]:
            return _elements(text, match.end() - 1)
        else:
            at = _end_of_line(text, match.end())
    raise CannotEdit(FILE_NAME)


def _elements(text: str, start: int) -> _Array:
    elements: list[tuple[int, int]] = []
    commas: list[int | None] = []
    first = -1
    last = start
    depth = 1
    for at, end, word in _words(text, start + 1):
        if word in {"]", "}"}:
            depth -= 1
        between = depth == 0 or (depth == 1 and word == ",")
        if between and first >= 0:
            elements.append((first, last))
            commas.append(at if depth == 1 else None)
            first = -1
        if depth == 0:
            return _Array(start, at, tuple(elements), tuple(commas))
        if not between:
            first = at if first < 0 else first
            last = end
        if word in {"[", "{"}:
            depth += 1
    raise CannotEdit(FILE_NAME)


_WORD = re.compile(
    r'''"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[\[\]{},]|#[^\n]*|[^\s\[\]{},"'#]+''',
    re.DOTALL,
)


def _words(text: str, start: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and text of every string, bracket, comma and other word, without comments."""
    for match in _WORD.finditer(text, start):
        if not match[0].startswith("#"):
            yield match.start(), match.end(), match[0]


def _end_of_line(text: str, start: int) -> int:
    """Where the value of a key ends that is not of interest."""
    depth = 0
    at = start
    while at < len(text):
        if text[at] == "\n" and depth == 0:
            return at + 1
        match = _WORD.match(text, at)
        if match is None:
            at += 1
            continue
        depth += (match[0] in {"[", "{"}) - (match[0] in {"]", "}"})
        at = match.end()
    return at
