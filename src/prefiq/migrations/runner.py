"""Applies migrations: each one whole or not at all, together with its row in the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from prefiq.errors import PrefiqError
from prefiq.lowcode.model_meta import raise_together
from prefiq.migrations import history
from prefiq.migrations.dialects import Renderer, renderer_for
from prefiq.migrations.errors import (
    BadOperation,
    EditedMigration,
    MigrationFailed,
    RowsDoNotFit,
    TransactionEnded,
    Unapplied,
)
from prefiq.migrations.graph import Change, Stage
from prefiq.migrations.loader import ModulePart
from prefiq.migrations.migration import LoadedMigration
from prefiq.migrations.planning import Plan, plan
from prefiq.migrations.steps import Ask, Call, Sql, Steps
from prefiq.sql.dialects import engine_for
from prefiq.sql.errors import DatabaseError

__all__ = [
    "WAIT",
    "Clock",
    "Done",
    "ModuleStatus",
    "apply",
    "check",
    "run_changes",
    "sql",
    "status",
    "utc_now",
]

WAIT = 60.0
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
    """

    module: str
    applied: tuple[str, ...]
    pending: tuple[str, ...] = ()
    orphaned: bool = False
    development: bool = False
    ahead: tuple[str, ...] = ()


def apply(
    plan: Plan,
    connection: sa.Connection,
    *,
    wait: float = WAIT,
    clock: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    report: Callable[[Done], None] = lambda _: None,
) -> list[Done]:
    """Apply what is pending, one transaction for each migration.

    Two processes may do this at once: the second waits, and applies what is left.

    Args:
        plan: As ``plan`` made it for this database.
        connection: Outside any transaction; of ``ConnectionManager.schema_connection``.
        wait: Seconds to wait for another process, for each migration.
        clock: Aware UTC time.
        sleep: Waits so many seconds.
        report: Called after each migration.

    Returns:
        What this process applied.

    Raises:
        MigrationFailed: A statement was refused, or a step raised; what went before stays.
        RowsDoNotFit: Rows break what a migration introduces.
        MigrationLocked: Another process did not finish in time.
    """
    renderer = renderer_for(connection.dialect.name)
    done: list[Done] = []
    for stage in plan.pending:
        started = time.perf_counter()
        adopted = stage.loaded.key in plan.adopted
        with renderer.transaction(connection, wait=wait, sleep=sleep):
            history.prepare(connection)
            if _applied_meanwhile(connection, stage.loaded):
                continue
            if not adopted:
                run_changes(
                    connection, renderer, stage.changes, stage.loaded.module, stage.loaded.label, clock()
                )
            seconds = time.perf_counter() - started
            text = history.record(stage.loaded, clock(), seconds, connection.dialect)
            history.run(connection, text)
            if _arrives(plan, stage):
                history.forget_development(connection, stage.loaded.module)
        done.append(Done(stage.loaded, seconds, adopted))
        report(done[-1])
    return done


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


def sql(plan: Plan, engine: str, *, now: datetime | None = None) -> str:
    """What ``apply`` would run, as text that can be given to the database as it stands.

    Functions of migrations cannot be said in it, and what ``apply`` would refuse is only asked for.

    Args:
        plan: What is pending.
        engine: ``"sqlite"``.
        now: Aware UTC time where a migration writes the time.

    Raises:
        EngineNotServed: The engine cannot be migrated yet.
    """
    renderer = renderer_for(engine)
    moment = now or utc_now()
    lines: list[str] = []
    for stage in plan.pending:
        loaded = stage.loaded
        adopted = loaded.key in plan.adopted
        lines += [f"-- {loaded.title} ({loaded.migration.phase}{', recorded only' if adopted else ''})"]
        lines += [f"{text};" for text in renderer.opening]
        if stage is plan.pending[0]:
            lines += [f"{text};" for text in history.tables(renderer.dialect)]
        title = ""
        for step in renderer.render(stage.changes, loaded.module, moment) if not adopted else ():
            if step.title != title:
                title = step.title
                lines.append(f"-- {title}")
                if plan.orphans and isinstance(step, Sql) and step.moves:
                    lines.append("-- (keeps no columns of modules that are not listed; `run migrate` does)")
            match step:
                case Sql(text):
                    lines.append(f"{text};")
                case Ask(text, problem):
                    lines.append(f"-- must be 0, else {problem}:\n{text};")
                case Call():
                    lines.append("-- a function of the migration runs here, in Python")
        lines.append(f"{history.record(loaded, moment, 0.0, renderer.dialect)};")
        if _arrives(plan, stage):
            lines.append(f"{history.forgetting(loaded.module, renderer.dialect)};")
        lines += ["COMMIT;", ""]
    return "\n".join(lines)


def run_changes(
    connection: sa.Connection,
    renderer: Renderer,
    changes: Sequence[Change],
    module: str,
    name: str,
    now: datetime,
) -> None:
    """Run the steps of operations inside the transaction that is open, and look at references where rows moved.

    Args:
        connection: Inside ``renderer.transaction``.
        renderer: The engine's.
        changes: Operations with the schemas around them.
        module: The module whose operations they are.
        name: Label of the migration, for errors.
        now: Aware UTC time for ``fill=now``.
    """
    moved = False
    try:
        steps = renderer.render(changes, module, now, renderer.strays(connection, changes, module))
    except BadOperation as fault:
        fault.where = f"module {module}, {name}"
        raise
    for step in steps:
        with _explained(connection, module, name, step.title):
            match step:
                case Sql(text, _, moves):
                    history.run(connection, text)
                    moved = moved or moves
                case Ask(text, problem):
                    count = int(history.run(connection, text)[0][0])
                    if count:
                        raise RowsDoNotFit(f"module {module}, {name}", problem, count)
                case Call(function, title, schema):
                    function(Steps(connection, schema, module))
                    if not renderer.in_transaction(connection):
                        raise TransactionEnded(module, name, title)
                    moved = True
    if moved:
        for table, count in renderer.broken_references(connection).items():
            raise RowsDoNotFit(
                f"module {module}, {name}", f"{table} refers to rows that are not there", count
            )


def _arrives(plan: Plan, stage: Stage) -> bool:
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


@contextmanager
def _explained(connection: sa.Connection, module: str, name: str, title: str) -> Iterator[None]:
    try:
        yield
    except PrefiqError:
        raise
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        engine = engine_for(connection.dialect.name)
        reason = type(cause).__name__
        if isinstance(cause, engine.driver_error):
            said = engine.explain(cause, "default").error
            # A full disk or a file that cannot be written is not the migration's fault.
            if said is not None and type(said) is not DatabaseError and said.code != "PFQ404":
                raise said from error
            reason = str(getattr(cause, "sqlite_errorname", reason))
        raise MigrationFailed(module, name, title, reason) from error
