"""SQLite: engine settings, integrity, files, disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefiq.doctor.finding import Finding

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import DatabaseSettings
    from prefiq.sql import ConnectionManager

__all__ = ["engine_settings", "files", "files_allowed", "inside", "little_room", "open_files"]

LEAST_FREE = 256 * 1024**2
"""Bytes that should be free beside a database."""


EACH = 3
"""Files that a connection has open: the database, its log and the log's index."""
OTHERS = 64
"""Files and sockets that a process has open besides."""


def open_files(connections: int, limit: int) -> Iterator[Finding]:
    """More files for tenants' own databases than the process may have open.

    Args:
        connections: That one process holds at most, of all databases.
        limit: How many files it may have open; below 1 for no limit.
    """
    wanted = connections * EACH + OTHERS
    if 0 < limit < wanted:
        yield Finding(
            "PFQ-D213",
            "warning",
            f"A process may have {limit} files open, and tenants' files may need {wanted}",
            "the limit of open files",
            "raise it (ulimit -n; LimitNOFILE of systemd), or lower DB_MAX_CONNECTIONS",
        )


def files_allowed() -> int:
    """How many files this process may have open; 0 where there is no limit, or none that can be asked for."""
    try:
        import resource
    except ImportError:  # not on this system
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else soft


def inside(app: Application, database: DatabaseSettings) -> Iterator[Finding]:
    """What a connection of the application's pool shows."""
    from prefiq.sql import ConnectionManager

    manager = app.container.resolve(None, ConnectionManager)
    with closing(manager.checkout(database.name)[0]) as connection:
        yield from engine_settings(manager, connection, database)


def engine_settings(
    manager: ConnectionManager, connection: Any, database: DatabaseSettings
) -> Iterator[Finding]:
    """Foreign keys, journal, and whether the pages are sound."""
    where = f"database {database.name}"

    def ask(pragma: str) -> Any:
        cursor = connection.connection.cursor()
        try:
            return cursor.execute(f"PRAGMA {pragma}").fetchone()[0]
        except manager.kind(database.name).driver_error as error:
            raise manager.explain(error, database.name) from error
        finally:
            cursor.close()

    if ask("foreign_keys") != 1:
        yield Finding(
            "PFQ-D201", "error", "Foreign keys are not enforced", where, "let prefiq open the connections"
        )
    if not database.is_memory and ask("journal_mode") != "wal":
        yield Finding(
            "PFQ-D202",
            "warning",
            "The file is not in WAL mode: readers wait for writers",
            where,
            "put the file on a local disk; network file systems cannot do WAL",
        )
    # quick_check reads every page but verifies no index against its table: seconds for a gigabyte.
    if ask("quick_check(1)") != "ok":
        yield Finding(
            "PFQ-D203",
            "error",
            "The file is damaged: quick_check finds faults",
            where,
            "stop writing, keep a copy of the file, and restore it from a backup",
        )


def files(database: DatabaseSettings, *, production: bool) -> Iterator[Finding]:
    """Rights on the file, and the room beside it."""
    path = database.path
    if path is None or not path.exists():
        return  # in memory, on a server, or missing, which connecting tells
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield Finding(
            "PFQ-D210",
            "error",
            "This process may not write the database's file or its folder",
            str(path),
            "give its user the right to write both: SQLite keeps its log beside the file",
        )
    if production and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Finding(
            "PFQ-D211",
            "warning",
            "Other users of this machine can read the database's file",
            str(path),
            f"chmod o= {path}, and set UMask=0077 for the service",
        )
    yield from little_room(shutil.disk_usage(path.parent).free, _size(path), str(path.parent))


def little_room(free: int, size: int, where: str) -> Iterator[Finding]:
    """Too little disk beside a database of this size.

    Args:
        free: Bytes.
        size: Bytes.
        where: The folder.
    """
    if free < max(LEAST_FREE, size):
        yield Finding(
            "PFQ-D212",
            "warning",
            f"Only {free // 1024**2} MiB are free where the database lies",
            where,
            "make room: a migration or VACUUM needs as much again as the data take",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
