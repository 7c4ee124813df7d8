"""Where the text of a variable comes from: the environment, a secret's file, systemd, a store, ``.env``.

The environment wins over ``.env`` as a whole: ``X`` or ``X_FILE`` there hides both here.  A credential of
systemd, the file ``X`` in ``CREDENTIALS_DIRECTORY``, belongs to the environment.  Two of these ways at one
source are an error, since nobody can tell which was meant.  A secret's value may refer to a store,
``vault:secret/prefiq#jwt``; what a file holds is taken as it is.  A variable that is set to nothing counts as
not given.  The process's own environment is never changed.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefiq.settings.errors import DotenvError, SecretFileError, SecretStoreError, SettingError
from prefiq.settings.secret_stores import SecretNotRead, SecretStores, StoreDown

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
STORE_TIMEOUT = 5.0
"""Seconds that a store may take for one answer, until the settings say otherwise."""
MISSING = "the file does not exist"
EMPTY = "the file is empty"
_TEXT_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """A text and where it was found.

    Args:
        text: As it was written.
        source: For people: ``"environment"``, ``".env line 4"``, ``"file /run/secrets/key"``,
            ``"vault:secret/prefiq#jwt (environment)"``.
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
        self.stores = SecretStores(self._ask, STORE_TIMEOUT)
        directory = environ.get("CREDENTIALS_DIRECTORY", "").strip()
        self._credentials = Path(directory) if directory else None
        self.layers: tuple[Mapping[str, Given], ...] = (
            {name: Given(text, "environment") for name, text in environ.items() if text.strip()},
            {name: given for name, given in dotenv.items() if given.text.strip()},
        )

    def find(self, name: str, faults: list[SettingError], *, secret: bool) -> Given | None:
        """The text of a variable, or None where it is not given.

        Args:
            name: The variable.
            faults: Takes what is wrong with a secret's file.
            secret: Whether ``<name>_FILE``, a credential and a reference to a store count.
        """
        for place, layer in enumerate(self.layers):
            given = layer.get(name)
            pointer = layer.get(f"{name}_FILE") if secret else None
            credential = self._credential(name) if secret and place == 0 else None
            ways = {
                name: given.source if given else "",
                f"{name}_FILE": pointer.source if pointer else "",
                f"the credential {name}": "systemd" if credential else "",
            }
            found = [way for way, source in ways.items() if source]
            if len(found) > 1:
                problem = f"is given twice, as {' and as '.join(found)}"
                both = " and ".join(sorted({ways[way] for way in found}))
                faults.append(SecretFileError(name, problem, both, "keep one of the two"))
                return None
            if pointer is not None:
                path = self._folder / pointer.text.strip()
                where = f"{pointer.source}: {str(path)!r}"
                return self._secret(f"{name}_FILE", path, f"file {path}", where, faults)
            if credential is not None:
                where = f"credential {name}"
                return self._secret(name, credential, where, where, faults)
            if given is not None:
                return self._referred(name, given, faults) if secret else given
        return None

    def names(self) -> Iterable[tuple[str, str]]:
        """Every variable that is given, with its source; the environment first."""
        for layer in self.layers:
            for name, given in layer.items():
                yield name, given.source

    def _credential(self, name: str) -> Path | None:
        path = self._credentials / name if self._credentials is not None else None
        return path if path is not None and path.exists() else None

    def _secret(
        self, name: str, path: Path, source: str, where: str, faults: list[SettingError]
    ) -> Given | None:
        try:
            return Given(unterminated(file_text(path, SECRET_FILE_LIMIT)), source)
        except ValueError as problem:
            accepted = "a readable text file of at most 64 KiB that holds the secret alone"
            faults.append(SecretFileError(name, str(problem), where, accepted))
            return None

    def _referred(self, name: str, given: Given, faults: list[SettingError]) -> Given | None:
        reference = self.stores.reference(given.text)
        if reference is None:
            return given
        source = f"{':'.join(reference)} ({given.source})"
        try:
            return Given(self.stores.read(reference), source)
        except SecretNotRead as error:
            faults.append(SecretStoreError(name, error.problem, source, error.fix))
            return None

    def _ask(self, name: str) -> str | None:
        # What a store is set up with may be a file or a credential; it is never in a store itself.
        for layer in self.layers:
            given = layer.get(name)
            if given is not None and self.stores.reference(given.text):
                return None
        faults: list[SettingError] = []
        given = self.find(name, faults, secret=True)
        if faults:
            raise StoreDown(f"{faults[0].name}: {faults[0].problem}", faults[0].accepted)
        return given.text if given is not None else None


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
