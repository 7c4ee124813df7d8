"""``Readiness``: the database is asked each time, the migrations now and then."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefiq.application import Application
from prefiq.cli import database_state
from prefiq.cli.serving import Readiness
from prefiq.errors import Faults
from prefiq.settings import load


class Hand:
    """A clock that stands where it is put."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def app(application: Path) -> Iterator[Application]:
    """The application of these tests, booted."""
    with Application.boot(load(application, {})) as booted:
        yield booted


def test_ready_while_the_database_answers_and_is_at_head(app: Application) -> None:
    """Nothing is raised."""
    Readiness(app)()


def test_at_head_is_remembered_for_half_a_minute(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations are read once in that time; a check that failed is made again at once."""
    asked: list[float] = []
    clock = Hand()

    def check(_: Application) -> None:
        asked.append(clock.now)
        if len(asked) == 1:
            raise Faults("not at head", [database_state_error()])

    monkeypatch.setattr(database_state, "check_at_head", check)
    ready = Readiness(app, clock)
    with pytest.raises(Faults):
        ready()
    for clock.now in (0.0, 1.0, 29.9, 30.0, 31.0):
        ready()
    assert asked == [0.0, 0.0, 30.0]


def database_state_error() -> Exception:
    """What a database that is behind answers."""
    from prefiq.migrations.errors import Unapplied

    return Unapplied("projects", ["0002_more"])


def test_database_that_went_away_is_noticed_at_once(app: Application, application: Path) -> None:
    """The connection is asked each time, whatever is remembered."""
    ready = Readiness(app, Hand())
    ready()
    database_state.manager_of(app).close()
    for file in application.glob("demo.db*"):
        file.unlink()
    from prefiq.sql.errors import DatabaseMissing

    with pytest.raises(DatabaseMissing):
        ready()


def test_migrations_that_wait_are_noticed(app: Application, application: Path) -> None:
    """A database that is behind is not ready."""
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute("DELETE FROM prefiq_migration WHERE module = 'projects'")
    connection.close()
    with pytest.raises(Faults, match="The database is not migrated"):
        Readiness(app)()
