"""Development: the server migrates itself from the declarations, and no file is written.

Where that leaves a module's tables is kept in ``prefiq_development``.  When ``makemigrations`` later writes
one file for all of it, the database is found to stand where the file leads, and the file is recorded, not run.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from prefiq.errors import PrefiqError
from prefiq.lowcode import Catalog
from prefiq.lowcode.model_meta import raise_together
from prefiq.migrations import history, raw
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.diff import GivenRenames, Renames, diff, keep_names
from prefiq.migrations.errors import DestructiveChange
from prefiq.migrations.execution import Site, render, run_changes, run_journalled
from prefiq.migrations.fills import fills_of
from prefiq.migrations.graph import Change
from prefiq.migrations.journal import Journal, begun
from prefiq.migrations.loader import ModulePart
from prefiq.migrations.operations import (
    AddField,
    AlterField,
    CreateModel,
    DropField,
    DropModel,
    Operation,
    RenameModel,
)
from prefiq.migrations.planning import Plan, plan
from prefiq.migrations.runner import WAIT, Clock, Done, apply, utc_now
from prefiq.migrations.snapshot import FieldState, ModelState, Schema, from_text, to_text
from prefiq.migrations.tables import schema_of
from prefiq.migrations.walls import WALLS, Walls

__all__ = ["Developed", "changes_to", "migrate_from_declarations"]

DEVELOPMENT = "development"
"""In place of a migration's label."""


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
    walls: Walls | None = WALLS,
) -> Developed:
    """Bring a database to what the models say now; in production ``apply`` does so from files alone.

    Files come first, so that modules from wheels are migrated as their authors meant it; what the models say
    beyond them follows, all of it in one transaction where the engine can.

    Args:
        modules: The listed modules, in their order.
        catalog: Their models.
        connection: Outside any transaction; of ``ConnectionManager.schema_connection``.
        renames: ``{"Project.code": "key", "Task": "Job"}``, or a function that is asked; nothing by default.
        allow_destructive: Drop tables and columns that hold something.
        wait: Seconds to wait for another process.
        clock: Aware UTC time.
        sleep: Waits so many seconds.
        walls: What keeps tenants apart in the database itself; None for nothing.

    Raises:
        Faults: Files that cannot be used, changes that need a default, or ``DestructiveChange``s.
    """
    site = Site(connection, wait, sleep, may_block=True, walls=walls)
    wanted = schema_of(catalog)
    decide = GivenRenames(renames) if isinstance(renames, Mapping) else renames
    finished = _finish(site, clock)
    planned = _by_files(plan(modules, connection, strict=False))
    applied = apply(
        planned, connection, wait=wait, clock=clock, sleep=sleep, allow_blocking=True, walls=walls
    )
    if _settled(plan(modules, connection, strict=False), wanted):
        site.mend(wanted)
        return Developed(tuple(applied), finished)
    changed = site.exclusively(
        lambda: _follow(site, modules, wanted, catalog, decide, clock, allow_destructive=allow_destructive)
    )
    return Developed(tuple(applied), (*finished, *changed))


def _follow(
    site: Site,
    modules: Sequence[ModulePart],
    wanted: Schema,
    catalog: Catalog,
    decide: Renames,
    clock: Clock,
    *,
    allow_destructive: bool,
) -> tuple[tuple[str, str], ...]:
    """Do what the declarations say beyond the files; where the engine can, in one transaction."""
    connection, renderer = site.connection, site.renderer
    history.prepare(connection)
    # Another process may have done it while this one waited.
    planned = plan(modules, connection, strict=False)
    changes = changes_to(planned, wanted, catalog, decide, lambda model: not _holds(connection, model.table))
    faults: list[PrefiqError] = list(decide.check()) if isinstance(decide, GivenRenames) else []
    if not allow_destructive:
        faults += (DestructiveChange(change.title, change.module) for change in _losing(connection, changes))
    raise_together("The development database cannot follow the declarations", faults)
    for change in changes:
        _change(site, change, clock)
    site.wall(wanted)
    with renderer.together(connection):
        for module in planned.modules:
            tables = wanted.of_module(module)
            if not planned.schema.of_module(module).same_as(tables):
                history.record_development(connection, module, tables, clock())
            elif module in history.development(connection):
                history.forget_development(connection, module)
    return tuple((change.module, change.title) for change in changes)


def _change(site: Site, change: Change, clock: Clock) -> None:
    """Make one change; where it is kept by itself, it is kept as well where that leads."""
    connection, renderer = site.connection, site.renderer
    if renderer.atomic:
        run_changes(site, [change], change.module, DEVELOPMENT, clock())
        return
    journal = Journal(connection, renderer, change.module, 0, DEVELOPMENT, "contract")
    now = clock()
    steps = render(site, [change], change.module, DEVELOPMENT, now)
    modules = sorted({model.module for model in (*change.before, *change.after)})
    moved = [m for m in modules if not change.before.of_module(m).same_as(change.after.of_module(m))]
    goal = json.dumps({module: to_text(change.after.of_module(module)) for module in moved})
    run_journalled(site, journal, steps, change.module, DEVELOPMENT, now, goal)
    _arrived(site, journal, goal, clock)


