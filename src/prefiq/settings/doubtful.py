"""What is right in itself and probably not meant: settings that nothing reads, and connections in the clear."""

from __future__ import annotations

import ipaddress

from prefiq.nearest import nearest
from prefiq.settings import table
from prefiq.settings.databases import DatabaseSettings
from prefiq.settings.errors import SettingError, UnknownSetting
from prefiq.settings.settings import Settings

__all__ = ["in_the_clear", "is_here", "without_effect"]

_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mariadb": "MariaDB"}


def without_effect(settings: Settings) -> list[SettingError]:
    """Warnings of what is given and read by nothing."""
    warnings: list[SettingError] = []
    for prefix, database in _prefixed(settings):
        for setting in table.DATABASE_FIELDS:
            source = settings.sources.get(prefix + setting.name, "not set")
            if source in {"not set", "default"}:
                continue
            problem = ""
            if setting.engines and database.engine not in setting.engines:
                problem = f"has no effect with {_NAMES[database.engine]}"
            elif setting in _FILES and database.tls == "disable":
                problem = "has no effect with DB_SSL_MODE=disable"
            elif setting is table.DB_SSL_CA and not database.tls.startswith("verify"):
                problem = f"checks nothing with DB_SSL_MODE={database.tls}; verify-ca or verify-full would"
            if problem:
                warnings.append(SettingError(prefix + setting.name, problem, source, "unset it"))
    listed = {app.name for app in settings.apps}
    for app in settings.app_tables:
        if app not in listed:
            near = nearest(app, listed)
            problem = "is the table of an app that is not listed"
            warnings.append(UnknownSetting(f"settings.{app}", problem, "prefiq.toml", "", near))
    return warnings


def in_the_clear(settings: Settings) -> list[SettingError]:
    """Warnings of databases of a production that are reached over a network and perhaps without encryption."""
    if not settings.is_production:
        return []
    warnings: list[SettingError] = []
    for prefix, database in _prefixed(settings):
        if database.tls in {"disable", "prefer"} and not is_here(database):
            problem = f"{database.tls} lets passwords and rows cross the network in the clear"
            source = settings.sources.get(prefix + table.DB_SSL_MODE.name, "")
            accepted = "require, or better verify-full"
            source = "" if source in {"default", "not set"} else source
            warnings.append(SettingError(prefix + table.DB_SSL_MODE.name, problem, source, accepted))
    return warnings


_FILES = (table.DB_SSL_CA, table.DB_SSL_CERT, table.DB_SSL_KEY)


def _prefixed(settings: Settings) -> list[tuple[str, DatabaseSettings]]:
    return [
        ("" if name == "default" else f"{name.upper()}_", database)
        for name, database in settings.databases.items()
    ]


def is_here(database: DatabaseSettings) -> bool:
    """Whether the database is on this machine: a file, a socket, or a loopback address."""
    host = database.host.strip("[]")
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
