"""What MariaDB's errors mean, by their numbers; their texts are read only for the names of keys and columns.

Source: MariaDB, "MariaDB Error Code Reference"; numbers from 2000 to 2999 are the client's own.
"""

from __future__ import annotations

import re
import ssl
from typing import Any

from prefiq.errors import PrefiqError
from prefiq.sql.dialects.engine import Fault
from prefiq.sql.errors import (
    AccessDenied,
    ConnectionsExhausted,
    DatabaseError,
    DatabaseLocked,
    Deadlock,
    Disconnected,
    DiskFull,
    EncryptionFailed,
    ReadOnlyDatabase,
    ReadOnlyTransaction,
    SchemaMissing,
    SerializationFailure,
    ServerDatabaseMissing,
    StatementTimeout,
    StatementTooLarge,
)

__all__ = ["ends_connection", "explain", "note_table"]

_DUPLICATE = frozenset({1062, 1169, 1586})
_REQUIRED = frozenset({1048, 1364, 1263})
_REFERENCE = frozenset({1216, 1217, 1451, 1452})
_ERRORS: dict[int, type[DatabaseError]] = {
    1205: DatabaseLocked,
    1213: Deadlock,
    1020: SerializationFailure,  # with innodb_snapshot_isolation
    1412: SerializationFailure,  # the table was altered after the snapshot
    1969: StatementTimeout,
    1028: StatementTimeout,  # the same while it sorted
    1146: SchemaMissing,
    1054: SchemaMissing,
    1051: SchemaMissing,
    1049: ServerDatabaseMissing,
    1046: ServerDatabaseMissing,
    1040: ConnectionsExhausted,
    1203: ConnectionsExhausted,
    1226: ConnectionsExhausted,
    2026: EncryptionFailed,
    1290: ReadOnlyDatabase,
    1036: ReadOnlyDatabase,
    1836: ReadOnlyDatabase,
    1021: DiskFull,
    1114: DiskFull,
    1153: StatementTooLarge,
}
_DENIED = frozenset({1044, 1045, 1130, 1142, 1143, 1227, 1370, 1698, 1862})
# Killed, shutting down, no cluster, broken pipes: a later attempt may well succeed.
_GONE = frozenset({1047, 1053, 1080, 1081, 1152, 1158, 1159, 1160, 1161, 1184, 1927})

_TABLE = "prefiq_table"
_KEY = re.compile(r"for key '([^']*)'$")
_COLUMN = re.compile(r"(?:Column|Field) '([^']*)'")
_REFERS = re.compile(r"FOREIGN KEY \(([^)]*)\) REFERENCES")
_WRITTEN = re.compile(
    r"\s*(?:INSERT(?:\s+IGNORE)?\s+INTO|REPLACE\s+INTO|UPDATE|DELETE\s+FROM)\s+`?([^\s`(]+)", re.IGNORECASE
)


def number_of(error: BaseException) -> int:
    """The error's number; 0 where the driver gave none, which it does for connections out of step."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


def ends_connection(error: BaseException) -> bool:
    """Whether the connection cannot be used after this error of a driver."""
    number = number_of(error)
    return number == 0 or 2000 <= number < 3000 or number in _GONE


def note_table(error: BaseException, sql: Any) -> None:
    """Keep the name of the table that a failed statement writes: the server's messages do not have it."""
    if number_of(error) in _DUPLICATE | _REQUIRED | _REFERENCE:
        head = sql[:300]
        text = head.decode("utf-8", "replace") if isinstance(head, (bytes, bytearray)) else head
        match = _WRITTEN.match(text)
        if match is not None:
            setattr(error, _TABLE, match[1])


def explain(error: BaseException, database: str) -> Fault:
    """What a driver's error means.

    Args:
        error: As PyMySQL or asyncmy raised it.
        database: Name of the database, for the error to raise.
    """
    number = number_of(error)
    message = str(error.args[1]) if len(error.args) > 1 else ""
    table: str = getattr(error, _TABLE, "")
    if number in _DUPLICATE:
        key = _KEY.search(message)
        # Some releases write "table.key".
        return Fault("unique", table, key=key[1].rpartition(".")[2] if key else "")
    if number in _REQUIRED:
        column = _COLUMN.search(message)
        return Fault("required", table, (column[1],) if column else ())
    if number in _REFERENCE:
        refers = _REFERS.search(message) if number == 1452 else None
        names = re.findall(r"`([^`]+)`", refers[1]) if refers else ()
        return Fault("foreign_key", table, tuple(names))
    return Fault("other", error=_other(number, database, error))


def _other(number: int, database: str, error: BaseException) -> PrefiqError:
    reason = f"MariaDB error {number}"
    cause = getattr(error, "original_exception", None) or error.__cause__
    if isinstance(cause, ssl.SSLError):
        return EncryptionFailed(database, type(cause).__name__)
    if number == 1792:
        return ReadOnlyTransaction()
    if number in _DENIED:
        return AccessDenied(database, reason)
    known = _ERRORS.get(number)
    if known is not None:
        return known(database, reason)
    if number == 0 or 2000 <= number < 3000 or number in _GONE:
        return Disconnected(database, reason if number else "out of step")
    return DatabaseError(database, reason)
