"""``Settings``: everything that an application is told from outside, frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from prefiq.settings.databases import DatabaseSettings
from prefiq.settings.errors import SettingError
from prefiq.settings.issuers import Issuer
from prefiq.settings.secret import Secret
from prefiq.settings.table import TABLE
from prefiq.settings.toml_file import AppRef

__all__ = ["TEST_KEY", "Settings"]

TEST_KEY = "test-only-0123456789-abcdefghijklmnopqrstuvwxyz"
"""What ``Settings.for_test`` signs with; refused in production."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``prefiq.settings.load`` made of the environment, ``.env`` and ``prefiq.toml``.

    Args:
        folder: The application's folder, absolute.
        env: ``"production"``, ``"staging"``, ``"development"`` or ``"test"``.
        apps: The apps to load, in order.
        replace: Contract → import path of what is bound instead.
        disable: Named hooks, validators or guards that do not run.
        roles: Role → permission patterns.
        issuers: Outside issuers whose tokens are accepted.
        tenancy: How new tenants are kept apart: ``"row"``, ``"schema"`` or ``"database"``; or ``"single"``.
        tenant: Key of the one tenant with ``tenancy="single"``; empty with all others.
        tenant_domain: The domain whose subdomains name tenants; empty where hosts do not count.
        databases: Name → database; always holds ``"default"``.
        database_roles: ``"migrate"``, ``"across"``, ``"admin"`` → the default database as that role reaches it.
        tenant_db_key: What the passwords of tenants' own accounts are derived from; None where they have none.
        db_max_connections: To databases that tenants have of their own, in one process.
        jwt_keys: The first signs, all verify; empty where only outside issuers are accepted.
        secrets_timeout: Seconds that a store of secrets may take for one answer.
        log_level: For example ``"INFO"``.
        log_format: ``"text"`` or ``"json"``.
        log_color: Whether colours may appear on a terminal; false in production.
        slow_query: Seconds after which a statement is logged; 0 for never.
        body_limit: Bytes of the largest request body.
        request_timeout: Seconds that a request may take.
        threads: Threads that serve requests in one process, with ``DB_MODE=sync``.
        concurrency: Requests that one process works on at once, with ``DB_MODE=async``.
        trusted_proxies: Networks, or ``"unix"``, whose word on host and scheme is believed.
        docs: Whether the documentation page is served.
        app_tables: App → its own table of ``prefiq.toml``; see ``app_settings``.
        sources: Variable → where its value came from.
        warnings: What is not wrong and probably not meant, for ``doctor``.
    """

    folder: Path
    env: str
    apps: tuple[AppRef, ...]
    replace: Mapping[str, str]
    disable: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]
    issuers: tuple[Issuer, ...]
    tenancy: Literal["row", "schema", "database", "single"]
    tenant: str
    tenant_domain: str
    databases: Mapping[str, DatabaseSettings]
    database_roles: Mapping[str, DatabaseSettings]
    tenant_db_key: Secret | None
    db_max_connections: int
    jwt_keys: tuple[Secret, ...]
    secrets_timeout: float
    log_level: str
    log_format: str
    log_color: bool
    slow_query: float
    body_limit: int
    request_timeout: float
    threads: int
    concurrency: int
    trusted_proxies: tuple[str, ...]
    docs: bool
    app_tables: Mapping[str, Mapping[str, Any]] = field(repr=False)
    sources: Mapping[str, str] = field(repr=False)
    warnings: tuple[SettingError, ...] = field(repr=False, compare=False)

    @property
    def is_production(self) -> bool:
        """Whether the rules of production hold: everywhere but in development and test."""
        return self.env not in {"development", "test"}

    @property
    def database(self) -> DatabaseSettings:
        """The default database."""
        return self.databases["default"]

    @property
    def secret_sources(self) -> Mapping[str, str]:
        """Each secret that is given, by its variable, and where it comes from; never what it is."""
        secret = tuple(setting.name for setting in TABLE if setting.secret)
        given = {
            name: source for name, source in self.sources.items() if source not in {"not set", "default"}
        }
        # `MIGRATE_DB_PASS` is a `DB_PASS`.
        return {name: source for name, source in sorted(given.items()) if name.endswith(secret)}

    def app_settings(self, name: str) -> Mapping[str, Any]:
        """The table ``[settings.<name>]`` of ``prefiq.toml``, read-only to its leaves; empty where there is none."""
        return self.app_tables.get(name, _NOTHING)

    def secrets(self) -> Iterator[Secret]:
        """Every secret held, for redaction."""
        yield from self.jwt_keys
        for database in (*self.databases.values(), *self.database_roles.values()):
            if database.password is not None:
                yield database.password
        if self.tenant_db_key is not None:
            yield self.tenant_db_key

    @classmethod
    def for_test(cls, folder: Path, **overrides: object) -> Settings:
        """Settings for a test: the loader's own way, with ``ENV=test`` and a key; no ``.env`` is read.

        Args:
            folder: The application's folder; its ``prefiq.toml`` counts.
            overrides: Variables in any case: ``tenancy="single"``, ``APPS=["projects"]``, ``docs=False``;
                None leaves a variable unset.

        Raises:
            prefiq.errors.Faults: Everything that is wrong with them.
        """
        from prefiq.settings.loader import load

        environ = {"ENV": "test", "JWT_SECRET_KEY": TEST_KEY}
        for name, value in overrides.items():
            if value is None:
                environ.pop(name.upper(), None)
            else:
                environ[name.upper()] = _as_text(value)
        return load(folder, environ, dotenv=False)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, Secret):
        return value.reveal()
    return str(value)
