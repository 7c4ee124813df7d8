"""What was applied to a database, kept in that database; rows of modules that are gone stay.

Two tables of Prefiq's own, made when first needed: ``prefiq_migration`` has a row for each migration,
``prefiq_development`` one for each module whose tables stand where no migration leads yet.  The statements on
them are text, so that they can be printed as well as run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from prefiq.migrations import raw
from prefiq.migrations.dialects import Renderer, renderer_for
from prefiq.migrations.migration import LoadedMigration
from prefiq.migrations.snapshot import Schema, from_text, to_text

__all__ = [
    "Applied",
    "LongText",
    "development",
    "forget_development",
    "forgetting",
    "prepare",
    "read",
    "record",
    "record_development",
    "table_text",
    "tables",
    "words_of",
]


class LongText(sa.Text):
    """Text without an end that anybody meets."""


@compiles(LongText, "mariadb")
def _long_text(_element: LongText, _compiler: Any, **_: Any) -> str:
    return "LONGTEXT"  # its TEXT ends at 64 KiB


_metadata = sa.MetaData()
MIGRATIONS = sa.Table(
    "prefiq_migration",
    _metadata,
    sa.Column("module", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("checksum", sa.String(64), nullable=False),
    sa.Column("applied_at", sa.String(32), nullable=False),
    sa.Column("duration", sa.Double, nullable=False),
    sa.Column("phase", sa.String(8), nullable=False),
)
DEVELOPMENT = sa.Table(
    "prefiq_development",
    _metadata,
    sa.Column("module", sa.String(63), primary_key=True),
    sa.Column("snapshot", LongText, nullable=False),
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
    renderer = renderer_for(connection.dialect.name)
    if not renderer.has_table(connection, MIGRATIONS.name):
        return []
    rows = raw.run(connection, words_of(sa.select(MIGRATIONS), renderer.dialect))
    return sorted((Applied(*row) for row in rows), key=lambda row: row.key)


def development(connection: sa.Connection) -> dict[str, Schema]:
    """Module → its tables, for modules that were migrated from their declarations without a file."""
    renderer = renderer_for(connection.dialect.name)
    if not renderer.has_table(connection, DEVELOPMENT.name):
        return {}
    statement = sa.select(DEVELOPMENT.c.module, DEVELOPMENT.c.snapshot)
    found: dict[str, Schema] = {}
    for module, text in sorted(raw.run(connection, words_of(statement, renderer.dialect))):
        try:
            found[module] = from_text(text, module)
        except ValueError:
            continue  # of another version: the tables stand as the history says, or `run migrate` reports it
    return found


def prepare(connection: sa.Connection) -> None:
    """Make the two tables where they are missing."""
    renderer = renderer_for(connection.dialect.name)
    for table, text in zip((MIGRATIONS, DEVELOPMENT), tables(renderer), strict=True):
        # Asked first: a role that may not make tables may still find nothing to do.
        if not renderer.has_table(connection, table.name):
            raw.run(connection, text)


def tables(renderer: Renderer) -> list[str]:
    """The statements that make the two tables where they are missing."""
    return [table_text(table, renderer) for table in (MIGRATIONS, DEVELOPMENT)]


def table_text(table: sa.Table, renderer: Renderer) -> str:
    """The statement that makes one of Prefiq's own tables where it is missing."""
    text = words_of(sa.schema.CreateTable(table, if_not_exists=True), renderer.dialect)
    return f"{text} {renderer.table_options}".strip()


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
    dialect = renderer_for(connection.dialect.name).dialect
    raw.run(connection, words_of(sa.insert(DEVELOPMENT).values(values), dialect))


def forget_development(connection: sa.Connection, module: str) -> None:
    """The module's tables stand where its history says."""
    raw.run(connection, forgetting(module, renderer_for(connection.dialect.name).dialect))


def forgetting(module: str, dialect: sa.Dialect) -> str:
    """The statement of ``forget_development``."""
    return words_of(sa.delete(DEVELOPMENT).where(DEVELOPMENT.c.module == module), dialect)


def words_of(statement: Any, dialect: sa.Dialect) -> str:
    """A statement of our own tables as text, values written out."""
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).strip()
