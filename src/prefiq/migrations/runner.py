"""Applies migrations: each one whole or not at all, together with its row in the history.

On an engine that keeps each change of a table by itself, a journal takes the place of the transaction: a
migration that was broken off is brought to its end by whoever comes next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from prefiq.lowcode.model_meta import raise_together
from prefiq.migrations import history, raw
from prefiq.migrations.drift import check_made
from prefiq.migrations.errors import EditedMigration, HalfApplied, Unapplied
from prefiq.migrations.execution import Site, put_off, render, run_at_once, run_journalled, run_later
from prefiq.migrations.graph import Stage
from prefiq.migrations.journal import STEPS, Journal, begun
from prefiq.migrations.loader import ModulePart
from prefiq.migrations.migration import LoadedMigration
from prefiq.migrations.patience import WAIT
from prefiq.migrations.planning import Plan, plan
from prefiq.migrations.steps import Sql
from prefiq.migrations.walls import WALLS, Walls

__all__ = ["WAIT", "Clock", "Done", "ModuleStatus", "apply", "arrives", "check", "status", "utc_now"]

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, as everybody else knows it; tests give another clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Done:
    """A migration that was applied.

    Args:
        loaded: The migration.
        seconds: How long it took.
        adopted: Whether it was recorded only, because a development database had it already.
    """

    loaded: LoadedMigration
    seconds: float
    adopted: bool


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """Where a module's tables stand.

    Args:
        module: Name of the module.
        applied: Labels of what is applied.
        pending: Labels of what is not.
        orphaned: Whether the module is not listed.
        development: Whether its tables were migrated from the declarations, without files.
        ahead: Labels of what is applied and only newer code knows.
        begun: Labels of what is applied in part, and is brought to its end by applying it.
    """

    module: str
    applied: tuple[str, ...]
    pending: tuple[str, ...] = ()
    orphaned: bool = False
    development: bool = False
    ahead: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()


def apply(
    plan: Plan,
    connection: sa.Connection,
    *,
    wait: float = WAIT,
    clock: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    report: Callable[[Done], None] = lambda _: None,
    allow_blocking: bool = False,
    walls: Walls | None = WALLS,
) -> list[Done]:
    """Apply what is pending, one migration after the other, and mend the walls between tenants.

    Two processes may do this at once: the second waits, and applies what is left.

    Args:
        plan: As ``plan`` made it for this database.
        connection: Outside any transaction; of ``ConnectionManager.schema_connection``.
        wait: Seconds to wait for others, for each migration.
        clock: Aware UTC time.
        sleep: Waits so many seconds.
        report: Called after each migration.
        allow_blocking: Whether writers may have to wait until a large table is copied, where the engine can
            change it in no other way.
        walls: What keeps tenants apart in the database itself; None for nothing.

    Returns:
        What this process applied.

    Raises:
        BadOperation: The engine cannot keep such a table, or a fill is none of its field; nothing was applied.
        MigrationFailed: A statement was refused, or a step raised; what went before stays.
        RowsDoNotFit: Rows break what a migration introduces.
        BlockingChange: Writers would have to wait.
        MigrationLocked: Another process did not finish in time.
    """
    site = Site(connection, wait, sleep, allow_blocking, walls)
    for stage in plan.pending:
        if stage.loaded.key not in plan.adopted:
            render(site, stage.changes, stage.loaded.module, stage.loaded.label, clock())
    site.mend(plan.present)  # first: a policy of a former owner would hide rows from steps
    done: list[Done] = []
    for stage in plan.pending:
        applied = _apply(site, plan, stage, clock)
        if applied is not None:
            done.append(applied)
            report(applied)
    return done


def _apply(site: Site, plan: Plan, stage: Stage, clock: Clock) -> Done | None:
    """Apply one migration, if nobody has done so meanwhile."""
    started = time.perf_counter()
    loaded = stage.loaded

    def done() -> Done:
        _record(site, plan, stage, clock, time.perf_counter() - started)
        return Done(loaded, time.perf_counter() - started, loaded.key in plan.adopted)

    def work() -> Done | list[Sql] | None:
        history.prepare(site.connection)
        if _applied_meanwhile(site.connection, loaded):
            return None
        later = [] if loaded.key in plan.adopted else _change(site, stage, clock)
        site.wall(stage.after.of_module(loaded.module))
        return later or done()

    with site.alone():
        outcome = site.exclusively(work)
        if not isinstance(outcome, list):
            return outcome
        run_later(site, outcome, loaded.module, loaded.label)
        return site.exclusively(done)


def _change(site: Site, stage: Stage, clock: Clock) -> list[Sql]:
    """Do what the migration says.

    Returns:
        What is left to be done outside of the transaction, before the migration is recorded.
    """
    loaded, renderer = stage.loaded, site.renderer
    module, label = loaded.module, loaded.label
    if not renderer.atomic:
        journal = _journal(site, loaded)
        moment = journal.begun_at or clock()
        steps = render(site, stage.changes, module, label, moment)
        run_journalled(site, journal, steps, module, label, moment)
        if journal.assumed:
            check_made(site.connection, stage.after, journal.assumed)
        return []
    if any((one.module, one.number) == loaded.key for one in begun(site.connection, renderer)):
        journal = _journal(site, loaded)
        if journal.goal != loaded.checksum:
            raise HalfApplied(module, label)
        return [step for step in journal.stored if isinstance(step, Sql)]
    moment = clock()
    steps, later = put_off(site, render(site, stage.changes, module, label, moment))
    run_at_once(site, steps, module, label)
    if later:
        _journal(site, loaded).open(later, moment, loaded.checksum)
    return later


def _journal(site: Site, loaded: LoadedMigration) -> Journal:
    migration = loaded.migration
    return Journal(
        site.connection, site.renderer, loaded.module, migration.number, loaded.label, migration.phase
    )


def _record(site: Site, plan: Plan, stage: Stage, clock: Clock, seconds: float) -> None:
    connection, renderer, loaded = site.connection, site.renderer, stage.loaded
    with renderer.together(connection):
        raw.run(connection, history.record(loaded, clock(), seconds, renderer.dialect))
        if arrives(plan, stage):
            history.forget_development(connection, loaded.module)
        if renderer.has_table(connection, STEPS.name):
            _journal(site, loaded).close()


def status(modules: Sequence[ModulePart], connection: sa.Connection | None) -> list[ModuleStatus]:
    """Where each listed module stands, and what is left of modules that are not listed.

    Args:
        modules: The listed modules, in their order.
        connection: The database; None for one that is yet to be made.

    Raises:
        Faults: Everything that is wrong with the files, or with what the database has.
    """
    planned = plan(modules, connection, strict=False)
    listed = [
        ModuleStatus(
            module,
            tuple(row.name for row in planned.applied if row.module == module),
            tuple(stage.loaded.label for stage in planned.pending if stage.loaded.module == module),
            development=module in planned.development,
            ahead=tuple(row.name for row in planned.ahead if row.module == module),
            begun=tuple(one.name for one in planned.begun if one.module == module),
        )
        for module in planned.modules
    ]
    gone = [
        ModuleStatus(
            module, tuple(row.name for row in planned.orphans if row.module == module), orphaned=True
        )
        for module in planned.orphaned_modules
    ]
    return [*listed, *gone]


def check(modules: Sequence[ModulePart], connection: sa.Connection | None) -> None:
    """Go on only if everything is applied; takes the same as ``status``.

    Raises:
        Faults: One ``Unapplied`` for each module, or what is wrong with the files.
    """
    raise_together(
        "The database is not migrated",
        [Unapplied(at.module, at.pending) for at in status(modules, connection) if at.pending],
    )


def arrives(plan: Plan, stage: Stage) -> bool:
    """Whether a development database then stands where its history says."""
    module = stage.loaded.module
    tables = plan.development.get(module)
    if tables is None:
        return False
    return stage.loaded.key not in plan.adopted or stage.after.of_module(module).same_as(tables)


def _applied_meanwhile(connection: sa.Connection, loaded: LoadedMigration) -> bool:
    for row in history.read(connection):
        if row.key == loaded.key:
            if row.checksum != loaded.checksum:
                raise EditedMigration(loaded.module, loaded.file, row.name)
            return True
    return False
