"""``prefiq doctor database --setup`` and ``--apply``: databases, users and grants for what the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prefiq.doctor.database import setup_mariadb, setup_postgres
from prefiq.doctor.database.asking import Ask, asking
from prefiq.doctor.database.users import Step, Users, users_of
from prefiq.doctor.errors import SetupRefused, SetupStopped
from prefiq.sql import DatabaseError

if TYPE_CHECKING:
    from prefiq.settings import DatabaseSettings, Settings

__all__ = ["Done", "apply_setup", "setup_scripts"]


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that ``apply_setup`` saw to.

    Args:
        database: What the application calls the database.
        what: What it was: ``"role shop"``.
        changed: Whether anything had to be done.
    """

    database: str
    what: str
    changed: bool


def setup_scripts(settings: Settings) -> dict[str, str]:
    """For each database on a server the script that sets it up; it holds no password.

    Args:
        settings: The application's.

    Raises:
        SetupRefused: The users are not named.
    """
    admin = settings.database_roles.get("admin")
    scripts = {"postgres": setup_postgres.script, "mariadb": setup_mariadb.script}
    return {
        database.name: scripts[database.engine](
            users_of(settings, database), admin.user if admin and _reaches(admin, database) else ""
        )
        for database in settings.databases.values()
        if database.engine != "sqlite"
    }


def apply_setup(
    settings: Settings, report: Callable[[Done], None] = lambda _: None
) -> tuple[list[Done], list[str]]:
    """Set up every database that the administrator reaches; what is there already stays as it is.

    Args:
        settings: The application's.
        report: Called after each thing.

    Returns:
        What was seen to, in order; and names of databases on other servers than ``ADMIN_DB_*`` leads to.

    Raises:
        SetupRefused: Somebody is not named; nothing was done.
        SetupStopped: A step failed; those before it are done.
    """
    everyone = [users_of(settings, d) for d in settings.databases.values() if d.engine != "sqlite"]
    if not everyone:
        return [], []
    admin = settings.database_roles.get("admin")
    if admin is None:
        raise SetupRefused(
            "There is no administrator: users and databases are made by one who may",
            "ADMIN_DB_USER, ADMIN_DB_PASS",
            "set both for this command alone, or run as an administrator what --setup prints",
        )
    done: list[Done] = []
    left: list[str] = []
    for users in everyone:
        if not _reaches(admin, users.database):
            left.append(users.database.name)
            continue
        work = _postgres if users.database.engine == "postgres" else _mariadb
        for what, changed in _together(work(admin, users)):
            done.append(Done(users.database.name, what, changed))
            report(done[-1])
    return done, left


def _reaches(admin: DatabaseSettings, database: DatabaseSettings) -> bool:
    return (admin.engine, admin.host, admin.port) == (database.engine, database.host, database.port)


def _together(results: Iterator[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Steps in a row that are for the same, as one."""
    last, any_changed = "", False
    for what, changed in results:
        if last and what != last:
            yield last, any_changed
            any_changed = False
        last, any_changed = what, any_changed or changed
    if last:
        yield last, any_changed


def _postgres(admin: DatabaseSettings, users: Users) -> Iterator[tuple[str, bool]]:
    own = users.database.database
    # Unset, ADMIN_DB_NAME is the database that may have yet to be made.
    first = admin.database if admin.database != own else setup_postgres.MAINTENANCE
    steps = setup_postgres.steps(users)
    for database, inside in ((first, False), (own, True)):
        with _as_administrator(admin, users, database) as ask:
            for step in steps:
                if step.inside == inside:
                    yield step.what, _run(ask, users, step, setup_postgres.STATE, setup_postgres.set_password)


def _mariadb(admin: DatabaseSettings, users: Users) -> Iterator[tuple[str, bool]]:
    with _as_administrator(admin, users, "") as ask:
        for step in setup_mariadb.steps(users, setup_mariadb.accounts(ask, users.all)):
            yield step.what, _run(ask, users, step, setup_mariadb.STATE, setup_mariadb.set_password)


@contextmanager
def _as_administrator(admin: DatabaseSettings, users: Users, database: str) -> Iterator[Ask]:
    name = users.database.name
    connecting = asking(replace(admin, name=name, database=database), scoped=False)
    with _stopping(f"connect as {admin.user}", name):
        ask = connecting.__enter__()
    try:
        yield ask
    finally:
        connecting.__exit__(None, None, None)


def _run(ask: Ask, users: Users, step: Step, state: str, set_password: Callable[[Ask, Step], bool]) -> bool:
    with _stopping(step.what, users.database.name):
        if step.kind == "password":
            return set_password(ask, step)
        before = ask(state)
        statements = (
            [text for (text,) in ask(step.statement)] if step.kind == "generate" else [step.statement]
        )
        for statement in statements:
            ask(statement)
        return ask(state) != before


@contextmanager
def _stopping(step: str, database: str) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        answer = f"{error.what}, {error.reason}" if error.reason else error.what
        raise SetupStopped(step, database, answer) from error
