"""What refers to a row: what a delete must do that the database cannot, and which references lead nowhere."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from prefiq.foundation.repository_children import chunks
from prefiq.lowcode import ModelSpec
from prefiq.sql.executor import Executor
from prefiq.sql.tables import Tables

__all__ = ["help_to_delete", "missing_references", "needs_help"]


def needs_help(tables: Tables, spec: ModelSpec) -> bool:
    """Whether deleting a row changes rows that the database's own cascades do not reach."""
    return _needs_help(tables, spec, set())


def _needs_help(tables: Tables, spec: ModelSpec, seen: set[str]) -> bool:
    if spec.qualified in seen:
        return False
    seen.add(spec.qualified)
    for other, field in tables.referrers(spec):
        on_delete = field.ref.on_delete if field.ref is not None else "restrict"
        if on_delete == "set_null" or (on_delete == "cascade" and other.parent):
            return True
        if on_delete == "cascade" and _needs_help(tables, other, seen):
            return True
    return False


def help_to_delete(
    executor: Executor,
    tables: Tables,
    spec: ModelSpec,
    ids: Collection[UUID],
    seen: frozenset[UUID] = frozenset(),
) -> None:
    """Change the rows that refer to some that are about to be deleted, where the database cannot.

    ON DELETE SET NULL of a composite key would empty the tenant's column too, and a parent whose children go
    away by a cascade has another version.

    Args:
        executor: Of the scope, in a transaction.
        tables: Of the application.
        spec: Whose rows go.
        ids: Theirs.
        seen: Rows that are being deleted already.
    """
    for (other, field), some in itertools.product(tables.referrers(spec), chunks(list(ids))):
        table = tables[other]
        refers = table.c[field.column].in_(some)
        on_delete = field.ref.on_delete if field.ref is not None else "restrict"
        if other.parent and on_delete != "restrict":
            parent = tables[other.parent]
            owners = sa.select(table.c[other.parent_column]).where(refers)
            executor.exec(
                sa.update(parent).where(parent.c.id.in_(owners)).values(version=parent.c.version + 1)
            )
        if on_delete == "set_null":
            changes: dict[str, Any] = {field.column: None}
            if not other.parent:
                changes["version"] = table.c.version + 1
            executor.exec(sa.update(table).where(refers).values(changes))
        elif on_delete == "cascade" and not other.parent:
            gone = {row.id for row in executor.query(sa.select(table.c.id).where(refers))} - seen
            if gone:
                help_to_delete(executor, tables, other, gone, seen | gone)


def missing_references(
    executor: Executor, tables: Tables, spec: ModelSpec, entities: Iterable[Any]
) -> tuple[str, ...]:
    """Fields whose references lead nowhere, for an engine that does not say which one it refused.

    Args:
        executor: Of the scope.
        tables: Of the application.
        spec: The model.
        entities: Of which one or more were refused.
    """
    fields: list[str] = []
    entities = list(entities)
    for field in spec.all_fields:
        ids = {field.read(entity) for entity in entities} - {None} if field.ref else set()
        if ids and field.ref is not None:
            table = tables[field.ref.model]
            count = sa.select(sa.func.count()).select_from(table)
            found = (executor.scalar(count.where(table.c.id.in_(c))) for c in chunks(list(ids)))
            if sum(found) != len(ids):
                fields.append(field.name)
    return tuple(fields)
