"""The folder of a new application: a handful of files, all or nothing."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefiq.scaffold.errors import BadName, CannotWrite, FolderInUse
from prefiq.scaffold.templates import render

__all__ = ["FILES", "make_application"]

FILES: Mapping[str, int] = {
    ".env": 0o600,
    ".gitignore": 0o644,
    "README.md": 0o644,
    "prefiq.toml": 0o644,
    "pytest.ini": 0o644,
    "tests/conftest.py": 0o644,
    "tests/test_application.py": 0o644,
}
"""File → mode; each has a template ``application/<its last part without a dot in front>.j2``."""


def make_application(
    folder: Path, *, apps: Sequence[str] = (), modules: Mapping[str, str] | None = None
) -> list[Path]:
    """Make the folder of a new application in development: settings with a fresh key, and its composition.

    Args:
        folder: What to make; it must not exist, or be empty.  Its last part is the application's name.
        apps: The modules to list.
        modules: Module → one line about it, for the comments of ``prefiq.toml``.

    Returns:
        The files, sorted.

    Raises:
        BadName: The last part cannot be a name.
        FolderInUse: Something is there.
        CannotWrite: The operating system refused; nothing is left.
    """
    folder = folder.absolute()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", folder.name):
        raise BadName
    values = {
        "name": folder.name,
        "apps": list(apps),
        "modules": dict(modules or {}),
        "key": secrets.token_urlsafe(48),
    }
    try:
        if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
            raise FolderInUse(str(folder))
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the last step is one rename.
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise CannotWrite(str(folder), error.strerror or type(error).__name__) from error
    try:
        for name, mode in FILES.items():
            target = staged / name
            target.parent.mkdir(exist_ok=True)
            _write(target, render(f"application/{target.name.lstrip('.')}.j2", values), mode)
        staged.chmod(0o755)
        staged.replace(folder)
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        if folder.exists() and folder.is_dir() and any(folder.iterdir()):
            raise FolderInUse(str(folder)) from error  # somebody was faster
        raise CannotWrite(str(folder), error.strerror or type(error).__name__) from error
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return sorted(folder / name for name in FILES)


def _write(path: Path, text: str, mode: int) -> None:
    # The mode is there from the first byte: a key is never readable by others, not even for a moment.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123  a descriptor, no path
        stream.write(text)
