"""``Plan``: what a database has, what the code has, and what has to happen; nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from prefiq.errors import PrefiqError
from prefiq.lowcode.model_meta import raise_together
from prefiq.migrations import history
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.diff import diff
from prefiq.migrations.errors import DatabaseAhead, DevelopmentDiffers, EditedMigration, HistoryGap
from prefiq.migrations.graph import Stage, in_order, play
from prefiq.migrations.history import Applied
from prefiq.migrations.journal import Begun, begun
from prefiq.migrations.loader import ModulePart, load
from prefiq.migrations.migration import LoadedMigration
from prefiq.migrations.snapshot import Schema

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``apply`` will do.

    Args:
        modules: The listed modules, in their order.
        migrations: Module → its migrations by number.
        applied: What the database has of listed modules.
        ahead: Of these, what only newer code knows; this code lives with it.
        orphans: What it has of modules that are not listed.
        pending: What is to be applied, in order.
        adopted: Of these, what a development database has already; it is recorded, not run.
        schema: The tables as the history says they are.
        development: Module → its tables, where they stand on no migration.
        begun: What is applied in part, where the engine does not undo such.
    """

    modules: tuple[str, ...]
    migrations: Mapping[str, Sequence[LoadedMigration]]
    applied: tuple[Applied, ...]
    ahead: tuple[Applied, ...]
    orphans: tuple[Applied, ...]
    pending: tuple[Stage, ...]
    adopted: frozenset[tuple[str, int]]
    schema: Schema
    development: Mapping[str, Schema]
    begun: tuple[Begun, ...] = ()

    @property
    def present(self) -> Schema:
        """The tables as they are: those of development where there are such."""
        schema = self.schema
        for module, tables in self.development.items():
            schema = schema.without_module(module).plus(tables)
        return schema

    @property
    def orphaned_modules(self) -> tuple[str, ...]:
        """Names of modules that the database has and nobody lists."""
        return tuple(dict.fromkeys(row.module for row in self.orphans))


def plan(
    modules: Sequence[ModulePart], connection: sa.Connection | None = None, *, strict: bool = True
) -> Plan:
    """Compare the migrations of modules with what a database has.

    What newer code has applied is no error where it only expanded: during a rollout, and after one that was
    taken back, the previous release runs on that schema.

    Args:
        modules: The listed modules, in their order.
        connection: The database; without one, as if it were new.
        strict: Whether a development database that stands on no migration is an error.

    Raises:
        Faults: Everything that is wrong with the files, or with what the database has.
    """
    migrations, faults = load(modules)
    broken = {getattr(fault, "module", "") for fault in faults}
    rows = history.read(connection) if connection is not None else []
    unfinished = begun(connection, renderer_for(connection.dialect.name)) if connection is not None else []
    listed = {module.name for module in modules}
    applied = [row for row in rows if row.module in listed]
    sound = {module: found for module, found in migrations.items() if module not in broken}
    faults += _disagreements(applied, sound)
    faults += _ahead_in_part(unfinished, sound)
    order, wrong = in_order(migrations)
    faults += [fault for fault in wrong if getattr(fault, "required", "") not in broken]
    raise_together("The migrations cannot be used", faults)

    done = {row.key for row in applied}
    # What is applied comes first, whatever other modules have been given since.
    order = [*(m for m in order if m.key in done), *(m for m in order if m.key not in done)]
    stages, wrong = play(order)
    raise_together("The migrations cannot be used", wrong)
    past = [stage for stage in stages if stage.loaded.key in done]
    pending = [stage for stage in stages if stage.loaded.key not in done]
    schema = past[-1].after if past else Schema()

    development = history.development(connection) if connection is not None else {}
    development = {module: tables for module, tables in development.items() if module in listed}
    adopted, wrong = _adopted(pending, development, schema)
    if strict:
        raise_together("The development database cannot be migrated by files", wrong)
    return Plan(
        tuple(module.name for module in modules),
        migrations,
        tuple(applied),
        tuple(row for row in applied if row.number > len(migrations[row.module])),
        tuple(row for row in rows if row.module not in listed),
        tuple(pending),
        frozenset(adopted),
        schema,
        development,
        tuple(unfinished),
    )


def _disagreements(
    applied: Sequence[Applied], migrations: Mapping[str, Sequence[LoadedMigration]]
) -> Iterator[PrefiqError]:
    rows: dict[str, list[Applied]] = {}
    for row in applied:
        rows.setdefault(row.module, []).append(row)
    for module, found in migrations.items():
        by_number = {loaded.migration.number: loaded for loaded in found}
        done = {row.number for row in rows.get(module, ())}
        last = max(by_number, default=0)
        for row in rows.get(module, ()):
            loaded = by_number.get(row.number)
            if loaded is not None and (loaded.checksum, loaded.label) != (row.checksum, row.name):
                yield EditedMigration(module, loaded.file, row.name)
        newest = max(rows.get(module, ()), key=lambda row: row.number, default=None)
        contracting = [row for row in rows.get(module, ()) if row.number > last and row.phase != "expand"]
        if contracting:
            first = min(contracting, key=lambda row: row.number)
            yield DatabaseAhead(module, first.number, first.name, last)
        skipped = [
            m.label for number, m in by_number.items() if number not in done and number < max(done, default=0)
        ]
        if skipped and newest is not None:
            yield HistoryGap(module, skipped, newest.name)


def _ahead_in_part(
    unfinished: Sequence[Begun], migrations: Mapping[str, Sequence[LoadedMigration]]
) -> Iterator[PrefiqError]:
    """Newer code broke off while it took away what this code needs."""
    for one in unfinished:
        last = max((loaded.migration.number for loaded in migrations.get(one.module, ())), default=0)
        if one.module in migrations and one.number > last and one.phase != "expand":
            yield DatabaseAhead(one.module, one.number, one.name, last)


def _adopted(
    pending: Sequence[Stage], development: Mapping[str, Schema], schema: Schema
) -> tuple[set[tuple[str, int]], list[PrefiqError]]:
    """Migrations that lead to where a development database stands, and databases that stand beside the way."""
    adopted: set[tuple[str, int]] = set()
    faults: list[PrefiqError] = []
    for module, tables in development.items():
        stages = [stage for stage in pending if stage.loaded.module == module]
        reached = [
            place for place, stage in enumerate(stages) if stage.after.of_module(module).same_as(tables)
        ]
        if reached:
            adopted |= {stage.loaded.key for stage in stages[: reached[-1] + 1]}
        elif stages and not schema.of_module(module).same_as(tables):
            end = stages[-1].after.of_module(module)
            operations, _ = diff(tables, end, is_empty=lambda _: True)
            faults.append(DevelopmentDiffers(module, [operation.title for operation in operations]))
    return adopted, faults
