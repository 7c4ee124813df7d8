"""What was applied to a database, kept in that database; rows of modules that are gone stay.

Two tables of Prefiq's own, made when first needed: ``prefiq_migration`` has a row for each migration,
``prefiq_development`` one for each module whose tables stand where no migration leads yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.migration import LoadedMigration
from prefiq.migrations.snapshot import Schema, from_text, to_text

__all__ = [
    "Applied",
    "development",
    "forget_development",
    "forgetting",
    "prepare",
    "read",
    "record",
    "record_development",
    "tables",
    "words_of",
]

_metadata = sa.MetaData()
MIGRATIONS = sa.Table(
    "prefiq_migration",
    _metadata,
    sa.Column("module", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("checksum", sa.String(64), nullable=False),
    sa.Column("applied_at", sa.String(32), nullable=False),
    sa.Column("duration", sa.Float, nullable=False),
    sa.Column("phase", sa.String(8), nullable=False),
)
DEVELOPMENT = sa.Table(
    "prefiq_development",
    _metadata,
    sa.Column("module", sa.String(63), primary_key=True),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of the history.

    Args:
        module: Name of the module.
        number: Number of the migration.
        name: Its label, ``"0001_initial"``.
        checksum: Of its file then.
        applied_at: When, in ISO 8601, UTC.
        duration: Seconds it took.
        phase: ``"expand"`` or ``"contract"``: code that does not know it asks this.
    """

    module: str
    number: int
    name: str
    checksum: str
    applied_at: str
    duration: float
    phase: str

    @property
    def key(self) -> tuple[str, int]:
        """Module and number."""
        return self.module, self.number


def read(connection: sa.Connection) -> list[Applied]:
    """Everything that was applied, by module and number; nothing where the database is new."""
    if not _exists(connection, MIGRATIONS):
        return []
    statement = sa.select(MIGRATIONS).order_by(MIGRATIONS.c.module, MIGRATIONS.c.number)
    return [Applied(*row) for row in run(connection, words_of(statement, connection.dialect))]


def development(connection: sa.Connection) -> dict[str, Schema]:
    """Module → its tables, for modules that were migrated from their declarations without a file."""
    if not _exists(connection, DEVELOPMENT):
        return {}
    statement = sa.select(DEVELOPMENT.c.module, DEVELOPMENT.c.snapshot).order_by(DEVELOPMENT.c.module)
    found: dict[str, Schema] = {}
    for module, text in run(connection, words_of(statement, connection.dialect)):
        try:
            found[module] = from_text(text, module)
        except ValueError:
            continue  # of another version: the tables stand as the history says, or `run migrate` reports it
    return found


def prepare(connection: sa.Connection) -> None:
    """Make the two tables where they are missing, inside the transaction that is open."""
    for text in tables(connection.dialect):
        run(connection, text)


def tables(dialect: sa.Dialect) -> list[str]:
    """The statements that make the two tables where they are missing."""
    made = (sa.schema.CreateTable(table, if_not_exists=True) for table in (MIGRATIONS, DEVELOPMENT))
    return [words_of(statement, dialect) for statement in made]


def record(loaded: LoadedMigration, at: datetime, duration: float, dialect: sa.Dialect) -> str:
    """The statement that records a migration as applied."""
    values = {
        "module": loaded.module,
        "number": loaded.migration.number,
        "name": loaded.label,
        "checksum": loaded.checksum,
        "applied_at": at.isoformat(),
        "duration": duration,
        "phase": loaded.migration.phase,
    }
    return words_of(sa.insert(MIGRATIONS).values(values), dialect)


def record_development(connection: sa.Connection, module: str, schema: Schema, at: datetime) -> None:
    """Keep where a module's tables stand."""
    forget_development(connection, module)
    values = {"module": module, "snapshot": to_text(schema), "at": at.isoformat()}
    run(connection, words_of(sa.insert(DEVELOPMENT).values(values), connection.dialect))


def forget_development(connection: sa.Connection, module: str) -> None:
    """The module's tables stand where its history says."""
    run(connection, forgetting(module, connection.dialect))


def forgetting(module: str, dialect: sa.Dialect) -> str:
    """The statement of ``forget_development``."""
    return words_of(sa.delete(DEVELOPMENT).where(DEVELOPMENT.c.module == module), dialect)


def run(connection: sa.Connection, text: str) -> Sequence[tuple[Any, ...]]:
    """Run a statement on the driver's own cursor, where it neither begins nor ends a transaction.

    Returns:
        The rows of a query.
    """
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text)
        return cursor.fetchall() if cursor.description else []
    finally:
        cursor.close()


def words_of(statement: Any, dialect: sa.Dialect) -> str:
    """A statement of our own tables as text, values written out."""
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).strip()


def _exists(connection: sa.Connection, table: sa.Table) -> bool:
    return bool(renderer_for(connection.dialect.name).fingerprint(connection, table.name))
