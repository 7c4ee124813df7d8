"""Where the database of a tenant is, and who it is reached as: from its placement, with nothing looked up.

The name of a tenant's database comes from the directory; here it is looked at once more before it becomes a
name on a server or of a file.  The password of a tenant's own account is derived from one secret, so that none
is stored anywhere.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

from prefiq.contracts import Placement
from prefiq.settings.secret import Secret
from prefiq.sql.dialects.engine import DatabaseLike
from prefiq.sql.errors import PlaceUnusable

__all__ = ["SUFFIX", "account_password", "check_hint", "file_of", "tenant_database"]

SUFFIX = ".db"
"""Of a tenant's file of SQLite."""
_HINT = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED = re.compile(r"public|pg_.*|information_schema|mysql|performance_schema|sys|postgres|template[01]")


def check_hint(hint: str) -> str:
    """The name of a tenant's schema or database, if it can be one.

    Raises:
        PlaceUnusable: It is the server's own, or might name something else than a database.
    """
    if _HINT.fullmatch(hint) is None or _RESERVED.fullmatch(hint):
        raise PlaceUnusable("its name is not that of a tenant's place")
    return hint


def file_of(database: DatabaseLike, hint: str) -> Path:
    """SQLite: the file of a tenant, beside the one of all.

    Raises:
        PlaceUnusable: That one is in memory, or the name is none.
    """
    if database.path is None:
        raise PlaceUnusable("the application's own database is in memory, and has no folder")
    return database.path.parent / (check_hint(hint) + SUFFIX)


def account_password(key: Secret, placement: Placement) -> Secret:
    """The password of a tenant's own account: known to who has the key, and another one after each move.

    Source: RFC 2104 (HMAC).
    """
    told = f"{placement.hint}\0{placement.epoch}".encode()
    digest = hmac.new(key.reveal().encode(), told, hashlib.sha256).digest()
    return Secret(base64.urlsafe_b64encode(digest).decode().rstrip("="))


def tenant_database(database: DatabaseLike, placement: Placement, key: Secret | None = None) -> DatabaseLike:
    """A tenant's database, or the one with its schema, in plain values.

    Args:
        database: The named database on whose server, or in whose folder, it is.
        placement: Where the tenant's rows stand.
        key: ``TENANT_DB_KEY``; None where every tenant is served as the one user of ``DB_*``.

    Raises:
        PlaceUnusable: There can be none.
    """
    changed: dict[str, Any]
    if placement.mode == "schema":
        if database.engine != "postgres":
            raise PlaceUnusable("only PostgreSQL has schemas")
        changed = {"schema": check_hint(placement.hint)}
    elif database.engine == "sqlite":
        path = file_of(database, placement.hint)
        changed = {"path": path, "database": str(path)}
    else:
        changed = {"database": check_hint(placement.hint)}
        if key is not None:
            changed |= {"user": placement.hint, "password": account_password(key, placement)}
    of_values: Any = database
    found: DatabaseLike = dataclasses.replace(of_values, **changed)
    return found
