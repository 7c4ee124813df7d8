"""How far a migration has come, on engines whose DDL is kept statement by statement.

Each statement that changes a definition is announced together with the definitions as they are, then run, then
marked as done.  If the process dies in between, the next one finds the announcement: where the definitions are
others than before, the statement was done, else it is run (again).  Changes of rows are kept together with
their mark.  The statements themselves are in the journal, so that a migration whose file changed half-way is
noticed, and a development database, which has no file, can be brought to the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects import Renderer
from prefiq.migrations.errors import HalfApplied
from prefiq.migrations.history import LongText, table_text, words_of
from prefiq.migrations.steps import Ask, Call, Later, Release, Sql, Step

__all__ = ["GOAL", "STEPS", "Begun", "Journal", "begun"]

GOAL = -1
"""Number of the row that holds where the steps lead, for a development database."""
STEPS = sa.Table(
    "prefiq_migration_step",
    sa.MetaData(),
    sa.Column("module", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("phase", sa.String(8), nullable=False),
    sa.Column("text", LongText, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A migration of which only a part is done.

    Args:
        module: Name of the module.
        number: Number of the migration; 0 in development.
        name: Its label.
        phase: ``"expand"`` or ``"contract"``.
        at: When it was begun, in ISO 8601, UTC.
    """

    module: str
    number: int
    name: str
    phase: str
    at: str


def begun(connection: sa.Connection, renderer: Renderer) -> list[Begun]:
    """Migrations of which only a part is done."""
    if not renderer.has_table(connection, STEPS.name):
        return []
    c = STEPS.c
    query = sa.select(c.module, c.number, c.name, c.phase, sa.func.min(c.at)).group_by(
        c.module, c.number, c.name, c.phase
    )
    found = (Begun(*row) for row in raw.run(connection, words_of(query, renderer.dialect)))
    return sorted(found, key=lambda one: (one.module, one.number))


@dataclass(frozen=True, slots=True)
class _Entry:
    step: int
    text: str
    state: str
    fingerprint: str
    at: str


