"""``load``: from the environment, ``.env`` and ``prefiq.toml`` to ``Settings``, or to every mistake at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from prefiq.errors import Faults
from prefiq.settings import table
from prefiq.settings.databases import DatabaseSettings, named_databases, read_database
from prefiq.settings.doubtful import in_the_clear, without_effect
from prefiq.settings.errors import SettingError, UnsafeInProduction
from prefiq.settings.issuers import Issuer, read_issuers
from prefiq.settings.reader import Reader
from prefiq.settings.secret import Secret
from prefiq.settings.settings import Settings
from prefiq.settings.sources import Sources, read_dotenv
from prefiq.settings.suspicious import unsafe_key
from prefiq.settings.toml_file import AppRef, TomlFile, app_refs, read_toml
from prefiq.settings.unknown import unknown_variables

__all__ = ["load"]

Mode = Literal["row", "schema", "database", "single"]


def load(folder: Path, environ: Mapping[str, str], *, dotenv: bool = True) -> Settings:
    """The settings of the application in a folder.

    Args:
        folder: Where ``prefiq.toml`` and ``.env`` stand; either may be missing.
        environ: The environment, usually ``os.environ``; it wins over ``.env`` and is not changed.
        dotenv: Whether ``.env`` is read.

    Raises:
        Faults: Of ``SettingError``: everything that is wrong, without any secret's value.
    """
    faults: list[SettingError] = []
    folder = folder.absolute()
    if not folder.is_dir():
        faults.append(SettingError("folder", "the application's folder does not exist", str(folder)))
    sources = Sources(folder, environ, read_dotenv(folder / ".env", faults) if dotenv else {})
    origins: dict[str, str] = {}
    reader = Reader(sources, faults, origins)
    sources.stores.timeout = secrets_timeout = reader.read(table.SECRETS_TIMEOUT)
    _hide_secrets(reader, sources)

    env = reader.read(table.ENV)
    is_production = env not in {"development", "test"}
    toml = read_toml(folder, faults)
    tenancy, tenant = _tenancy(reader)
    request_timeout = reader.read(table.REQUEST_TIMEOUT)
    databases, roles = _databases(
        reader, sources, folder, is_production=is_production, request_timeout=request_timeout
    )
    if tenancy == "schema" and databases["default"].engine != "postgres":
        problem = f"only PostgreSQL has schemas, and DB_ENGINE is {databases['default'].engine}"
        reader.refuse(table.TENANCY, SettingError, problem, "row or database")
    no_color = reader.read_optional(table.NO_COLOR) is not None
    docs = reader.read_optional(table.DOCS)
    settings = Settings(
        folder=folder,
        env=env,
        apps=_apps(reader, toml),
        replace=toml.replace,
        disable=toml.disable,
        roles=toml.roles,
        issuers=_issuers(reader, toml, folder),
        tenancy=tenancy,
        tenant=tenant,
        tenant_domain=reader.read_optional(table.TENANT_DOMAIN) or "",
        databases=databases,
        database_roles=roles,
        tenant_db_key=reader.read_optional(table.TENANT_DB_KEY),
        db_max_connections=reader.read(table.DB_MAX_CONNECTIONS),
        secrets_timeout=secrets_timeout,
        jwt_keys=_jwt_keys(reader, is_production=is_production),
        log_level=reader.read(table.LOG_LEVEL),
        log_format=reader.read(table.LOG_FORMAT),
        log_color=reader.read(table.LOG_COLOR) and not no_color and not is_production,
        slow_query=reader.read(table.SLOW_QUERY),
        body_limit=reader.read(table.BODY_LIMIT),
        request_timeout=request_timeout,
        threads=reader.read(table.THREADS),
        concurrency=reader.read(table.CONCURRENCY),
        trusted_proxies=reader.read_optional(table.TRUSTED_PROXIES) or (),
        docs=docs if docs is not None else not is_production,
        app_tables=toml.settings,
        sources=MappingProxyType(origins),
        warnings=(),
    )
    sources.stores.close()
    warnings = unknown_variables(sources, tuple(databases), faults)
    if faults:
        raise Faults("The settings are wrong", faults)
    return replace(settings, warnings=(*warnings, *without_effect(settings), *in_the_clear(settings)))


def _hide_secrets(reader: Reader, sources: Sources) -> None:
    # A password pasted into the wrong variable must not be quoted from there.
    for name, _ in sources.names():
        if re.search(r"PASS|SECRET|TOKEN|KEY", name) and not name.endswith("_FILE"):
            given = sources.find(name, [], secret=False)
            if given is not None:
                reader.hide(given.text.strip())


def _tenancy(reader: Reader) -> tuple[Mode, str]:
    tenancy = reader.read(table.TENANCY)
    tenant = reader.read(table.TENANT)
    if tenancy != "single" and reader.is_given(table.TENANT):
        problem = "has a meaning with TENANCY=single only; a credential decides the tenant"
        reader.refuse(table.TENANT, SettingError, problem, "unset it, or set TENANCY=single")
    single = tenancy == "single"
    return cast("Mode", tenancy), tenant if single else ""


def _apps(reader: Reader, toml: TomlFile) -> tuple[AppRef, ...]:
    listed = reader.read_optional(table.APPS)
    if listed is None:
        if reader.origins[table.APPS.name] == "not set":
            reader.origins[table.APPS.name] = "prefiq.toml" if toml.apps else "not set"
        return toml.apps
    return app_refs(list(listed), "APPS", reader.origins[table.APPS.name], reader.faults)


def _issuers(reader: Reader, toml: TomlFile, folder: Path) -> tuple[Issuer, ...]:
    text = reader.read_optional(table.JWT_ISSUERS)
    if text is None:
        return toml.issuers
    source = reader.origins[table.JWT_ISSUERS.name]
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        reader.refuse(
            table.JWT_ISSUERS, SettingError, "the value is not JSON", table.JWT_ISSUERS.kind.accepted
        )
        return ()
    return read_issuers(raw, table.JWT_ISSUERS.name, source, folder, reader.faults)


def _databases(
    reader: Reader, sources: Sources, folder: Path, *, is_production: bool, request_timeout: float
) -> tuple[Mapping[str, DatabaseSettings], Mapping[str, DatabaseSettings]]:
    read = partial(
        read_database, reader, folder=folder, is_production=is_production, request_timeout=request_timeout
    )
    main = read("default")
    found = {"default": main}
    for name in named_databases(name for name, _ in sources.names()):
        if name == "DEFAULT":
            problem = "is the name of the database that DB_* describes"
            reader.prefixed("DEFAULT_", fallback=False).refuse(
                table.DB_ENGINE, SettingError, problem, "another name, or DB_* itself"
            )
            continue
        found[name.lower()] = read(name.lower(), prefix=f"{name}_", main=main)
    roles = {}
    for role in table.DATABASE_ROLES:
        given = reader.prefixed(f"{role}_", fallback=False)
        if any(given.is_given(field) for field in table.DATABASE_FIELDS):
            roles[role.lower()] = read(role.lower(), prefix=f"{role}_", main=main, role=True)
    return MappingProxyType(found), MappingProxyType(roles)


def _jwt_keys(reader: Reader, *, is_production: bool) -> tuple[Secret, ...]:
    keys = []
    for setting in (table.JWT_SECRET_KEY, table.JWT_SECRET_KEY_PREVIOUS):
        key = reader.read_optional(setting)
        if key is None:
            continue
        if is_production and unsafe_key(key.reveal()):
            problem = "the value is a sample, or simple enough to guess"
            reader.refuse(setting, UnsafeInProduction, problem, setting.kind.accepted)
        keys.append(key)
    if reader.is_given(table.JWT_SECRET_KEY_PREVIOUS) and not reader.is_given(table.JWT_SECRET_KEY):
        problem = "is given without a present key"
        reader.refuse(table.JWT_SECRET_KEY_PREVIOUS, SettingError, problem, "set JWT_SECRET_KEY too")
    return tuple(keys)
