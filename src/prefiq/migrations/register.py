"""The register of tenants' databases: what each was brought to, in one table of the application's own database.

Whether there is anything to do in a thousand databases is one query here.  Each database also keeps its own
history, which decides; the register only says where nobody need look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prefiq.migrations import history, raw
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.migration import LoadedMigration

__all__ = ["Entry", "forget", "read", "revision_of", "write"]

TARGETS = sa.Table(
    "prefiq_target",
    sa.MetaData(),
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("revision", sa.String(64), nullable=False),
    sa.Column("shared", sa.String(64), nullable=False),
    sa.Column("error", sa.String(500), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tenant's database stands.

    Args:
        tenant: Key of the tenant.
        epoch: Of its placement then.
        revision: As ``Fresh.checksum``; empty where it was never brought anywhere.
        shared: Of the shared rows that it has copies of; empty where it has none.
        error: What was in the way of the last attempt; empty for nothing.
        at: When, in ISO 8601, UTC.
    """

    tenant: str
    epoch: int
    revision: str
    shared: str
    error: str
    at: str


def revision_of(migrations: Mapping[str, Sequence[LoadedMigration]]) -> str:
    """One text for what all migrations of the code make together."""
    digest = hashlib.sha256()
    for module in sorted(migrations):
        for loaded in migrations[module]:
            digest.update(f"{module} {loaded.migration.number} {loaded.checksum}\n".encode())
    return digest.hexdigest()


def read(connection: sa.Connection) -> dict[str, Entry]:
    """Every entry by its tenant."""
    renderer = renderer_for(connection.dialect.name)
    if not renderer.has_table(connection, TARGETS.name):
        return {}
    rows = raw.run(connection, history.words_of(sa.select(TARGETS), renderer.dialect))
    return {row[0]: Entry(*row) for row in rows}


def write(connection: sa.Connection, entry: Entry) -> None:
    """Keep an entry in place of the one that there was."""
    renderer = renderer_for(connection.dialect.name)
    if not renderer.has_table(connection, TARGETS.name):
        raw.run(connection, history.table_text(TARGETS, renderer))
    values: dict[str, Any] = {name: getattr(entry, name) for name in TARGETS.columns.keys()}  # noqa: SIM118
    with renderer.together(connection):
        _delete(connection, entry.tenant)
        raw.run(connection, history.words_of(sa.insert(TARGETS).values(values), renderer.dialect))


def forget(connection: sa.Connection, tenant: str) -> None:
    """The tenant has no database any more."""
    if renderer_for(connection.dialect.name).has_table(connection, TARGETS.name):
        _delete(connection, tenant)


def _delete(connection: sa.Connection, tenant: str) -> None:
    statement = sa.delete(TARGETS).where(TARGETS.c.tenant == tenant)
    raw.run(connection, history.words_of(statement, renderer_for(connection.dialect.name).dialect))
