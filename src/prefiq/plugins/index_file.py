"""The index of installed apps on disk, so that a start need not look through every installed package.

It lies in the user's own cache directory.  A file is used only if it belongs to this user, nobody else may
write it or its directory, and it says what this version of Prefiq wrote for exactly this import path: what it
holds decides what is imported.  Anything else counts as not there, and failing to write it is no fault.
"""

# A path object costs more than what is done with it here, thousands of times.
# ruff: noqa: PTH103, PTH105, PTH108, PTH117

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from typing import Any

from prefiq.plugins.entry_points import AppEntry, AppIndex, Stamps

__all__ = ["directory", "read", "write"]

FORMAT = 1
LARGEST = 16 * 1024**2
MOST_FILES = 32
"""Of import paths that are no longer used, the oldest files go."""


def directory() -> str:
    """Where the index lies; empty where the user has no place for it."""
    if not hasattr(os, "geteuid"):  # the ownership that we rely on is POSIX's
        return ""
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):
        home = os.environ.get("HOME", "")
        if not os.path.isabs(home):
            return ""
        root = f"{home}/.cache"
    return f"{root}/prefiq"


def read(directories: Stamps) -> tuple[dict[str, Stamps], AppIndex] | None:
    """What was kept for these directories: the files of each app, and the index; None where nothing can be used."""
    folder = directory()
    if not folder or not _ours(folder, stat.S_ISDIR):
        return None
    try:
        handle = os.open(_path(folder, directories), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        if not _trusted(status, stat.S_ISREG) or status.st_size > LARGEST:
            return None
        return _decoded(json.loads(_all(handle)), directories)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    finally:
        os.close(handle)


def write(directories: Stamps, files: dict[str, Stamps], index: AppIndex) -> None:
    """Keep an index; where that is not possible, the next start looks again."""
    folder = directory()
    if not folder:
        return
    data = {
        "format": FORMAT,
        "directories": directories,
        "files": files,
        "versions": index.versions,
        "entries": [
            [entry.name, entry.reference, entry.distribution, entry.version, entry.requires, entry.info]
            for entries in index.by_distribution.values()
            for entry in entries
        ],
    }
    with contextlib.suppress(OSError, ValueError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not _ours(folder, stat.S_ISDIR):
            return
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, separators=(",", ":"))
            os.replace(temporary, _path(folder, directories))
            _forget_old(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _forget_old(folder: str) -> None:
    with os.scandir(folder) as entries:
        files = [
            (entry.stat().st_mtime_ns, entry.path) for entry in entries if entry.name.startswith("apps-")
        ]
    for _, path in sorted(files)[:-MOST_FILES]:
        os.unlink(path)


def _path(folder: str, directories: Stamps) -> str:
    # One file for each import path, so that the environments of one machine do not push each other out.
    words = "\0".join([sys.version, *(path for path, _ in directories)])
    return f"{folder}/apps-{hashlib.sha256(words.encode('utf-8', 'replace')).hexdigest()[:32]}.json"


def _ours(path: str, kind: Any) -> bool:
    try:
        return _trusted(os.lstat(path), kind)
    except OSError:
        return False


def _trusted(status: os.stat_result, kind: Any) -> bool:
    others = stat.S_IWGRP | stat.S_IWOTH
    return bool(kind(status.st_mode)) and status.st_uid == os.geteuid() and not status.st_mode & others


def _all(handle: int) -> bytes:
    found = bytearray()
    while part := os.read(handle, 1 << 20):
        found += part
    return bytes(found)


def _decoded(data: Any, directories: Stamps) -> tuple[dict[str, Stamps], AppIndex] | None:
    if data["format"] != FORMAT or tuple(map(tuple, data["directories"])) != directories:
        return None
    entries: list[AppEntry] = []
    for name, reference, distribution, version, requires, info in data["entries"]:
        texts = (name, reference, distribution, version, info, *requires)
        if not all(isinstance(text, str) for text in texts):
            return None
        entries.append(AppEntry(name, reference, distribution, version, tuple(requires), info))
    files: dict[str, Stamps] = {}
    for name, stamps in data["files"].items():
        files[name] = tuple((str(path), int(time)) for path, time in stamps)
    versions = {str(name): str(version) for name, version in data["versions"].items()}
    return files, AppIndex.of(entries, versions)
