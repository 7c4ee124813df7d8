"""Development: the server migrates itself from the declarations, and no file is written.

Where that leaves a module's tables is kept in ``prefiq_development``.  When ``makemigrations`` later writes
one file for all of it, the database is found to stand where the file leads, and the file is recorded, not run.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from prefiq.errors import PrefiqError
from prefiq.lowcode import Catalog
from prefiq.lowcode.model_meta import raise_together
from prefiq.migrations import history
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.diff import GivenRenames, Renames, diff, keep_names
from prefiq.migrations.errors import DestructiveChange
from prefiq.migrations.fills import fills_of
from prefiq.migrations.graph import Change
from prefiq.migrations.loader import ModulePart
from prefiq.migrations.operations import DropField, DropModel
from prefiq.migrations.planning import Plan, plan
from prefiq.migrations.runner import WAIT, Clock, Done, apply, run_changes, utc_now
from prefiq.migrations.snapshot import ModelState, Schema
from prefiq.migrations.tables import schema_of

__all__ = ["Developed", "migrate_from_declarations"]


@dataclass(frozen=True, slots=True)
class Developed:
    """What was done to a development database.

    Args:
        applied: Migrations that were applied from files.
        changed: Module and what was done to its tables without a file, in order.
    """

    applied: tuple[Done, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.applied or self.changed)


def migrate_from_declarations(
    modules: Sequence[ModulePart],
    catalog: Catalog,
    connection: sa.Connection,
    *,
    renames: Renames | Mapping[str, str] = keep_names,
    allow_destructive: bool = False,
    wait: float = WAIT,
    clock: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Developed:
    """Bring a database to what the models say now; in production ``apply`` does so from files alone.

    Files come first, so that modules from wheels are migrated as their authors meant it; what the models say
    beyond them follows, all of it in one transaction.

    Args:
        modules: The listed modules, in their order.
        catalog: Their models.
        connection: Outside any transaction; of ``ConnectionManager.schema_connection``.
        renames: ``{"Project.code": "key", "Task": "Job"}``, or a function that is asked; nothing by default.
        allow_destructive: Drop tables and columns that hold something.
        wait: Seconds to wait for another process.
        clock: Aware UTC time.
        sleep: Waits so many seconds.

    Raises:
        Faults: Files that cannot be used, changes that need a default, or ``DestructiveChange``s.
    """
    wanted = schema_of(catalog)
    decide = GivenRenames(renames) if isinstance(renames, Mapping) else renames
    planned = _by_files(plan(modules, connection, strict=False))
    applied = apply(planned, connection, wait=wait, clock=clock, sleep=sleep)
    if _settled(plan(modules, connection, strict=False), wanted):
        return Developed(tuple(applied))
    renderer = renderer_for(connection.dialect.name)
    with renderer.transaction(connection, wait=wait, sleep=sleep):
        history.prepare(connection)
        # Another process may have done it while this one waited.
        planned = plan(modules, connection, strict=False)
        changes = _changes(
            planned, wanted, catalog, decide, lambda model: not _holds(connection, model.table)
        )
        faults: list[PrefiqError] = list(decide.check()) if isinstance(decide, GivenRenames) else []
        for module, change in changes:
            if not allow_destructive and _loses(connection, change, module):
                faults.append(DestructiveChange(change.operation.title, module))
            run_changes(connection, renderer, [change], module, "development", clock())
        raise_together("The development database cannot follow the declarations", faults)
        for module in planned.modules:
            tables = wanted.of_module(module)
            if not planned.schema.of_module(module).same_as(tables):
                history.record_development(connection, module, tables, clock())
            elif module in planned.development:
                history.forget_development(connection, module)
    return Developed(tuple(applied), tuple((module, change.operation.title) for module, change in changes))


def _by_files(planned: Plan) -> Plan:
    """The plan without files of modules whose tables stand beside the files' way."""
    beside: set[str] = set()
    for module, tables in planned.development.items():
        known = any(key[0] == module for key in planned.adopted)
        if not known and not planned.schema.of_module(module).same_as(tables):
            beside.add(module)
    pending = tuple(stage for stage in planned.pending if stage.loaded.module not in beside)
    return dataclasses.replace(planned, pending=pending)


def _settled(planned: Plan, wanted: Schema) -> bool:
    return all(
        planned.present.of_module(module).same_as(wanted.of_module(module)) for module in planned.modules
    )


def _changes(
    planned: Plan,
    wanted: Schema,
    catalog: Catalog,
    renames: Renames,
    is_empty: Callable[[ModelState], bool],
) -> list[tuple[str, Change]]:
    schema = planned.present
    changes: list[tuple[str, Change]] = []
    faults: list[PrefiqError] = []
    for module in planned.modules:
        operations, wrong = diff(
            schema.of_module(module),
            wanted.of_module(module),
            fills=fills_of(catalog.of_module(module)),
            renames=renames,
            is_empty=is_empty,
        )
        faults += wrong
        for operation in operations if not wrong else ():
            after = operation.change(schema, module)
            changes.append((module, Change(operation, schema, after)))
            schema = after
    raise_together("The development database cannot follow the declarations", faults)
    return changes


def _loses(connection: sa.Connection, change: Change, module: str) -> bool:
    match change.operation:
        case DropModel(name):
            return _holds(connection, _table(change, module, name))
        case DropField(name, field):
            return _holds(connection, _table(change, module, name), f'"{field}" IS NOT NULL')
    return False


def _table(change: Change, module: str, name: str) -> str:
    model = change.before.get(f"{module}.{name}")
    assert model is not None, "the operation was played before"
    return model.table


def _holds(connection: sa.Connection, table: str, condition: str = "1 = 1") -> bool:
    quoted = connection.dialect.identifier_preparer.quote(table)
    return bool(history.run(connection, f"SELECT 1 FROM {quoted} WHERE {condition} LIMIT 1"))  # noqa: S608
