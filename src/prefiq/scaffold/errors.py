"""What can go wrong when files are made; the codes are PFQ82x and PFQ84x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = [
    "BadName",
    "CannotWrite",
    "ChangedMeanwhile",
    "FieldsFault",
    "FileEdited",
    "FolderInUse",
    "ModuleNameTaken",
    "NotInstalled",
]


class FolderInUse(PrefiqError):
    """A new application needs a folder that does not exist or is empty; nothing was written.

    Args:
        folder: The folder that was asked for.
    """

    code: ClassVar[str] = "PFQ821"
    what = "There is something in this place already"
    fix = "choose another name, or empty the folder first"

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.where = folder


class BadName(PrefiqError):
    """The name of an application becomes a folder and stands in files: letters, digits, ``-`` and ``_``."""

    code: ClassVar[str] = "PFQ822"
    exit_code: ClassVar[int] = 2
    what = "An application cannot have this name"
    fix = "use 1 to 63 of a-z, A-Z, 0-9, - and _, a letter or digit first"


class NotInstalled(PrefiqError):
    """No installed package offers a module of this name; nothing was written.

    Install the package that brings it, or correct the name.  ``prefiq new NAME --apps ""`` lists none.

    Args:
        name: The module.
        installed: The modules that installed packages offer.
        nearest: The one most like it, or empty.
    """

    code: ClassVar[str] = "PFQ823"
    exit_code: ClassVar[int] = 3

    def __init__(self, name: str, installed: Sequence[str], nearest: str = "") -> None:
        self.name = name
        self.installed = tuple(installed)
        self.nearest = nearest
        self.what = f'No installed package offers the module "{name}"'
        meant = f'did you mean "{nearest}"? ' if nearest else ""
        self.fix = f"{meant}installed are: {', '.join(self.installed) or 'none'}"


class CannotWrite(PrefiqError):
    """The operating system refused to make the folder or a file; nothing is left of it.

    Args:
        folder: The folder that was asked for.
        reason: What the operating system said.
    """

    code: ClassVar[str] = "PFQ824"
    fix = "choose a folder that you may write to"

    def __init__(self, folder: str, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        self.what = f"Cannot write here: {reason}"
        self.where = folder


class FileEdited(PrefiqError):
    """A file is there already with a text that a person made or edited; nothing was written.

    ``--dry-run`` shows the difference.  Move the file away, or take over from the difference what you want.

    Args:
        file: The file.
    """

    code: ClassVar[str] = "PFQ841"
    what = "A file is there already and is not replaced"
    fix = "look at the difference with --dry-run; move the file away to have it written"

    def __init__(self, file: str) -> None:
        self.file = file
        self.where = file


class ChangedMeanwhile(PrefiqError):
    """A file changed between reading and writing; nothing was written.

    Args:
        file: The file.
    """

    code: ClassVar[str] = "PFQ842"
    what = "Somebody changed this file at the same moment"
    fix = "run the command again"

    def __init__(self, file: str) -> None:
        self.file = file
        self.where = file


class FieldsFault(PrefiqError):
    """A field in ``--fields`` is not understood, or cannot be; nothing was written.

    Args:
        column: Where it begins, from 1.
        text: What stands there.
        problem: What is wrong.
        fix: What to write instead.
    """

    code: ClassVar[str] = "PFQ843"
    exit_code: ClassVar[int] = 2

    def __init__(self, column: int, text: str, problem: str, fix: str) -> None:
        self.column = column
        self.text = text
        self.what = f'"{text[:80]}": {problem}'
        self.where = f"--fields, column {column}"
        self.fix = fix


class ModuleNameTaken(PrefiqError):
    """A new module cannot have this name; nothing was written.

    Args:
        name: The name.
        problem: Why.
    """

    code: ClassVar[str] = "PFQ844"
    exit_code: ClassVar[int] = 2
    fix = "choose another name, for example that of one row: invoice"

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.what = f'A module cannot be called "{name[:80]}": {problem}'
