"""What can be wrong with settings; the room's codes are PFQ1xx.  Every error ends a command with exit code 3."""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = [
    "DotenvError",
    "SecretFileError",
    "SecretInToml",
    "SecretStoreError",
    "SettingError",
    "TomlError",
    "UnknownSetting",
    "UnsafeInProduction",
    "shape_error",
]


class SettingError(PrefiqError):
    """A setting has a value that it cannot have.

    The text names the variable, where its value came from, what is accepted and, where a word is nearly
    right, the nearest one.  Correct the variable at the source that is named: the environment, a line of
    ``.env``, a secret's file, or ``prefiq.toml``.

    Args:
        name: The variable, for example ``"DB_PORT"``, or the place in ``prefiq.toml``, ``"apps[2]"``.
        problem: What is wrong, without the subject: ``'"abc" is not a whole number'``; never a secret.
        source: Where the value came from, for example ``".env line 4"``.
        accepted: What would be right, for example ``"a whole number from 1 to 65535"``.
        nearest: The accepted word nearest to the one given, or empty.
    """

    code: ClassVar[str] = "PFQ101"
    exit_code: ClassVar[int] = 3

    def __init__(
        self, name: str, problem: str, source: str = "", accepted: str = "", nearest: str = ""
    ) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem
        self.source = source
        self.accepted = accepted
        self.nearest = nearest
        self.what = f"{name}: {problem}"
        self.where = source
        meant = f'did you mean "{nearest}"?' if nearest else ""
        self.fix = " ".join(part for part in (meant, accepted) if part)


class UnknownSetting(SettingError):
    """A variable or a key of ``prefiq.toml`` is none that Prefiq knows.

    Usually a spelling mistake: the nearest known name is given.  A variable that only looks like one of
    Prefiq's and has no near name is a warning of ``prefiq doctor boot``, not an error.
    """

    code: ClassVar[str] = "PFQ102"


class SecretFileError(SettingError):
    """The file named by a variable such as ``JWT_SECRET_KEY_FILE`` cannot serve as a secret.

    It is missing, unreadable, empty, a directory, larger than 64 KiB or not UTF-8; or the secret is given
    twice at one source, once by value and once by file.  One newline at its end is removed, nothing else.
    """

    code: ClassVar[str] = "PFQ103"


class UnsafeInProduction(SettingError):
    """The value is good enough for development and dangerous in production.

    A signing key that stands in documentation, or a database that lives in memory.  Remember that ``ENV``
    unset means production; ``ENV=development`` belongs into the ``.env`` of a developer's machine.
    """

    code: ClassVar[str] = "PFQ105"


class DotenvError(SettingError):
    """The file ``.env`` cannot be read: a line that is no assignment, a name given twice, wrong encoding."""

    code: ClassVar[str] = "PFQ106"


class TomlError(SettingError):
    """``prefiq.toml`` cannot be read: its syntax is wrong, or a key holds a value of the wrong shape."""

    code: ClassVar[str] = "PFQ107"


def shape_error(source: str) -> type[SettingError]:
    """The kind of error for a value of the wrong shape, which may stand in the file or in a variable."""
    return TomlError if source.startswith("prefiq.toml") else SettingError


class SecretInToml(SettingError):
    """``prefiq.toml`` holds a secret or a deployment setting; it is committed, so neither may stand there.

    Move it into the environment or, better, into a file named by ``<VARIABLE>_FILE``, and treat a secret
    that was committed as known to others.
    """

    code: ClassVar[str] = "PFQ108"


class SecretStoreError(SettingError):
    """A secret's value refers to a store, such as ``vault:secret/prefiq#jwt``, and the store does not give it.

    It cannot be reached, does not answer within ``SECRETS_TIMEOUT``, does not know who asks, or has no such
    secret.  The text says which; nothing that the store answered is repeated.  A store that fails is asked
    once, so that several settings may name the same problem.
    """

    code: ClassVar[str] = "PFQ109"
