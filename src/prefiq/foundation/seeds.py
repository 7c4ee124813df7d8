"""Rows that a tenant starts with: what a module declares, and what is remembered of each tenant.

``migrations/seeds.py`` runs them, each in one transaction with its record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, TypeVar

from prefiq.contracts import Compare, Criteria, IDomain, IDomainService, Page, Scope, UniqueViolation
from prefiq.foundation.entity import Entity
from prefiq.lowcode import ModelMeta, field, now, unique

__all__ = ["NoProgress", "Progress", "Seed", "SeedRecord", "upsert_missing"]

E = TypeVar("E")
T = TypeVar("T")
BATCH = 500


class Progress(Protocol):
    """Is told how far a seed has come; a bar on a terminal, for example."""

    def start(self, title: str, total: int | None = None) -> None:
        """Some work begins.

        Args:
            title: What it is, for people.
            total: How many rows it has, where known.
        """
        ...

    def advance(self, count: int = 1) -> None:
        """So many more rows are done."""
        ...


class NoProgress:
    """Tells nobody."""

    def start(self, title: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, count: int = 1) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Seed:
    """Rows that every tenant of a module gets.

    A seed runs in a scope of one tenant, as the system, in one transaction with its record.  It runs for a
    new tenant, and again when its version rises; what a tenant has changed since is for it to keep, for
    which ``upsert_missing`` serves.

    Args:
        name: Unique in the module, ``"countries"``.
        version: 1, and one more whenever its rows change.
        run: Takes the scope and whom to tell of its progress.
    """

    name: str
    version: int
    run: Callable[[Scope, Progress], None]


class SeedRecord(Entity):
    """That a seed was run for a tenant, and in which version."""

    module: str = field(max_length=63)
    name: str = field(max_length=100)
    seed_version: int
    at: datetime = field(default=now)

    meta = ModelMeta(
        indexes=(unique("module", "name"),), order_by=("module", "name"), remote=False, audit=False
    )


def upsert_missing(
    store: IDomainService[E] | IDomain[E],
    rows: Iterable[E],
    key: str = "code",
    *,
    progress: Progress | None = None,
    batch: int = BATCH,
) -> int:
    """Insert the rows whose key the tenant does not have; rows that it has are left as they are.

    Args:
        store: The model's service, whose checks, hooks and history apply, or its repository.
        rows: Entities; the first of several with one key counts.
        key: The field that identifies a row within the tenant.
        progress: Whom to tell.
        batch: Rows looked up and inserted at once.

    Returns:
        How many were inserted.
    """
    inserted = 0
    for part in _parts(rows, batch):
        wanted: Criteria = Compare(key, "in", tuple(getattr(row, key) for row in part))
        page = Page(limit=len(part), sort=(key,))
        present = {getattr(row, key) for row in store.list(page, wanted).items}
        missing = [row for row in part if getattr(row, key) not in present]
        if missing:
            inserted += _insert(store, missing)
        if progress is not None:
            progress.advance(len(part))
    return inserted


def _insert(store: Any, rows: Sequence[Any]) -> int:
    # Never `save`: in a transaction it has no savepoint, and what it is refused would undo all before it.
    insert = store.create_many if hasattr(store, "create_many") else store.save_many
    try:
        insert(rows)
    except UniqueViolation:
        # A row that the tenant has deleted softly keeps its key and is in no list; it stays deleted.
        return sum(_insert(store, [row]) for row in rows) if len(rows) > 1 else 0
    return len(rows)


def _parts(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(rows)
    while part := list(islice(remaining, size)):
        yield part
