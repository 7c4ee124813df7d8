"""What a connection to MariaDB is opened with, alike in both modes."""

from __future__ import annotations

import math
import ssl
from typing import Any

from prefiq.sql.dialects.engine import DatabaseLike
from prefiq.sql.dialects.mariadb_types import CHARSET, COLLATION

__all__ = ["FOUND_ROWS", "GRACE", "arguments", "initial_statement", "tls_context"]

FOUND_ROWS = 1 << 1
"""The client's flag for counting the rows that an UPDATE matched, not only those that it changed."""
GRACE = 5.0
"""Seconds that the client waits for an answer beyond the server's own limit of a statement."""

# STRICT_… and ERROR_… refuse what would be stored as something else; `||` joins texts, as on other engines.
_MODES = (
    "STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION", "PIPES_AS_CONCAT",
)  # fmt: skip


def arguments(database: DatabaseLike) -> dict[str, Any]:
    """What both drivers take: where the server is, and who asks.

    User, password and database may have any characters: nothing here is a URL.
    """
    where: dict[str, Any] = {"host": database.host or "localhost", "port": database.port or 3306}
    if database.host.startswith("/"):
        where = {"unix_socket": database.host}
    # The drivers would write the password in Latin-1; the server has it in UTF-8.
    password = database.password.reveal().encode() if database.password is not None else b""
    return {
        **where,
        "user": database.user or None,
        "password": password,
        "database": database.database or None,
        "charset": CHARSET,
        "connect_timeout": database.connect_timeout,
        "client_flag": FOUND_ROWS,
        "autocommit": None,  # said in the initial statement
    }


def tls_context(database: DatabaseLike) -> ssl.SSLContext | None:
    """How the connection is encrypted; None where it is not, or where the driver decides.

    ``prefer`` and ``require`` encrypt and check nothing; ``verify-ca`` checks the certificate, ``verify-full``
    the server's name too.
    """
    if database.tls == "disable" or database.host.startswith("/"):
        return None
    checks = database.tls not in {"prefer", "require"}
    context = ssl.create_default_context(cafile=database.tls_ca) if checks else unchecked_context()
    # MariaDB's tools make certificates that the strict rules of Python 3.13 refuse.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = database.tls == "verify-full"
    if database.tls_cert is not None:
        context.load_cert_chain(database.tls_cert, database.tls_key)
    return context


def unchecked_context() -> ssl.SSLContext:
    """Encryption with whoever answers.

    The system's authorities are not read: nobody would be compared with them, and it takes 20 ms of every connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def initial_statement(database: DatabaseLike, *, scoped: bool) -> str:
    """What every connection begins with, in one round trip.

    Migrations get the server's own limits of time: they wait for locks, and their statements are long.
    """
    settings = {
        "time_zone": "'+00:00'",
        "sql_mode": f"'{','.join(_MODES)}'",
        "tx_isolation": "'READ-COMMITTED'",
        "autocommit": "1",
        "foreign_key_checks": "1",
        "unique_checks": "1",
    }
    if scoped:
        wait = max(1, math.ceil(database.busy_timeout))
        settings |= {
            "max_statement_time": f"{database.statement_timeout:f}",
            "innodb_lock_wait_timeout": f"{wait}",
            "lock_wait_timeout": f"{wait}",
        }
    texts = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return f"SET NAMES {CHARSET} COLLATE {COLLATION}, {texts}"