class Journal:
    """The steps of one migration and how far they are.

    Args:
        connection: Inside ``renderer.exclusively``.
        renderer: The engine's.
        module: The module whose migration it is.
        number: Its number; 0 in development.
        name: Its label.
        phase: ``"expand"`` or ``"contract"``.
    """

    def __init__(
        self, connection: sa.Connection, renderer: Renderer, module: str, number: int, name: str, phase: str
    ) -> None:
        self.connection = connection
        self.renderer = renderer
        self._module, self._number = module, number
        self.assumed: tuple[str, ...] = ()
        """Tables of a statement that nobody saw the end of, and that was taken as done."""
        self._name, self._phase = name, phase
        if not renderer.has_table(connection, STEPS.name):
            raw.run(connection, table_text(STEPS, renderer))
        self._entries = self._read()

    @property
    def begun_at(self) -> datetime | None:
        """When the migration was begun, if it was: what is filled with the time has one time in all rows."""
        return datetime.fromisoformat(self._entries[0].at) if self._entries else None

    @property
    def goal(self) -> str:
        """Where the steps lead: in development a snapshot, else the checksum of the file."""
        return next((entry.text for entry in self._entries if entry.step == GOAL), "")

    def open(self, steps: Sequence[Step], at: datetime, goal: str = "") -> int:
        """Begin, or find out how far somebody else came.

        Args:
            steps: All steps, as they are rendered now.
            at: The time.
            goal: The snapshot of where they lead, in development.

        Returns:
            The place of the first step that is to be done.

        Raises:
            HalfApplied: What is done are not the first of these steps.
        """
        entries = {entry.step: entry for entry in self._entries if entry.step != GOAL}
        reached = self._reached(entries)
        for place in range(reached):
            if place >= len(steps) or entries[place].text != _text(steps[place]):
                raise HalfApplied(self._module, self._name)
        while 0 < reached < len(steps) and _can_be_repeated(steps[reached - 1]):
            reached -= 1  # a statement that was refused needs again what was done to the rows for it
        with self.renderer.together(self.connection):
            self._delete(sa.or_(STEPS.c.step >= reached, STEPS.c.step == GOAL))
            moment = self._entries[0].at if self._entries else at.isoformat()
            rows = [(GOAL, goal)] if goal else []
            rows += [(place, _text(step)) for place, step in enumerate(steps[reached:], start=reached)]
            if rows:
                self._run(sa.insert(STEPS).values([self._row(place, text, moment) for place, text in rows]))
        self._entries = self._read()
        return reached

    @property
    def stored(self) -> list[Step]:
        """The steps as they were begun, in development, where none of them is a function."""
        steps = (_step(entry.text) for entry in self._entries if entry.step != GOAL)
        return [step for step in steps if step is not None]

    def announce(self, place: int, tables: Sequence[str]) -> None:
        """Keep how the tables are defined before a statement."""
        self._update(place, "begun", self._fingerprint(tables))

    def withdraw(self, place: int) -> None:
        """The engine refused the statement, and changed nothing."""
        self._update(place, "waiting", "")

    def done(self, place: int) -> None:
        """A step is done."""
        self._update(place, "done", "")

    def close(self) -> None:
        """All of it is done, and recorded in the history."""
        self._delete()

    def _reached(self, entries: dict[int, _Entry]) -> int:
        """How many steps are done."""
        place = 0
        while place in entries and entries[place].state == "done":
            place += 1
        entry = entries.get(place)
        if entry is not None and entry.state == "begun":
            step = _step(entry.text)
            if isinstance(step, Sql) and self._fingerprint(step.tables) != entry.fingerprint:
                self.done(place)
                self.assumed = step.tables
                return place + 1
        return place

    def _fingerprint(self, tables: Sequence[str]) -> str:
        found = "\n".join(f"{name}\n{self.renderer.definition(self.connection, name)}" for name in tables)
        return hashlib.sha256(found.encode()).hexdigest()

    def _read(self) -> list[_Entry]:
        c = STEPS.c
        query = sa.select(c.step, c.text, c.state, c.fingerprint, c.at).where(*self._mine())
        rows: list[tuple[Any, ...]] = list(self._run(query))
        return sorted((_Entry(*row) for row in rows), key=lambda entry: entry.step)

    def _mine(self) -> list[sa.ColumnElement[bool]]:
        return [STEPS.c.module == self._module, STEPS.c.number == self._number]

    def _row(self, step: int, text: str, at: str) -> dict[str, object]:
        return {
            "module": self._module, "number": self._number, "step": step, "name": self._name,
            "phase": self._phase, "text": text, "state": "waiting", "fingerprint": "", "at": at,
        }  # fmt: skip

    def _update(self, step: int, state: str, fingerprint: str) -> None:
        statement = sa.update(STEPS).where(*self._mine(), STEPS.c.step == step)
        self._run(statement.values(state=state, fingerprint=fingerprint))

    def _delete(self, *conditions: sa.ColumnElement[bool]) -> None:
        self._run(sa.delete(STEPS).where(*self._mine(), *conditions))

    def _run(self, statement: sa.Executable) -> Sequence[tuple[Any, ...]]:
        return raw.run(self.connection, words_of(statement, self.renderer.dialect))


def _can_be_repeated(step: Step) -> bool:
    return isinstance(step, (Ask, Release)) or (isinstance(step, Sql) and not step.defines)


def _text(step: Step) -> str:
    """A step as text; equal steps give equal texts, and of a function there is no more than its title."""
    plain = {"title": step.title} if isinstance(step, Call) else dataclasses.asdict(step)
    return json.dumps({"kind": type(step).__name__, **plain}, sort_keys=True)


def _step(text: str) -> Step | None:
    """The inverse, but for functions."""
    plain: dict[str, Any] = json.loads(text)
    match plain.pop("kind"):
        case "Ask":
            return _ask(plain)
        case "Release":
            return Release(**plain)
        case "Sql":
            locked = tuple(_ask(ask) for ask in plain.pop("locked"))
            later = plain.pop("later")
            made = Sql(**{**plain, "tables": tuple(plain["tables"])}, locked=locked)
            return dataclasses.replace(made, later=None if later is None else Later(**later))
    return None


def _ask(plain: dict[str, Any]) -> Ask:
    return Ask(**{**plain, "tables": tuple(plain["tables"])})
