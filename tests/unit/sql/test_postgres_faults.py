"""What psycopg says without a SQLSTATE; with one, the real server says it in ``tests/engines/postgres``."""

from __future__ import annotations

import psycopg
import pytest

from prefiq.sql import (
    AccessDenied,
    CommitUnknown,
    ConnectionsExhausted,
    CorruptDatabase,
    DatabaseError,
    Disconnected,
    DiskFull,
    EncryptionFailed,
    StatementTimeout,
)
from prefiq.sql.dialects import engine_for
from prefiq.sql.errors import StatementTooLarge

AT = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (AT + "Connection refused", Disconnected),
        (AT + "server closed the connection unexpectedly", Disconnected),
        (AT + "SSL SYSCALL error: EOF detected", Disconnected),
        (AT + "SSL error: certificate verify failed", EncryptionFailed),
        (AT + "server does not support SSL, but SSL was required", EncryptionFailed),
        (AT + 'FATAL:  password authentication failed for user "x"', AccessDenied),
        (
            AT + 'FATAL:  no pg_hba.conf entry for host "::1", user "x", database "y", no encryption',
            AccessDenied,
        ),
        (AT + "FATAL:  sorry, too many clients already", ConnectionsExhausted),
        (AT + "FATAL:  the database system is starting up", Disconnected),
        ("consuming input failed: SSL connection has been closed unexpectedly", Disconnected),
        ("consuming input failed: SSL error: bad record mac", Disconnected),
        ("the connection is closed", Disconnected),
        ("connection timeout expired", Disconnected),
        ("sending query failed: number of parameters must be between 0 and 65535", StatementTooLarge),
    ],
)
def test_errors_of_the_client(text: str, kind: type[DatabaseError]) -> None:
    """Only a connection that is being made can be refused; any other one is lost."""
    error = engine_for("postgres").explain(psycopg.OperationalError(text), "default").error
    assert type(error) is kind
    assert str(error).count("OperationalError") == 1
    assert text not in str(error)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", DiskFull),
        ("57P02", Disconnected),
        ("57P03", Disconnected),
        ("08006", Disconnected),
        ("25P03", Disconnected),
        ("40003", CommitUnknown),
        ("57014", StatementTimeout),
        ("XX001", CorruptDatabase),
        ("22003", DatabaseError),
    ],
)
def test_states_that_a_test_cannot_bring_about(state: str, kind: type[DatabaseError]) -> None:
    """Their number decides."""
    error = engine_for("postgres").explain(psycopg.errors.lookup(state)("secret"), "default").error
    assert type(error) is kind
    assert state in str(error)
    assert "secret" not in str(error)


def test_errors_of_psycopg_itself() -> None:
    """A value that no text of the server can hold, or a wrong number of values: the statement was refused."""
    for made in (psycopg.DataError("NUL"), psycopg.ProgrammingError("2 placeholders"), ValueError("x")):
        error = engine_for("postgres").explain(made, "default").error
        assert type(error) is DatabaseError
