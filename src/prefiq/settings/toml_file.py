"""``prefiq.toml``: what an application is composed of.  It is committed, so it holds no secret and no deployment."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prefiq.nearest import nearest
from prefiq.settings import table
from prefiq.settings.errors import SecretInToml, SettingError, TomlError, UnknownSetting, shape_error
from prefiq.settings.issuers import Issuer, read_issuers
from prefiq.settings.sources import EMPTY, MISSING, file_text
from prefiq.settings.suspicious import secret_places

__all__ = ["FILE_NAME", "AppRef", "TomlFile", "app_refs", "read_toml"]

FILE_NAME = "prefiq.toml"
KEYS = ("apps", "replace", "disable", "settings", "roles", "issuers")

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_CONTRACT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", re.ASCII)
_PERMISSION = re.compile(r"(\*|[a-z][a-z0-9_]*)(\.(\*|[a-z][a-z0-9_]*))*")
_APP = 'an entry point\'s name, an import path "a.b:C", or {path = "a.b:C", name = "c"}'


@dataclass(frozen=True, slots=True)
class AppRef:
    """One app of the list.

    Args:
        name: The entry point's name; for an import path its last module segment, or what ``name`` says.
        path: ``"package.module:Class"``, or empty where the name is an entry point.
        named: Whether ``name`` was written beside an import path, so that it goes before the provider's own.
    """

    name: str
    path: str = ""
    named: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """What ``prefiq.toml`` says; empty where there is none.

    Args:
        apps: The apps to load, in the order written.
        replace: Contract → import path of what is bound instead.
        disable: Named hooks, validators or guards that do not run.
        settings: App → its own table.
        roles: Role → permission patterns.
        issuers: Outside issuers of tokens.
    """

    apps: tuple[AppRef, ...] = ()
    replace: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    disable: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    issuers: tuple[Issuer, ...] = ()


def read_toml(folder: Path, faults: list[SettingError]) -> TomlFile:
    """The file in an application's folder.

    Args:
        folder: The application's folder.
        faults: Takes every mistake; what is wrong counts as not written.
    """
    tree = _parse(folder / FILE_NAME, faults)
    faults.extend(
        SecretInToml(
            place, "looks like a secret", FILE_NAME, "put it into the environment or a secret's file"
        )
        for place in secret_places(tree)
    )
    _check_keys(tree, faults)
    return TomlFile(
        apps=app_refs(_list(tree, "apps", faults), "apps", FILE_NAME, faults),
        replace=_replace(_table(tree, "replace", faults), faults),
        disable=_disable(_list(tree, "disable", faults), faults),
        settings=_settings(_table(tree, "settings", faults), faults),
        roles=_roles(_table(tree, "roles", faults), faults),
        issuers=read_issuers(tree.get("issuers", {}), "issuers", FILE_NAME, folder, faults),
    )


def app_refs(entries: list[object], at: str, source: str, faults: list[SettingError]) -> tuple[AppRef, ...]:
    """The apps that a list names, without those that are wrong.

    Args:
        entries: Names, import paths, or tables with ``path`` and ``name``.
        at: What the list is called in faults.
        source: Where it came from.
        faults: Takes every mistake.
    """
    kind = shape_error(source)
    found: dict[str, AppRef] = {}
    for number, entry in enumerate(entries):
        place = f"{at}[{number}]"
        ref = _app_ref(entry, place, source, faults)
        if ref is None:
            continue
        if ref.name in found:
            problem = f'a second app is called "{ref.name}"'
            faults.append(kind(place, problem, source, 'list it once, or say name = "…" for one of the two'))
        found.setdefault(ref.name, ref)
    return tuple(found.values())


def _app_ref(entry: object, place: str, source: str, faults: list[SettingError]) -> AppRef | None:
    kind = shape_error(source)
    name, path = "", ""
    if isinstance(entry, str):
        name, path = ("", entry) if ":" in entry else (entry, "")
    elif isinstance(entry, dict):
        for key in entry.keys() - {"path", "name"}:
            near = nearest(key, ("path", "name"))
            faults.append(UnknownSetting(f"{place}.{key}", "is not known", source, "known: path, name", near))
        name, path = entry.get("name", ""), entry.get("path", "")
    if not isinstance(name, str) or not isinstance(path, str) or not (name or path):
        faults.append(kind(place, "names no app", source, _APP))
        return None
    if path and not _PATH.fullmatch(path):
        faults.append(kind(place, "is not an import path", source, 'an import path "package.module:Class"'))
        return None
    derived = not name
    name = name or path.partition(":")[0].rpartition(".")[2]
    if not _NAME.fullmatch(name):
        accepted = (
            'a-z, 0-9 and _; for an import path say name = "…"'
            if derived
            else "a-z, 0-9 and _, a letter first"
        )
        faults.append(kind(place, f"{name[:40]!a} cannot be the name of an app", source, accepted))
        return None
    return AppRef(name, path, named=bool(path) and not derived)


def _parse(path: Path, faults: list[SettingError]) -> dict[str, Any]:
    try:
        return tomllib.loads(file_text(path).replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        # The parser's own sentence may quote the file, and so a secret.
        match = re.search(r"line (\d+), column (\d+)", str(error))
        where = f"{FILE_NAME} line {match[1]}, column {match[2]}" if match else f"{FILE_NAME}, at its end"
        faults.append(TomlError(FILE_NAME, "the syntax is not TOML", where, 'key = "value", or [table]'))
    except RecursionError:
        faults.append(TomlError(FILE_NAME, "is nested too deep", str(path)))
    except ValueError as problem:
        if str(problem) not in {MISSING, EMPTY}:
            faults.append(TomlError(FILE_NAME, str(problem), str(path)))
    return {}


def _check_keys(tree: dict[str, Any], faults: list[SettingError]) -> None:
    variables = {setting.name for setting in table.TABLE}
    for key in tree:
        if key in KEYS:
            continue
        if key.upper() in variables or key.upper().startswith(("DB_", "JWT_", "LOG_")):
            accepted = f"set {key.upper()} in the environment or in .env"
            faults.append(
                SecretInToml(key, "belongs to a deployment, not to the composition", FILE_NAME, accepted)
            )
            continue
        accepted = "known: " + ", ".join(KEYS)
        faults.append(UnknownSetting(key, "is not known", FILE_NAME, accepted, nearest(key, KEYS)))


def _list(tree: dict[str, Any], key: str, faults: list[SettingError]) -> list[object]:
    value = tree.get(key, [])
    if isinstance(value, list):
        return value
    faults.append(TomlError(key, "is not a list", FILE_NAME, f'{key} = ["…", "…"]'))
    return []


def _table(tree: dict[str, Any], key: str, faults: list[SettingError]) -> dict[str, Any]:
    value = tree.get(key, {})
    if isinstance(value, dict):
        return value
    faults.append(TomlError(key, "is not a table", FILE_NAME, f"[{key}]"))
    return {}


def _replace(raw: dict[str, Any], faults: list[SettingError]) -> Mapping[str, str]:
    found = {}
    for contract, path in raw.items():
        place = f'replace."{contract}"'
        if not _CONTRACT.fullmatch(contract) or "." not in contract:
            faults.append(TomlError(place, "the key is no contract", FILE_NAME, '"projects.IProject"'))
        elif not isinstance(path, str) or not _PATH.fullmatch(path):
            faults.append(TomlError(place, "is not an import path", FILE_NAME, '"package.module:Class"'))
        else:
            found[contract] = path
    return MappingProxyType(found)


def _disable(raw: list[object], faults: list[SettingError]) -> tuple[str, ...]:
    found: list[str] = []
    for number, name in enumerate(raw):
        place = f"disable[{number}]"
        if not isinstance(name, str) or not _CONTRACT.fullmatch(name):
            faults.append(
                TomlError(place, "names no hook, validator or guard", FILE_NAME, '"projects.check_code"')
            )
        elif name in found:
            faults.append(TomlError(place, f"{name} stands in the list twice", FILE_NAME, "once"))
        else:
            found.append(name)
    return tuple(found)


def _settings(raw: dict[str, Any], faults: list[SettingError]) -> Mapping[str, Mapping[str, Any]]:
    found = {}
    for app, values in raw.items():
        if isinstance(values, dict):
            found[app] = _frozen(values)
        else:
            faults.append(
                TomlError(f"settings.{app}", "is not the table of an app", FILE_NAME, "[settings.<app>]")
            )
    return MappingProxyType(found)


def _roles(raw: dict[str, Any], faults: list[SettingError]) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for role, patterns in raw.items():
        if not isinstance(patterns, list) or not all(
            isinstance(p, str) and _PERMISSION.fullmatch(p) for p in patterns
        ):
            accepted = 'patterns by segment: ["projects.*", "*.project.read"]'
            faults.append(TomlError(f"roles.{role}", "is not a list of permissions", FILE_NAME, accepted))
        else:
            found[role] = tuple(patterns)
    return MappingProxyType(found)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    return value
