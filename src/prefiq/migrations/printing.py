"""What ``apply`` would run, as text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prefiq.migrations import history
from prefiq.migrations.dialects import Renderer, renderer_for
from prefiq.migrations.graph import Stage
from prefiq.migrations.operations import CreateModel
from prefiq.migrations.planning import Plan
from prefiq.migrations.runner import arrives, utc_now
from prefiq.migrations.steps import Ask, Call, Release, Sql, Step
from prefiq.migrations.walls import WALLS, Walls

__all__ = ["sql"]


def sql(plan: Plan, engine: str, *, now: datetime | None = None, walls: Walls | None = WALLS) -> str:
    """What ``apply`` would run, as text that can be given to the database as it stands.

    Functions of migrations cannot be said in it, and what ``apply`` would refuse is only asked for.

    Args:
        plan: What is pending.
        engine: As in ``DB_ENGINE``.
        now: Aware UTC time where a migration writes the time.
        walls: What keeps tenants apart in the database itself; None for nothing.

    Raises:
        EngineNotServed: There is no such engine.
        BadOperation: The engine cannot keep such a table, or a fill is none of its field.
    """
    renderer = renderer_for(engine)
    moment = now or utc_now()
    lines: list[str] = []
    for stage in plan.pending:
        if lines:
            lines.append("")
        first = stage is plan.pending[0]
        lines += _statements(plan, stage, renderer, moment, walls, with_tables=first)
    return "\n".join([*lines, ""]) if lines else ""


def _statements(
    plan: Plan, stage: Stage, renderer: Renderer, now: datetime, walls: Walls | None, *, with_tables: bool
) -> Iterator[str]:
    loaded = stage.loaded
    adopted = loaded.key in plan.adopted
    yield f"-- {loaded.title} ({loaded.migration.phase}{', recorded only' if adopted else ''})"
    if any((one.module, one.number) == loaded.key for one in plan.begun):
        yield "-- a part of it is done in this database: prefiq_migration_step says which"
    yield from (f"{text};" for text in renderer.opening)
    if with_tables:
        yield from (f"{text};" for text in history.tables(renderer))
    title = ""
    for step in renderer.render(stage.changes, now) if not adopted else ():
        if step.title != title:
            title = step.title
            yield f"-- {title}"
            if plan.orphans and isinstance(step, Sql) and step.moves:
                yield "-- (keeps no columns of modules that are not listed; `run migrate` does)"
        yield from _step(step, renderer)
    if walls is not None and not adopted:
        yield from _walls(stage, renderer, walls)
    yield f"{history.record(loaded, now, 0.0, renderer.dialect)};"
    if arrives(plan, stage):
        yield f"{history.forgetting(loaded.module, renderer.dialect)};"
    yield from (f"{text};" for text in renderer.closing)


def _walls(stage: Stage, renderer: Renderer, walls: Walls) -> Iterator[str]:
    for change in stage.changes:
        if isinstance(change.operation, CreateModel) and "." not in change.operation.model:
            made = stage.after.table(change.module, change.operation.model)
            if made is not None and not made.shared and (texts := renderer.wall_of(made.table, walls)):
                yield f"-- the wall between tenants in {made.table}"
                yield from (f"{text};" for text in texts)


def _step(step: Step, renderer: Renderer) -> Iterator[str]:
    match step:
        case Sql(text):
            if step.later is not None:
                yield "-- (`run migrate` does it for a large table afterwards, while others write)"
            before, after = renderer.around(step)
            yield from (f"{one};" for one in before)
            for question in step.locked:
                yield from _step(question, renderer)
            yield f"{text};"
            yield from (f"{one};" for one in after)
        case Ask(text, problem):
            yield f"-- must be 0, else {problem}:\n{text};"
        case Call():
            yield "-- a function of the migration runs here, in Python"
        case Release(table):
            yield f"-- references to {table} from tables that nobody lists are taken off here"