def _finish(site: Site, clock: Clock) -> tuple[tuple[str, str], ...]:
    """Bring to its end what another process broke off."""
    renderer = site.renderer
    if not any(one.number == 0 for one in begun(site.connection, renderer)):
        return ()

    def work() -> tuple[tuple[str, str], ...]:
        done: list[tuple[str, str]] = []
        for one in begun(site.connection, renderer):
            if one.number != 0:
                continue
            journal = Journal(site.connection, renderer, one.module, 0, one.name, one.phase)
            goal, steps = journal.goal, journal.stored
            run_journalled(site, journal, steps, one.module, one.name, clock(), goal)
            _arrived(site, journal, goal, clock)
            done += ((one.module, title) for title in dict.fromkeys(step.title for step in steps))
        return tuple(done)

    return site.exclusively(work)


def _arrived(site: Site, journal: Journal, goal: str, clock: Clock) -> None:
    snapshots: dict[str, str] = json.loads(goal)
    with site.renderer.together(site.connection):
        for module, text in snapshots.items():
            history.record_development(site.connection, module, from_text(text, module), clock())
        journal.close()


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


def changes_to(
    planned: Plan,
    wanted: Schema,
    catalog: Catalog,
    renames: Renames,
    is_empty: Callable[[ModelState], bool],
) -> list[Change]:
    """What leads from the tables as they are to what is wanted.

    Args:
        planned: Of the database.
        wanted: All tables as they shall be.
        catalog: The models, for what new fields are filled with.
        renames: Tells a new name from a new thing.
        is_empty: Whether a table holds no rows.

    Raises:
        Faults: Something cannot be changed that way.
    """
    schema = planned.present
    changes: list[Change] = []
    faults: list[PrefiqError] = []
    later: list[tuple[str, Operation]] = []
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
            possible, rest = _without_what_is_to_come(operation, schema, module)
            later += ((module, one) for one in rest)
            schema = _append(changes, schema, module, possible)
    for module, operation in later:
        schema = _append(changes, schema, module, operation)
    raise_together("The development database cannot follow the declarations", faults)
    return changes


def _append(changes: list[Change], schema: Schema, module: str, operation: Operation) -> Schema:
    after = operation.change(schema, module)
    changes.append(Change(module, operation, schema, after))
    return after


def _without_what_is_to_come(
    operation: Operation, schema: Schema, module: str
) -> tuple[Operation, list[Operation]]:
    """The operation without references to tables of a later module, and what adds them once these are there."""

    def is_to_come(field: FieldState) -> bool:
        ref = field.ref
        return ref is not None and schema.get(schema.present(ref.model)) is None and ref.model not in created

    created: set[str] = set()
    match operation:
        case CreateModel(name, fields=fields):
            created.add(f"{module}.{name}")
            loose = tuple(dataclasses.replace(f, ref=None) if is_to_come(f) else f for f in fields)
            rest: list[Operation] = [AlterField(name, field) for field in fields if is_to_come(field)]
            return dataclasses.replace(operation, fields=loose), rest
        case AddField(name, field) | AlterField(name, field) if is_to_come(field):
            loosened = dataclasses.replace(operation, field=dataclasses.replace(field, ref=None))
            return loosened, [AlterField(name, field)]
    return operation, []


def _losing(connection: sa.Connection, changes: Sequence[Change]) -> Iterator[Change]:
    """Changes that would drop something which holds rows; asked before any of them is made."""
    present: dict[str, str] = {}
    for change in changes:
        match change.operation:
            case RenameModel(old, new) if "." not in old:
                before, after = change.table(old, after=False).table, change.table(new, after=True).table
                present[after] = present.pop(before, before)
            case DropModel(name):
                table = change.table(name, after=False).table
                if _holds(connection, present.get(table, table)):
                    yield change
            case DropField(name, field):
                table = change.table(name, after=False).table
                if _holds(connection, present.get(table, table), field):
                    yield change


def _holds(connection: sa.Connection, table: str, column: str = "") -> bool:
    """Whether a table has rows, or rows with something in a column."""
    quote = renderer_for(connection.dialect.name).dialect.identifier_preparer.quote
    condition = f" WHERE {quote(column)} IS NOT NULL" if column else ""
    return bool(raw.run(connection, f"SELECT 1 FROM {quote(table)}{condition} LIMIT 1"))  # noqa: S608
