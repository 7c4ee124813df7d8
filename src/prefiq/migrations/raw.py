"""Statements on the driver's own cursor, where they neither begin nor end a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["run"]


def run(connection: sa.Connection, text: str) -> Sequence[tuple[Any, ...]]:
    """Run a statement as it stands, without parameters.

    Returns:
        The rows of a query.
    """
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text)
        return cursor.fetchall() if cursor.description else []
    finally:
        cursor.close()
