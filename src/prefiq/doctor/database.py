"""What ``prefiq doctor database`` looks at: connection, engine settings, integrity, files, disk; it writes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefiq.doctor.finding import Finding, Further, findings_of, outcome
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import DatabaseSettings
    from prefiq.sql import ConnectionManager

__all__ = ["examine_database"]

LEAST_FREE = 256 * 1024**2
"""Bytes that should be free beside a database."""


def examine_database(app: Application, *further: Further) -> tuple[Finding, ...]:
    """Look at every database of an application.

    Args:
        app: Booted.
        further: Checks of rooms beside this one, migrations for example.
    """
    from prefiq.sql import ConnectionManager

    manager = app.container.resolve(None, ConnectionManager)
    findings: list[Finding] = []
    reached = True
    for database in app.settings.databases.values():
        findings += _files(database, production=app.settings.is_production)
        try:
            findings += _inside(manager, database)
        except PrefiqError as error:
            findings += findings_of(error)
            reached = False
    for check in further if reached else ():  # else each would say the same once more
        findings += outcome(check, app)
    return tuple(findings)


def _inside(manager: ConnectionManager, database: DatabaseSettings) -> Iterator[Finding]:
    with closing(manager.checkout(database.name)[0]) as connection:
        if database.engine == "sqlite":
            yield from _sqlite(manager, connection, database)


def _sqlite(manager: ConnectionManager, connection: Any, database: DatabaseSettings) -> Iterator[Finding]:
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


def _files(database: DatabaseSettings, *, production: bool) -> Iterator[Finding]:
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
    free = shutil.disk_usage(path.parent).free
    if free < max(LEAST_FREE, _size(path)):
        yield Finding(
            "PFQ-D212",
            "warning",
            f"Only {free // 1024**2} MiB are free where the database lies",
            str(path.parent),
            "make room: a migration or VACUUM needs as much again as the file takes",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
