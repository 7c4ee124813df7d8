"""The order of migrations of several modules, and the schema that they make one after the other."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefiq.errors import PrefiqError
from prefiq.migrations.errors import BadOperation, BrokenMigration, MigrationCycle, MissingRequirement
from prefiq.migrations.migration import LoadedMigration
from prefiq.migrations.operations import Operation
from prefiq.migrations.snapshot import ModelState, Schema

__all__ = ["Change", "Stage", "in_order", "play", "play_one"]

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One operation with the schemas around it.

    Args:
        module: The module whose operation it is.
        operation: What happens.
        before: The tables of all modules before it.
        after: The tables of all modules after it.
    """

    module: str
    operation: Operation
    before: Schema
    after: Schema

    @property
    def title(self) -> str:
        """What happens, for people."""
        return self.operation.title

    def table(self, name: str, *, after: bool) -> ModelState:
        """The whole table of a model that the operation names.

        Raises:
            BadOperation: It is another module's, and not there yet.
        """
        found = (self.after if after else self.before).table(self.module, name)
        if found is None:
            problem = f"{name} is not there yet: name the migration that makes it in requires"
            raise BadOperation(self.title, problem)
        return found


@dataclass(frozen=True, slots=True)
class Stage:
    """A migration with the schemas around it.

    Args:
        loaded: The migration.
        changes: Its operations.
        before: The tables of all modules before it.
        after: The tables of all modules after it.
    """

    loaded: LoadedMigration
    changes: tuple[Change, ...]
    before: Schema
    after: Schema


def in_order(
    migrations: Mapping[str, Sequence[LoadedMigration]],
) -> tuple[list[LoadedMigration], list[PrefiqError]]:
    """All migrations such that each stands behind what it requires.

    Args:
        migrations: Module → its migrations by number; modules in the order in which they are listed, which
            is kept wherever requirements allow.

    Returns:
        The migrations in order (those of a circle are left out), and what is missing or circular.
    """
    faults = [fault for loaded in _all(migrations) for fault in _missing(loaded, migrations)]
    everything = {loaded.key: loaded for loaded in _all(migrations)}
    place = {key: number for number, key in enumerate(everything)}
    needs = {key: _needs(loaded) & everything.keys() for key, loaded in everything.items()}
    open_needs = {key: len(needed) for key, needed in needs.items()}
    followers: dict[Key, list[Key]] = {key: [] for key in everything}
    for key, needed in needs.items():
        for other in needed:
            followers[other].append(key)
    ready = [(place[key], key) for key, count in open_needs.items() if not count]
    heapq.heapify(ready)
    order: list[LoadedMigration] = []
    while ready:
        _, key = heapq.heappop(ready)
        order.append(everything[key])
        for other in followers[key]:
            open_needs[other] -= 1
            if not open_needs[other]:
                heapq.heappush(ready, (place[other], other))
    if len(order) < len(everything):
        done = {loaded.key for loaded in order}
        waiting = {key: loaded for key, loaded in everything.items() if key not in done}
        faults.append(MigrationCycle(_circle(needs, waiting)))
    return order, faults


def play(
    order: Sequence[LoadedMigration],
    start: Schema = Schema(),  # noqa: B008  frozen
) -> tuple[list[Stage], list[PrefiqError]]:
    """The schemas around each migration, and operations that do not fit.

    Args:
        order: As ``in_order`` gives it.
        start: The tables before the first.
    """
    stages: list[Stage] = []
    faults: list[PrefiqError] = []
    broken: set[str] = set()
    schema = start
    for loaded in order:
        if loaded.module in broken:
            continue
        stage, wrong = play_one(loaded, schema)
        faults.extend(wrong)
        if stage is None:
            broken.add(loaded.module)
            continue
        stages.append(stage)
        schema = stage.after
    return stages, faults


def play_one(loaded: LoadedMigration, before: Schema) -> tuple[Stage | None, list[PrefiqError]]:
    """One migration on a schema: its stage, or None with what does not fit."""
    schema = before
    changes: list[Change] = []
    contracting: list[str] = []
    where = f"module {loaded.module}, {loaded.file}"
    for operation in loaded.migration.operations:
        try:
            if operation.contracts(schema, loaded.module):
                contracting.append(operation.title)
            after = operation.change(schema, loaded.module)
        except BadOperation as fault:
            fault.where = where
            return None, [fault]
        except Exception as error:  # noqa: BLE001  a file that people wrote: its values may be of any type
            place = loaded.migration.operations.index(operation) + 1
            problem = f"its operation {place}, {type(operation).__name__}, has values of a wrong kind"
            broken = BrokenMigration(loaded.module, loaded.file, problem)
            broken.__cause__ = error
            return None, [broken]
        changes.append(Change(loaded.module, operation, schema, after))
        schema = after
    if contracting and loaded.migration.phase == "expand":
        problem = f'its phase is "contract", since it would {contracting[0]}'
        return None, [BrokenMigration(loaded.module, loaded.file, problem)]
    return Stage(loaded, tuple(changes), before, schema), []


def _all(migrations: Mapping[str, Sequence[LoadedMigration]]) -> Iterator[LoadedMigration]:
    for loaded in migrations.values():
        yield from loaded


def _needs(loaded: LoadedMigration) -> set[Key]:
    own = {(loaded.module, loaded.migration.number - 1)}
    return own | set(loaded.migration.requires.items())


def _missing(
    loaded: LoadedMigration, migrations: Mapping[str, Sequence[LoadedMigration]]
) -> Iterator[PrefiqError]:
    for module, number in loaded.migration.requires.items():
        listed = migrations.get(module)
        has = None if listed is None else max((other.migration.number for other in listed), default=0)
        if has is None or has < number:
            yield MissingRequirement(loaded.module, loaded.file, module, number, has)


def _circle(needs: Mapping[Key, set[Key]], waiting: Mapping[Key, LoadedMigration]) -> list[str]:
    key = next(iter(waiting))
    seen: list[Key] = []
    while key not in seen:
        seen.append(key)
        key = next(other for other in sorted(needs[key]) if other in waiting)
    return [waiting[step].title for step in [*seen[seen.index(key) :], key]]
