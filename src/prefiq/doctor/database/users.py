"""Who uses a database, by the settings, and the steps that set it up for them; each engine words its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prefiq.doctor.errors import SetupRefused

if TYPE_CHECKING:
    from prefiq.settings import DatabaseSettings, Settings
    from prefiq.settings.secret import Secret

__all__ = ["Step", "User", "Users", "users_of"]


@dataclass(frozen=True, slots=True)
class User:
    """One user of a server.

    Args:
        name: Its name there.
        password: From the settings, or None.
        setting: The password's setting: ``"MIGRATE_DB_PASS"``.
    """

    name: str
    password: Secret | None
    setting: str


@dataclass(frozen=True, slots=True)
class Users:
    """A database and who uses it.

    Args:
        database: As the serving user reaches it.
        serving: Reads and writes rows.
        migrating: Owns the tables; the serving user where no other one is set.
        reading: Reads the rows of all tenants; None where it is not set.
    """

    database: DatabaseSettings
    serving: User
    migrating: User
    reading: User | None

    @property
    def apart(self) -> bool:
        """Whether the serving user is not the one who migrates."""
        return self.serving.name != self.migrating.name

    @property
    def all(self) -> tuple[User, ...]:
        """Each of them once."""
        found = {user.name: user for user in (self.reading, self.migrating, self.serving) if user is not None}
        return tuple(reversed(found.values()))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a setup.

    Args:
        what: What it is for, as ``--apply`` reports it: ``"user shop"``.
        statement: Its SQL.
        kind: ``"run"`` for a statement that may be repeated; ``"generate"`` for a query whose rows are the
            statements that are still missing; ``"password"`` for the password of ``user``, where each way of
            setting it has its own words.
        inside: PostgreSQL: whether it is run in the database itself.
        user: Whose password.
    """

    what: str
    statement: str
    kind: Literal["run", "generate", "password"] = "run"
    inside: bool = False
    user: User | None = None


def users_of(settings: Settings, database: DatabaseSettings) -> Users:
    """Who uses one of the application's databases on a server.

    Args:
        settings: The application's.
        database: One of ``settings.databases``.

    Raises:
        SetupRefused: The users are not named, or are the administrator.
    """
    prefix = "" if database.name == "default" else f"{database.name.upper()}_"
    serving = _user(database, prefix)
    roles: Mapping[str, DatabaseSettings] = settings.database_roles if database.name == "default" else {}
    migrating = _user(roles["migrate"], "MIGRATE_") if "migrate" in roles else serving
    reading = _user(roles["across"], "ACROSS_") if "across" in roles else None
    if reading is not None and reading.name in {serving.name, migrating.name}:
        reading = None
    if migrating.name == serving.name:
        migrating = serving
    admin = settings.database_roles.get("admin")
    for user in (serving, migrating, reading):
        if admin is not None and user is not None and user.name == admin.user:
            setting = user.setting.replace("PASS", "USER")
            raise SetupRefused(
                f"{setting} is the administrator, who may do everything",
                f"{setting}, ADMIN_DB_USER",
                f"give {setting} a name of its own",
            )
    return Users(database, serving, migrating, reading)


def _user(database: DatabaseSettings, prefix: str) -> User:
    if not database.user:
        raise SetupRefused(
            f"{prefix}DB_USER is not set: there is nobody to give rights to",
            f"{prefix}DB_USER",
            f"set {prefix}DB_USER and {prefix}DB_PASS",
        )
    return User(database.user, database.password, f"{prefix}DB_PASS")
