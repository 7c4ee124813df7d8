"""Runs the steps of operations, at once or with a journal, and says what went wrong in a way that helps."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa

from prefiq.errors import PrefiqError
from prefiq.migrations import raw
from prefiq.migrations.dialects import Renderer, renderer_for
from prefiq.migrations.dialects.renderer import causes
from prefiq.migrations.errors import (
    BadOperation,
    BlockingChange,
    MigrationFailed,
    RowsDoNotFit,
    TransactionEnded,
)
from prefiq.migrations.graph import Change
from prefiq.migrations.journal import Journal
from prefiq.migrations.patience import WAIT, Patience
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.steps import Ask, Call, Release, Sql, Step, Steps
from prefiq.migrations.walls import Walls, raise_walls
from prefiq.sql.dialects import engine_for
from prefiq.sql.errors import DatabaseError, SchemaMissing

__all__ = [
    "Site",
    "put_off",
    "render",
    "run_at_once",
    "run_changes",
    "run_journalled",
    "run_later",
    "run_steps",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """Where migrations run, how patiently, and behind which walls.

    Args:
        connection: Of ``ConnectionManager.schema_connection``.
        wait: Seconds to wait for others.
        sleep: Waits so many seconds.
        may_block: Whether writers may have to wait until a large table is copied.
        walls: What keeps tenants apart in the database itself; None for nothing.
    """

    connection: sa.Connection
    wait: float = WAIT
    sleep: Callable[[float], None] = time.sleep
    may_block: bool = False
    walls: Walls | None = None

    @property
    def renderer(self) -> Renderer:
        """The engine's."""
        return renderer_for(self.connection.dialect.name)

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else migrates the database, whatever transactions begin and end inside."""
        return self.renderer.alone(self.connection, wait=self.wait, sleep=self.sleep)

    def exclusively(self, work: Callable[[], T]) -> T:
        """Do work while no other process migrates the database."""
        return self.renderer.exclusively(self.connection, work, wait=self.wait, sleep=self.sleep)

    def wall(self, schema: Schema) -> None:
        """Raise what walls are missing, inside ``exclusively``."""
        raise_walls(self.renderer, self.connection, schema, self.walls)

    def mend(self, schema: Schema) -> None:
        """Raise the walls of tables that were made without, or whose wall somebody altered."""
        walls = self.walls
        if walls is None or not any(
            b.repairs for b in self.renderer.breaches(self.connection, schema, walls)
        ):
            return
        if self.connection.in_transaction():
            self.connection.rollback()  # of what was looked at
        run = _Run(self, "prefiq", "walls")
        with _explained(run, "raise the walls between tenants"):
            self.exclusively(lambda: self.wall(schema))


@dataclass(frozen=True, slots=True)
class _Run:
    """One migration on one site."""

    site: Site
    module: str
    name: str
    atomic: bool = True

    @property
    def where(self) -> str:
        return f"module {self.module}, {self.name}"


def render(site: Site, changes: Sequence[Change], module: str, name: str, now: datetime) -> list[Step]:
    """The steps of operations.

    Raises:
        BadOperation: Something about them cannot be, with its place.
    """
    try:
        return site.renderer.render(changes, now, site.renderer.strays(site.connection, changes))
    except BadOperation as fault:
        fault.where = f"module {module}, {name}"
        raise


def run_changes(site: Site, changes: Sequence[Change], module: str, name: str, now: datetime) -> None:
    """Run the steps of operations in the transaction that is open.

    Args:
        site: Inside its ``exclusively``.
        changes: Operations with the schemas around them.
        module: The module whose operations they are.
        name: Label of the migration, for errors.
        now: Aware UTC time for ``fill=now``.
    """
    run_at_once(site, render(site, changes, module, name, now), module, name)


def run_at_once(site: Site, steps: Sequence[Step], module: str, name: str) -> None:
    """Run steps in the transaction that is open, and look at references where rows moved."""
    run = _Run(site, module, name)
    for step in steps:
        with _explained(run, step.title):
            _do(run, step)
    if not site.renderer.watchful and any(isinstance(step, Call) or _moves(step) for step in steps):
        for table, count in site.renderer.broken_references(site.connection).items():
            raise RowsDoNotFit(run.where, f"{table} refers to rows that are not there", count)


def put_off(site: Site, steps: Sequence[Step]) -> tuple[list[Step], list[Sql]]:
    """Take out what large tables get after the transaction: only where nothing behind it needs it.

    Returns:
        The steps of the transaction, and what comes after it.
    """
    at_once: list[Step] = []
    later: list[Sql] = []
    touched: set[str] = set()
    for step in reversed(steps):
        other = step.later if isinstance(step, Sql) else None
        if (
            other is not None
            and other.table not in touched
            and site.renderer.is_large(site.connection, other.table)
        ):
            assert isinstance(step, Sql), "only statements can wait"
            later.append(step)
            if other.at_once:
                at_once.append(dataclasses.replace(step, text=other.at_once, later=None))
            continue
        at_once.append(step)
        match step:
            case Sql(tables=tables):
                touched.update(tables)
            case Release(table):
                touched.add(table)
            case Call(schema=schema):
                touched.update(model.table for model in schema.tables)
    return at_once[::-1], later[::-1]


def run_later(site: Site, steps: Sequence[Sql], module: str, name: str) -> None:
    """Run what was put off, inside ``alone`` and outside any transaction; what is done is not done again."""
    run = _Run(site, module, name, atomic=False)
    for step in steps:
        if step.later is not None:
            with _explained(run, step.title):
                site.renderer.finish(site.connection, step.later, wait=site.wait)


def run_steps(site: Site, changes: Sequence[Change], module: str) -> None:
    """Run the steps of operations that no migration has, each of which can be found done.

    Args:
        site: Inside its ``exclusively``.
        changes: Operations with the schemas around them.
        module: The module that they are about.
    """
    run = _Run(site, module, "removal")
    for step in render(site, changes, module, run.name, datetime.now(UTC)):
        with _explained(run, step.title):
            _again(site, lambda step=step: _do(run, step))  # type: ignore[misc]


def run_journalled(
    site: Site, journal: Journal, steps: Sequence[Step], module: str, name: str, now: datetime, goal: str = ""
) -> None:
    """Run what is left of steps, each with its mark in the journal.

    Args:
        site: Inside its ``exclusively``.
        journal: The migration's.
        steps: All of its steps.
        module: The module whose migration it is.
        name: Its label, for errors.
        now: Aware UTC time.
        goal: The snapshot of where they lead, in development.
    """
    run = _Run(site, module, name)
    if journal.begun_at is None:
        for question in _askable_before(steps):
            with _explained(run, question.title):
                _do(run, question)
    first = journal.open(steps, now, goal)
    for place, step in enumerate(steps[first:], start=first):
        with _explained(run, step.title):
            _again(site, lambda step=step, place=place: _with_mark(run, journal, place, step))  # type: ignore[misc]


def _askable_before(steps: Sequence[Step]) -> Iterator[Ask]:
    """Questions to tables that nothing before them touches: where they find rows, nothing has been changed yet."""
    touched: set[str] = set()
    for step in steps:
        match step:
            case Call():
                return
            case Sql():
                touched.update(step.tables)
            case Ask() if touched.isdisjoint(step.tables):
                yield step


def _with_mark(run: _Run, journal: Journal, place: int, step: Step) -> None:
    connection, renderer = run.site.connection, run.site.renderer
    if isinstance(step, Sql) and step.defines:
        journal.announce(place, step.tables)
        try:
            _do(run, step)
        except Exception:
            # Whoever puts right what was in the way may alter the table, which must not be taken for the step.
            with contextlib.suppress(Exception):  # a lost connection: nobody knows how it ended
                journal.withdraw(place)
            raise
        journal.done(place)
        return
    with renderer.together(connection):
        _do(run, step)
        journal.done(place)


def _again(site: Site, act: Callable[[], None]) -> None:
    """Do it until nobody holds what it needs; a transaction is done again as a whole, and not here."""
    if site.renderer.atomic:
        return act()
    patience = Patience(site.wait, site.sleep, site.renderer.title)
    while True:
        try:
            return act()
        except Exception as error:
            if not any(site.renderer.is_busy(cause) for cause in causes(error)):
                raise
            patience.pause(error)


def _do(run: _Run, step: Step) -> None:
    connection, renderer = run.site.connection, run.site.renderer
    match step:
        case Sql(defines=True):
            try:
                with _around(run, step):
                    for question in step.locked:
                        _do(run, question)
                    renderer.define(connection, step, may_block=run.site.may_block)
            except BlockingChange as fault:
                fault.where = run.where
                raise
        case Sql(text):
            raw.run(connection, text)
        case Ask(text, problem):
            count = int(raw.run(connection, text)[0][0])
            if count:
                raise RowsDoNotFit(run.where, problem, count)
        case Release(table):
            for one in renderer.referrers(connection, [table]):
                if one.rows:
                    raise RowsDoNotFit(run.where, f"{one.table} refers to rows that are not there", one.rows)
                raw.run(connection, one.release)
        case Call():
            _call(run, step)


@contextmanager
def _around(run: _Run, step: Sql) -> Iterator[None]:
    before, after = run.site.renderer.around(step)
    try:
        for text in before:
            raw.run(run.site.connection, text)
        yield
    finally:
        for text in after:
            raw.run(run.site.connection, text)


def _call(run: _Run, step: Call) -> None:
    connection = run.site.connection
    transaction = connection.get_transaction()
    step.function(Steps(connection, step.schema, step.module))
    same = connection.get_transaction() is transaction and (transaction is None or transaction.is_active)
    if not same or not run.site.renderer.in_transaction(connection):
        raise TransactionEnded(run.module, run.name, step.title)


def _moves(step: Step) -> bool:
    return isinstance(step, Sql) and step.moves


@contextmanager
def _explained(run: _Run, title: str) -> Iterator[None]:
    renderer = run.site.renderer
    try:
        yield
    except PrefiqError:
        raise
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        engine = engine_for(renderer.name)
        reason = type(cause).__name__
        if isinstance(cause, engine.driver_error):
            said = engine.explain(cause, "default").error
            # A full disk or a file that cannot be written is not the migration's fault.
            if said is not None and type(said) is not DatabaseError and not isinstance(said, SchemaMissing):
                raise said from error
            reason = renderer.reason(cause)
        atomic = renderer.atomic and run.atomic
        raise MigrationFailed(run.module, run.name, title, reason, atomic=atomic) from error
