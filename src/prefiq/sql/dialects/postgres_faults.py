"""What PostgreSQL's errors mean, by their SQLSTATE; their texts are read only where there is none.

Source: PostgreSQL, "Appendix A. PostgreSQL Error Codes".
"""

from __future__ import annotations

import re

import psycopg

from prefiq.sql.dialects.engine import Fault
from prefiq.sql.errors import (
    AccessDenied,
    CommitUnknown,
    ConnectionsExhausted,
    CorruptDatabase,
    DatabaseError,
    DatabaseLocked,
    Deadlock,
    Disconnected,
    DiskFull,
    EncryptionFailed,
    ReadOnlyDatabase,
    SchemaMissing,
    SerializationFailure,
    ServerDatabaseMissing,
    StatementTimeout,
    StatementTooLarge,
    TransactionFailed,
    TransactionLost,
)

__all__ = ["STALE_PLAN", "explain", "is_stale_plan"]

STALE_PLAN = "RevalidateCachedQuery"
"""The server's function that refuses a prepared statement whose result has another type than it had."""

_ERRORS: dict[str, type[DatabaseError]] = {
    "25006": ReadOnlyDatabase,
    "25P02": TransactionFailed,
    "25P03": Disconnected,
    "25P04": Disconnected,
    "28000": AccessDenied,
    "28P01": AccessDenied,
    "3D000": ServerDatabaseMissing,
    "3F000": SchemaMissing,
    "40001": SerializationFailure,
    "40003": CommitUnknown,
    "40P01": Deadlock,
    "42501": AccessDenied,
    "42703": SchemaMissing,
    "42P01": SchemaMissing,
    "53100": DiskFull,
    "53300": ConnectionsExhausted,
    "54023": StatementTooLarge,
    "55P03": DatabaseLocked,
    "57P01": Disconnected,
    "57P02": Disconnected,
    "57P03": Disconnected,
    "57P04": ServerDatabaseMissing,
    "57P05": Disconnected,
    "XX001": CorruptDatabase,
    "XX002": CorruptDatabase,
}
_CONNECTING = ("connection failed", "connection is bad")
# A connection that fails has no SQLSTATE; libpq's own texts are English, the server's are in its language.
_REFUSALS: tuple[tuple[re.Pattern[str], type[DatabaseError]], ...] = (
    (re.compile(r"FATAL:  database \".*\" does not exist", re.DOTALL), ServerDatabaseMissing),
    (re.compile(r"FATAL:  (sorry, too many clients|remaining connection slots|too many conn)"), ConnectionsExhausted),
    (re.compile(r"FATAL:  the database system is "), Disconnected),
    (re.compile(r"FATAL:  (role \".*\" |password authentication|no pg_hba|pg_hba|permission denied|"
                r"\S+ authentication failed)|no password supplied", re.DOTALL), AccessDenied),
    (re.compile(r"certificate|does not support SSL|SSL error|private key"), EncryptionFailed),
)  # fmt: skip


def is_stale_plan(error: BaseException) -> bool:
    """Whether a statement was prepared before a migration, and would succeed if it were prepared anew."""
    return isinstance(error, psycopg.errors.FeatureNotSupported) and error.diag.source_function == STALE_PLAN


def explain(error: BaseException, database: str) -> Fault:
    """What an error of psycopg means.

    Args:
        error: As psycopg raised it.
        database: Name of the database, for the error to raise.
    """
    if not isinstance(error, psycopg.Error):
        return Fault("other", error=DatabaseError(database, type(error).__name__))
    state, diag = error.sqlstate, error.diag
    table, key = diag.table_name or "", diag.constraint_name or ""
    if state == "23505":
        return Fault("unique", table, key=key)
    if state == "23503":
        return Fault("foreign_key", table, key=key)
    if state == "23502":
        return Fault("required", table, (diag.column_name,) if diag.column_name else ())
    return Fault("other", error=_other(error, database))


def _other(error: psycopg.Error, database: str) -> DatabaseError:
    state = error.sqlstate
    reason = type(error).__name__
    if state is None:
        return _unnumbered(error, database, reason)
    reason = f"{reason}, {state}"
    if state == "57014":
        # The same number for pg_cancel_backend, which only the text tells apart.
        asked = "user request" in (error.diag.message_primary or "")
        return (DatabaseError if asked else StatementTimeout)(database, reason)
    if is_stale_plan(error):  # inside a transaction, which this has ended
        return TransactionLost(database, reason)
    known = _ERRORS.get(state) or (Disconnected if state.startswith("08") else DatabaseError)
    return known(database, reason)


def _unnumbered(error: psycopg.Error, database: str, reason: str) -> DatabaseError:
    """An error without SQLSTATE: of psycopg itself, or of a connection that is lost or was never made."""
    text = str(error)
    if "number of parameters must be" in text:
        return StatementTooLarge(database, reason)
    if not isinstance(error, psycopg.OperationalError):
        return DatabaseError(database, reason)
    if not text.startswith(_CONNECTING):
        return Disconnected(database, reason)
    for pattern, kind in _REFUSALS:
        if pattern.search(text):
            return kind(database, reason)
    pgconn = error.pgconn
    # Whatever language the server speaks, it had a password to judge before it hung up.
    judged = pgconn is not None and (pgconn.needs_password or (pgconn.used_password and ":  " in text))
    return (AccessDenied if judged else Disconnected)(database, reason)
