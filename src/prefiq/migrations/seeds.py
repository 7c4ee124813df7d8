"""Runs the seeds of the listed modules for tenants: each in one transaction with its record, once for each version."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from prefiq.contracts import (
    ConcurrencyError,
    IClock,
    IDomain,
    ITransactions,
    Page,
    Scope,
    UniqueViolation,
    where,
)
from prefiq.errors import Faults, PrefiqError
from prefiq.foundation.seeds import NoProgress, Progress, Seed, SeedRecord
from prefiq.migrations.errors import BadSeed, SeedFailed
from prefiq.sql.errors import DatabaseLocked

if TYPE_CHECKING:
    from prefiq.plugins import Host

__all__ = ["Seeded", "pending_seeds", "run_seeds"]

MOST_RECORDS = 500
PATIENCE_SECONDS = 120.0
"""How long a process waits for another one that runs the same seed."""


class Seeding(Protocol):
    """What is needed of an application."""

    @property
    def host(self) -> Host:
        """Its modules."""
        ...

    def scope(self, tenant: str, *, as_system: str, routine: bool = False) -> Scope:
        """A scope of a tenant in which the system acts."""
        ...


@dataclass(frozen=True, slots=True)
class Seeded:
    """A seed and a tenant that it is to run for, or did.

    Args:
        tenant: The tenant's key.
        module: Name of the module.
        seed: The seed.
    """

    tenant: str
    module: str
    seed: Seed


def run_seeds(
    app: Seeding,
    tenants: Iterable[str],
    progress: Progress | None = None,
) -> list[Seeded]:
    """Run what is missing.

    A failing seed ends that tenant's part, since later seeds may build on it; other tenants go on.

    Args:
        app: Booted, its database migrated.
        tenants: Keys of active tenants.
        progress: Whom to tell.

    Returns:
        What was run.

    Raises:
        Faults: ``BadSeed``s before anything runs, or ``SeedFailed``s after everything else was done.
    """
    teller = progress if progress is not None else NoProgress()
    done: list[Seeded] = []
    faults: list[PrefiqError] = []
    for tenant in tenants:
        for todo in pending_seeds(app, [tenant]):
            try:
                if _run(app, todo, teller):
                    done.append(todo)
            except Exception as error:  # noqa: BLE001  an author's code: anything may come
                failed = SeedFailed(todo.module, todo.seed.name, tenant, _reason(error))
                failed.__cause__ = error
                faults.append(failed)
                break
    if faults:
        raise Faults("Some seeds failed", faults)
    return done


def pending_seeds(app: Seeding, tenants: Iterable[str]) -> list[Seeded]:
    """What ``run_seeds`` would run, in order; reads only.

    Args:
        app: Booted, its database migrated.
        tenants: Keys of active tenants.

    Raises:
        Faults: ``BadSeed``s.
    """
    seeds = _declared(app)
    pending: list[Seeded] = []
    for tenant in tenants if seeds else ():
        with app.scope(tenant, as_system="seeds that are missing", routine=True) as scope:
            versions = {
                (record.module, record.name): record.seed_version
                for batch in scope[IDomain[SeedRecord]].stream(None, MOST_RECORDS)
                for record in batch
            }
        pending += (
            Seeded(tenant, module, seed)
            for module, seed in seeds
            if versions.get((module, seed.name), 0) < seed.version
        )
    return pending


def _run(app: Seeding, todo: Seeded, progress: Progress) -> bool:
    seed = todo.seed
    reason = f"seed {todo.module}.{seed.name} {seed.version}"
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        claimed = False
        try:
            with app.scope(todo.tenant, as_system=reason) as scope, scope[ITransactions].tx():
                claimed = _claim(scope, todo)
                if claimed:
                    seed.run(scope, progress)
        except (UniqueViolation, ConcurrencyError):
            if claimed:
                raise  # the seed's own
        except DatabaseLocked:
            if claimed or time.monotonic() > until:
                raise
            continue  # another process is at it, and a seed may take longer than anybody waits for a lock
        return claimed


def _claim(scope: Scope, todo: Seeded) -> bool:
    """Write the record of a seed that is about to run; false where another process was faster.

    The record comes first: whoever wants to write the same one waits for the end of this transaction, and then
    finds it there.

    Raises:
        prefiq.contracts.UniqueViolation: The same, found by the database.
        prefiq.contracts.ConcurrencyError: The same, where an earlier version had run.
    """
    records, seed, now = scope[IDomain[SeedRecord]], todo.seed, scope[IClock].now()
    found = records.list(Page(limit=1), where(module=todo.module, name=seed.name)).items
    if not found:
        records.save(SeedRecord(module=todo.module, name=seed.name, seed_version=seed.version, at=now))
        return True
    if found[0].seed_version >= seed.version:
        return False
    found[0].seed_version, found[0].at = seed.version, now
    records.update(found[0])
    return True


def _declared(app: Seeding) -> Sequence[tuple[str, Seed]]:
    declared = [(module.name, seed) for module, seed in app.host.seeds()]
    faults = list(_mistakes(declared))
    if faults:
        raise Faults("The seeds cannot be used", faults)
    return declared


def _mistakes(declared: Iterable[tuple[str, Any]]) -> Iterator[PrefiqError]:
    seen: set[tuple[str, str]] = set()
    for module, seed in declared:
        if not isinstance(seed, Seed):
            yield BadSeed(module, getattr(seed, "__name__", type(seed).__name__), "it is not a Seed")
            continue
        if (module, seed.name) in seen:
            yield BadSeed(module, seed.name, "another one has its name")
        if seed.version < 1:
            yield BadSeed(module, seed.name, "its version is below 1")
        seen.add((module, seed.name))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}, {error.code}" if isinstance(error, PrefiqError) else type(error).__name__
