"""Where the text of a variable comes from: the environment, a secret's file, ``.env``.

The environment wins over ``.env`` as a whole: ``X`` or ``X_FILE`` there hides both here.  ``X`` beside
``X_FILE`` at one source is an error, since nobody can tell which was meant.  A variable that is set to
nothing counts as not given.  The process's own environment is never changed.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefiq.settings.errors import DotenvError, SecretFileError, SettingError

__all__ = [
    "EMPTY",
    "MISSING",
    "SECRET_FILE_LIMIT",
    "Given",
    "Sources",
    "file_text",
    "read_dotenv",
    "unterminated",
]

SECRET_FILE_LIMIT = 64 * 1024
"""Bytes that a secret's file may have."""
MISSING = "the file does not exist"
EMPTY = "the file is empty"
_TEXT_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """A text and where it was found.

    Args:
        text: As it was written.
        source: For people: ``"environment"``, ``".env line 4"``, ``"file /run/secrets/key"``.
    """

    text: str = field(repr=False)
    source: str


class Sources:
    """The sources of one application.

    Args:
        folder: The application's folder; paths of secrets' files are relative to it.
        environ: The environment, usually ``os.environ``.
        dotenv: What ``.env`` says.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], dotenv: Mapping[str, Given]) -> None:
        self._folder = folder
        self.layers: tuple[Mapping[str, Given], ...] = (
            {name: Given(text, "environment") for name, text in environ.items() if text.strip()},
            {name: given for name, given in dotenv.items() if given.text.strip()},
        )

    def find(self, name: str, faults: list[SettingError], *, secret: bool) -> Given | None:
        """The text of a variable, or None where it is not given.

        Args:
            name: The variable.
            faults: Takes what is wrong with a secret's file.
            secret: Whether ``<name>_FILE`` counts.
        """
        for layer in self.layers:
            given = layer.get(name)
            pointer = layer.get(f"{name}_FILE") if secret else None
            if pointer is None:
                if given is not None:
                    return given
                continue
            if given is None:
                return self._secret(name, pointer, faults)
            both = " and ".join(sorted({given.source, pointer.source}))
            problem = f"is given twice, as {name} and as {name}_FILE"
            faults.append(SecretFileError(name, problem, both, "keep one of the two"))
            return None
        return None

    def names(self) -> Iterable[tuple[str, str]]:
        """Every variable that is given, with its source; the environment first."""
        for layer in self.layers:
            for name, given in layer.items():
                yield name, given.source

    def _secret(self, name: str, pointer: Given, faults: list[SettingError]) -> Given | None:
        path = self._folder / pointer.text.strip()
        try:
            return Given(unterminated(file_text(path, SECRET_FILE_LIMIT)), f"file {path}")
        except ValueError as problem:
            accepted = "a readable text file of at most 64 KiB that holds the secret alone"
            where = f"{pointer.source}: {str(path)!r}"
            faults.append(SecretFileError(f"{name}_FILE", str(problem), where, accepted))
            return None


def file_text(path: Path, limit: int = _TEXT_LIMIT) -> str:
    """The text of a small regular file.

    Raises:
        ValueError: It cannot serve; the message is the problem, without content.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ValueError("the file is a directory")
        if not stat.S_ISREG(kind):
            raise ValueError("the file is no regular file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise ValueError(MISSING) from None
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror or type(error).__name__})") from None
    if len(content) > limit:
        raise ValueError(f"the file is larger than {limit // 1024} KiB")
    if not content.strip():
        raise ValueError(EMPTY)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None


def unterminated(text: str) -> str:
    """The text without one newline at its end, as editors and ``echo`` leave it."""
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def read_dotenv(path: Path, faults: list[SettingError]) -> dict[str, Given]:
    """What a ``.env`` file says; nothing where there is none.

    Values are literal: ``${NAME}`` is not replaced, so that a file means the same everywhere.
    """
    try:
        content = file_text(path)
    except ValueError as error:
        if str(error) not in {MISSING, EMPTY}:
            faults.append(DotenvError(".env", str(error), str(path)))
        return {}
    from dotenv.parser import parse_stream

    found: dict[str, Given] = {}
    for binding in parse_stream(io.StringIO(content)):
        original = binding.original.string
        # The parser counts from the blank lines before the statement.
        line = binding.original.line + original[: len(original) - len(original.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            faults.append(DotenvError(".env", "a line is no assignment", f".env line {line}", "NAME=value"))
        elif binding.key in found:
            problem = f"{binding.key} is given twice"
            both = f"{found[binding.key].source} and line {line}"
            faults.append(DotenvError(".env", problem, both, "keep one of the two lines"))
        elif binding.key is not None:
            found[binding.key] = Given(binding.value or "", f".env line {line}")
    return found
