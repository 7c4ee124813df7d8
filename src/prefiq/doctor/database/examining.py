"""What ``prefiq doctor database`` looks at: connection, server, rights, engine settings, disk; it writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prefiq.doctor.database import mariadb, postgres, sqlite
from prefiq.doctor.database.asking import asking
from prefiq.doctor.database.situation import Situation
from prefiq.doctor.finding import Finding, Further, findings_of, outcome
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import DatabaseSettings

__all__ = ["examine_database"]


def examine_database(app: Application, *further: Further, processes: int = 1) -> tuple[Finding, ...]:
    """Look at every database of an application.

    Args:
        app: Booted.
        further: Checks of rooms beside this one, migrations for example.
        processes: How many serve, each with a pool of its own.
    """
    findings: list[Finding] = []
    reached = True
    for database in app.settings.databases.values():
        situation = Situation.of(app.settings, database, processes)
        try:
            findings += _examine(app, database, situation)
        except PrefiqError as error:
            findings += findings_of(error)
            reached = False
    for check in further if reached else ():  # else each would say the same once more
        findings += outcome(check, app)
    return tuple(findings)


def _examine(app: Application, database: DatabaseSettings, situation: Situation) -> Iterator[Finding]:
    if database.engine == "sqlite":
        yield from sqlite.files(database, production=situation.production)
        yield from sqlite.inside(app, database)
        return
    checks, of_migrating = {
        "postgres": (postgres.CHECKS, postgres.migrating),
        "mariadb": (mariadb.CHECKS, mariadb.migrating),
    }[database.engine]
    with asking(database) as ask:
        for check in checks:
            yield from check(ask, situation)
    if situation.migrating is not None:
        with asking(situation.migrating) as ask:
            yield from of_migrating(ask, situation)
