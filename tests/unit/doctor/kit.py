"""Looking at a real server, as ``doctor database`` does, without an application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import Database

from prefiq.doctor.database import mariadb, postgres
from prefiq.doctor.database.asking import Ask, asking
from prefiq.doctor.database.situation import Situation
from prefiq.settings import Settings

CHECKS = {"postgres": postgres.CHECKS, "mariadb": mariadb.CHECKS}
KEY = "Zq8vN3kR7tY2wX5bM9cL4dF6gH1jP0sA"


def settings_of(database: Database, **variables: str) -> Settings:
    """Settings of an application on a database of a test."""
    return Settings.for_test(Path.cwd(), JWT_SECRET_KEY=KEY, **{**database.variables(), **variables})


@contextmanager
def looking(database: Database, **variables: Any) -> Iterator[tuple[Ask, Situation]]:
    """A connection of the serving user, and what the settings say besides."""
    processes = variables.pop("processes", 1)
    settings = settings_of(database, **variables)
    with asking(settings.database) as ask:
        yield ask, Situation.of(settings, settings.database, processes)


def found(database: Database, **variables: Any) -> dict[str, tuple[str, str]]:
    """Identifier → level and sentence of everything that is found."""
    with looking(database, **variables) as (ask, situation):
        findings = [f for check in CHECKS[database.engine] for f in check(ask, situation)]
    assert all(f.where == situation.where or f.id == "PFQ-D212" for f in findings)
    assert all(f.fix for f in findings)
    return {f.id: (f.level, f.what) for f in findings}
