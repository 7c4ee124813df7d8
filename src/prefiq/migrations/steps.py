"""What a migration comes down to: statements, questions to the rows, and functions of the author."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from prefiq.migrations.errors import BadOperation
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.tables import tables_of

__all__ = ["Ask", "Call", "Later", "Release", "Sql", "Step", "Steps"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that stops the migration where it finds rows.

    Args:
        text: A SELECT of one number: how many rows do not fit.
        problem: What is wrong with them, without values.
        title: What it is part of, for people.
        tables: The tables that it reads.
    """

    text: str
    problem: str
    title: str
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """How a large table is changed without holding anybody up: after the migration's transaction, outside of one.

    Args:
        table: The table.
        kind: What it gets.
        name: Name of that.
        text: The statement.
        at_once: What stands in the transaction in place of the whole; empty for nothing.
    """

    table: str
    kind: Literal["index", "reference"]
    name: str
    text: str
    at_once: str = ""


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement.

    Args:
        text: Complete, without parameters, in the engine's own words.
        title: What it is part of, for people.
        moves: Whether rows or tables are replaced, so that references are checked afterwards.
        tables: What it touches, by every name that a table has before or after it.
        defines: Whether it changes their definitions; else it changes rows, and can be said twice.
        locked: Asked right before it while nobody else can write the table, where the engine itself would
            change values that do not fit.
        unchecked: Whether the engine need not look whether references hold, because questions around it do.
        copies: Whether the engine writes every row anew for it, which others have to wait for.
        later: How a large table gets the same, where there is another way.
    """

    text: str
    title: str
    moves: bool = False
    tables: tuple[str, ...] = ()
    defines: bool = False
    locked: tuple[Ask, ...] = ()
    unchecked: bool = False
    copies: bool = False
    later: Later | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Take references off a table that is about to go, where no row needs them.

    Only tables of modules that are not listed can still have such.

    Args:
        table: The table.
        title: What it is part of, for people.
    """

    table: str
    title: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the migration's file.

    Args:
        function: Takes a ``Steps``.
        title: For people.
        module: The module whose migration it is.
        schema: The tables at this point.
    """

    function: Callable[[Steps], None]
    title: str
    module: str
    schema: Schema


Step = Sql | Ask | Call | Release


class Steps:
    """What a function given to ``RunSteps`` works with; everything happens in the migration's transaction.

    Statements reach the rows of all tenants: a join or a condition on ``tenant_id`` is the author's to write.

    Args:
        connection: The connection that migrates.
        schema: The tables at this point of the migrations, not as the models say today.
        module: The module whose migration it is.
    """

    def __init__(self, connection: sa.Connection, schema: Schema, module: str) -> None:
        self.connection = connection
        self.engine = connection.dialect.name
        self._schema = schema
        self._module = module
        self._tables = tables_of(schema)

    def table(self, model: str) -> sa.Table:
        """The table of a model at this point.

        Args:
            model: ``"Project"`` of the same module, or ``"masters.Currency"``.

        Raises:
            BadOperation: There is no such model at this point.
        """
        found = self._schema.get(model if "." in model else f"{self._module}.{model}")
        if found is None:
            raise BadOperation(f"use the table of {model}", "there is no such model at this point")
        return self._tables[found.table]

    def execute(self, statement: sa.Executable, rows: Sequence[dict[str, Any]] | None = None) -> Any:
        """Run a statement of SQLAlchemy Core, with many rows of parameters where given."""
        return self.connection.execute(statement, rows) if rows else self.connection.execute(statement)

    def batches(self, statement: sa.Select[Any], size: int = 1000) -> Iterator[Sequence[sa.Row[Any]]]:
        """The rows of a query, so many at a time.

        All rows are found before the first batch is given, so that changing them does not disturb.
        """
        found = self.connection.execute(statement).all()
        for start in range(0, len(found), size):
            yield found[start : start + size]
