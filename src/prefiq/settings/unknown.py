"""Variables that look like Prefiq's and are not: misspelt ones are faults, the rest warnings."""

from __future__ import annotations

import re
from typing import Any

from prefiq.nearest import nearest
from prefiq.settings import table
from prefiq.settings.errors import SettingError, UnknownSetting
from prefiq.settings.sources import Sources

__all__ = ["unknown_variables"]

_PREFIXED = re.compile(r"(?:DB|JWT|LOG)_\w+")
_NAMED = re.compile(r"([A-Z][A-Z0-9_]*)_(DB_\w+)")
_OTHERS = {
    "DB_CONNECTION": "DB_ENGINE",
    "DB_DATABASE": "DB_NAME",
    "DB_DRIVER": "DB_ENGINE",
    "DB_PWD": "DB_PASS",
    "DB_TYPE": "DB_ENGINE",
}
"""What the same things are called elsewhere."""
_ALIKE = 0.75
"""``DB_PASSWORD`` is like ``DB_PASS`` and a mistake; ``DB_SERVICE_HOST``, which Kubernetes sets, is like none."""


def unknown_variables(
    sources: Sources, databases: tuple[str, ...], faults: list[SettingError]
) -> list[SettingError]:
    """Warnings; what was probably meant otherwise goes to ``faults``.

    Args:
        sources: What is given.
        databases: Names of the databases read, so that their own variables are checked too.
        faults: Takes misspelt names, and any unknown one in ``.env`` that has a prefix of ours.
    """
    known = {name for setting in table.TABLE for name in _names(setting)}
    prefixes = {name.upper() for name in databases if name != "default"} | set(table.DATABASE_ROLES)
    for prefix in prefixes:
        known |= {f"{prefix}_{name}" for setting in table.DATABASE_FIELDS for name in _names(setting)}
    fields = {setting.name for setting in table.DATABASE_FIELDS}
    warnings: list[SettingError] = []
    for name, source in sources.names():
        if name in known:
            continue
        in_file = source.startswith(".env")
        named = _NAMED.fullmatch(name)
        if _PREFIXED.fullmatch(name) or (named and named[1] in prefixes):
            near = _meant(name, f"{named[1]}_" if named and named[1] in prefixes else "", known)
            fault: SettingError = UnknownSetting(
                name, "is not known", source, "" if near else "unset it", near
            )
            (faults if near or in_file else warnings).append(fault)
        elif named and named[2] in fields:
            problem = f"belongs to a database that has no {named[1]}_DB_ENGINE"
            fault = SettingError(name, problem, source, f"set {named[1]}_DB_ENGINE too")
            (faults if in_file else warnings).append(fault)
        elif in_file and (near := nearest(name, known, cutoff=0.85)):
            warnings.append(UnknownSetting(name, "is not known", source, "", near))
    return warnings


def _meant(name: str, prefix: str, known: set[str]) -> str:
    # Without the prefix, which would make any two names alike.
    own = name.removeprefix(prefix)
    fields = {field.removeprefix(prefix) for field in known if field.startswith(prefix)}
    near = _OTHERS.get(own) or nearest(own, fields, cutoff=_ALIKE)
    return prefix + near if near else ""


def _names(setting: table.Setting[Any]) -> tuple[str, ...]:
    return (setting.name, f"{setting.name}_FILE") if setting.secret else (setting.name,)
