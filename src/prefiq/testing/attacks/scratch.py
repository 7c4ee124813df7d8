"""A database of its own for attacks: no row of a customer's is near, and nothing is left behind."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from prefiq.errors import PrefiqError
from prefiq.testing.attacks.attacking import attack
from prefiq.testing.attacks.outcome import Outcome, Skipped

if TYPE_CHECKING:
    from prefiq.plugins import ProviderBase
    from prefiq.settings import DatabaseSettings, Settings

__all__ = ["NoScratch", "attack_settings", "modes_of", "scratch"]

PREFIX = "prefiq_attack_"


class NoScratch(PrefiqError):
    """The attacks need a database of their own on the server, and it cannot be made.

    They are never run beside rows of customers.
    """

    code: ClassVar[str] = "PFQ831"
    exit_code = 4

    def __init__(self, user: str, reason: str) -> None:
        self.what = f"No database can be made for the attacks: {reason}"
        self.where = f"as user {user}" if user else "DB_*"
        self.fix = (
            "set ADMIN_DB_USER and ADMIN_DB_PASS for this command, or run it against a copy of the server"
        )


def modes_of(settings: Settings) -> tuple[str, ...]:
    """The ways of keeping tenants apart that an application's engine has."""
    engine = settings.database.engine
    return ("row", "schema", "database") if engine == "postgres" else ("row", "database")


def attack_settings(
    settings: Settings,
    modes: Sequence[str],
    *,
    modules: Sequence[type[ProviderBase]] = (),
    http: bool = True,
) -> Outcome:
    """Attack an application's tenants in a database of its own, in one mode after the other.

    With ``DB_MODE=async`` it is called in the bridge.

    Args:
        settings: The application's; its databases are not touched.
        modes: Ways of keeping tenants apart.
        modules: Providers beside the listed ones.
        http: Whether the API is attacked, too.

    Raises:
        NoScratch: There is no place for it.
    """
    from prefiq.application import Application
    from prefiq.application.errors import PlacementNotServed
    from prefiq.testing.applications import create_tables

    outcome = Outcome()
    for mode in modes:
        with scratch(settings, mode) as own, Application.boot(own, modules=modules) as app:
            create_tables(app)
            app.tenants.settling = 0.0  # nobody else knows these tenants
            try:
                outcome.add(attack(app, mode, http=http))
            except PlacementNotServed as error:
                outcome.skipped.append(Skipped("tenants", mode, error.what))
            finally:
                _leave(app, mode)
    return outcome


def _leave(app: Any, mode: str) -> None:
    """Take away what stands beside the database: schemas go with it, databases do not."""
    if mode != "database":
        return
    for tenant in app.tenants.list():
        app.tenants.delete(tenant.key, now=True, reason="the attacks are over")


@contextmanager
def scratch(settings: Settings, mode: str) -> Iterator[Settings]:
    """The same settings on an empty database, which is gone afterwards.

    Raises:
        NoScratch: It cannot be made.
    """
    with ExitStack() as stack:
        if settings.database.engine == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="prefiq-attack-"))
            path = Path(folder) / "attack.db"
            database = replace(settings.database, path=path, database=str(path))
        else:
            database = stack.enter_context(_on_server(settings))
        # Every database of the application becomes this one: an attack must not write into any other.
        databases = {name: replace(database, name=name) for name in settings.databases}
        yield replace(
            settings,
            tenancy=cast("Any", mode),
            tenant="",
            databases=MappingProxyType(databases),
            database_roles=MappingProxyType({}),
        )


@contextmanager
def _on_server(settings: Settings) -> Iterator[DatabaseSettings]:
    from prefiq.doctor.database.asking import asking
    from prefiq.sql import DatabaseError

    roles = settings.database_roles
    role = replace(roles.get("admin") or roles.get("migrate") or settings.database, name="default")
    name = PREFIX + secrets.token_hex(6)
    is_postgres = role.engine == "postgres"
    try:
        with asking(role, scoped=False) as ask:
            ask(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
                if is_postgres
                else f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
            )
    except DatabaseError as error:
        raise NoScratch(role.user, error.what) from error
    try:
        yield replace(role, database=name)
    finally:
        with asking(role, scoped=False) as ask:
            ask(f"DROP DATABASE {name}" + (" WITH (FORCE)" if is_postgres else ""))
