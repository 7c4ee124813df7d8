"""What ``prefiq doctor database`` looks at: connection, server, rights, engine settings, disk; it writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prefiq.doctor.database import mariadb, postgres, sqlite, walls
from prefiq.doctor.database.asking import Ask, asking
from prefiq.doctor.database.situation import Situation
from prefiq.doctor.finding import Finding, Further, findings_of, outcome
from prefiq.errors import PrefiqError
from prefiq.sql.dialects.postgres_walls import gaps, question

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import DatabaseSettings

__all__ = ["examine_database"]


def examine_database(
    app: Application, *further: Further, processes: int = 1, strict: bool = False
) -> tuple[Finding, ...]:
    """Look at every database of an application.

    Args:
        app: Booted.
        further: Checks of rooms beside this one, migrations for example.
        processes: How many serve, each with a pool of its own.
        strict: Try whether the serving user gets past the wall between tenants; nothing of it is kept.
    """
    findings: list[Finding] = []
    reached = True
    for database in app.settings.databases.values():
        situation = Situation.of(app.settings, database, processes)
        try:
            findings += _examine(app, database, situation, strict=strict)
        except PrefiqError as error:
            findings += findings_of(error)
            reached = False
    for check in further if reached else ():  # else each would say the same once more
        findings += outcome(check, app)
    return tuple(findings)


def _examine(
    app: Application, database: DatabaseSettings, situation: Situation, *, strict: bool
) -> Iterator[Finding]:
    if database.engine == "sqlite":
        yield from sqlite.files(database, production=situation.production)
        if situation.of_tenants:
            connections = database.pool_size + situation.of_tenants
            yield from sqlite.open_files(connections, sqlite.files_allowed())
        yield from sqlite.inside(app, database)
        return
    checks, of_migrating = {
        "postgres": (postgres.CHECKS, postgres.migrating),
        "mariadb": (mariadb.CHECKS, mariadb.migrating),
    }[database.engine]
    with asking(database) as ask:
        for check in checks:
            yield from check(ask, situation)
        if database.engine == "postgres" and (tables := walls.tenant_tables(app)):
            yield from _walls(ask, situation, tables, strict=strict)
    if situation.migrating is not None:
        with asking(situation.migrating) as ask:
            yield from of_migrating(ask, situation)


def _walls(ask: Ask, at: Situation, tables: Sequence[str], *, strict: bool) -> Iterator[Finding]:
    found = list(walls.standing(ask, at, tables))
    yield from found
    yield from walls.leaks(ask, at, tables) if at.production or strict else ()
    if strict and not found and not gaps(ask(question(tables))):  # else it is told that there is none to try
        yield from walls.trial(ask, at, tables)
