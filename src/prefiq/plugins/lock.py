"""``apps.lock``: exactly which packages the listed apps come from; beside ``prefiq.toml``, committed with it.

Where the file exists, an app that is not what it says stops the boot before anything of it is imported.  It
holds no code and no path, so that it says the same on every machine: of a package's ``RECORD`` only the lines
of its own files count, not what an installer or a compiler adds.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefiq.errors import PrefiqError
from prefiq.plugins.entry_points import AppEntry
from prefiq.plugins.errors import LockMismatch, LockUnreadable, NotLocked

__all__ = [
    "EDITABLE",
    "FILE_NAME",
    "LockedApp",
    "changed_files",
    "lock_text",
    "locked",
    "mismatches",
    "read_lock",
    "record_of",
]

FILE_NAME = "apps.lock"
EDITABLE = "editable"
"""Stands in place of the hash for a package whose files are edited where they lie."""
UNRECORDED = "none"
_FROM_INSTALLER = {"INSTALLER", "RECORD", "RECORD.jws", "REQUESTED", "direct_url.json", "uv_cache.json"}
_HEADER = """\
# Which packages the listed apps come from; written by `prefiq apps lock`, checked at every boot.
# Commit it with prefiq.toml.
"""


@dataclass(frozen=True, slots=True)
class LockedApp:
    """One app as it was locked.

    Args:
        name: The app.
        distribution: Its package.
        version: The package's version.
        record: ``"sha256:…"`` of the package's list of files, ``"editable"``, or ``"none"`` where it has none.
    """

    name: str
    distribution: str
    version: str
    record: str


def locked(entries: Iterable[AppEntry]) -> tuple[LockedApp, ...]:
    """The apps of these packages, as they are installed now."""
    return tuple(
        LockedApp(entry.name, entry.distribution, entry.version, record_of(entry)) for entry in entries
    )


def record_of(entry: AppEntry) -> str:
    """What the lock says of a package's files; reads its ``RECORD`` alone."""
    if not entry.info:
        return UNRECORDED
    if _editable(entry.info):
        return EDITABLE
    rows = sorted(_rows(entry.info))
    if not rows:
        return UNRECORDED
    words = "".join(f"{path},{digest}\n" for path, digest in rows)
    return "sha256:" + hashlib.sha256(words.encode()).hexdigest()


def changed_files(entry: AppEntry) -> Iterator[str]:
    """Files of an installed package that are missing or not what its ``RECORD`` says; reads every one."""
    if not entry.info or _editable(entry.info):
        return
    site = Path(entry.info).parent
    for path, digest in sorted(_rows(entry.info)):
        algorithm, _, wanted = digest.partition("=")
        try:
            with (site / path).open("rb") as file:
                found = hashlib.file_digest(file, algorithm).digest()
        except (OSError, ValueError):
            yield path
            continue
        if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != wanted:
            yield path


def lock_text(apps: Sequence[LockedApp]) -> str:
    """The file for these apps."""
    parts = [_HEADER]
    for app in sorted(apps, key=lambda app: app.name):
        lines = [f"{key} = {_quoted(getattr(app, key))}" for key in LockedApp.__slots__]
        parts.append("[[app]]\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def read_lock(folder: Path) -> Mapping[str, LockedApp] | None:
    """What the lock of an application's folder says, by app; None where there is none.

    Raises:
        LockUnreadable: It is not what ``prefiq apps lock`` writes.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise LockUnreadable(str(path), "it cannot be read as text") from None
    try:
        tables = tomllib.loads(text).get("app", [])
        apps = [LockedApp(**{key: _text(table[key]) for key in LockedApp.__slots__}) for table in tables]
    except tomllib.TOMLDecodeError:
        raise LockUnreadable(str(path), "the syntax is not TOML") from None
    except (KeyError, TypeError, AttributeError, ValueError):
        raise LockUnreadable(str(path), "an app lacks one of " + ", ".join(LockedApp.__slots__)) from None
    return {app.name: app for app in apps}


def mismatches(entries: Iterable[AppEntry], lock: Mapping[str, LockedApp]) -> Iterator[PrefiqError]:
    """What is installed and not what the lock says; by metadata alone, nothing is imported."""
    for entry in entries:
        if not entry.distribution:
            continue  # listed by import path: it comes with the application's own code
        wanted = lock.get(entry.name)
        if wanted is None:
            yield NotLocked(entry.name, entry.package)
            continue
        found = LockedApp(entry.name, entry.distribution, entry.version, record_of(entry))
        for part in ("distribution", "version", "record"):
            if _plain(part, getattr(found, part)) != _plain(part, getattr(wanted, part)):
                yield LockMismatch(
                    entry.name, entry.package, part, getattr(wanted, part), getattr(found, part)
                )
                break  # another package or version has other files anyway


def _plain(part: str, text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower() if part == "distribution" else text


def _rows(info: str) -> Iterator[tuple[str, str]]:
    """Path and hash of each file that the package itself brings."""
    try:
        text = Path(info, "RECORD").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    own = Path(info).name
    for row in csv.reader(io.StringIO(text)):
        if len(row) < 2 or not row[1] or row[0].startswith(("..", "/")):
            continue  # scripts carry the interpreter's path, so they differ from machine to machine
        folder, _, name = row[0].rpartition("/")
        if (folder == own and name in _FROM_INSTALLER) or name.endswith((".pyc", ".pyo")):
            continue
        yield row[0], row[1]


def _editable(info: str) -> bool:
    try:
        data: Any = json.loads(Path(info, "direct_url.json").read_text(encoding="utf-8"))
        return bool(data.get("dir_info", {}).get("editable"))
    except (OSError, ValueError, AttributeError):
        return info.endswith(".egg-info") and not Path(info, "RECORD").exists()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
