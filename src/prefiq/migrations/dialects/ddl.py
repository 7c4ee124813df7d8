"""Text of DDL by Alembic's own compiler, for whichever engine; nothing is executed."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from prefiq.migrations.snapshot import ModelState, Schema
from prefiq.migrations.tables import tables_of

__all__ = ["create_table", "indexes_of", "said"]


class _Collector:
    """What Alembic writes its statements to."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def write(self, text: str) -> None:
        if text.strip():
            self.statements.append(text.strip().removesuffix(";"))

    def flush(self) -> None:
        pass


def said(dialect: sa.Dialect, say: Callable[[DefaultImpl], None]) -> list[str]:
    """The statements that Alembic would run.

    Args:
        dialect: Whose words to use.
        say: Calls methods of Alembic's implementation of that engine.
    """
    collector = _Collector()
    context = MigrationContext.configure(
        dialect=dialect, opts={"as_sql": True, "output_buffer": collector, "transactional_ddl": False}
    )
    say(cast("DefaultImpl", Operations(context).impl))
    return collector.statements


def create_table(dialect: sa.Dialect, model: ModelState) -> list[str]:
    """CREATE TABLE and its indexes, in the order of their names."""
    table, indexes = indexes_of(model)

    def say(impl: DefaultImpl) -> None:
        impl.create_table(table)
        for index in indexes:
            impl.create_index(index)

    return said(dialect, say)


def indexes_of(model: ModelState) -> tuple[sa.Table, list[sa.Index]]:
    """A table without its indexes, and these by name: Alembic creates a table's indexes in any order."""
    table = tables_of(Schema((model,)))[model.table]
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    table.indexes.clear()
    return table, indexes
