"""Finds the migrations of listed modules in their packages, wherever those are installed.

A module's migrations stand in a package beside its provider, as ``0001_initial.py`` and so on.
They are read as resources, so that a wheel, a checkout and a zip file serve alike, and only those of the
modules that are asked for are read.
"""

from __future__ import annotations

import importlib.resources
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from prefiq.errors import PrefiqError
from prefiq.lowcode import ModelSpec
from prefiq.migrations.errors import BrokenMigration, DuplicateMigration, MigrationGap, SharedFolder
from prefiq.migrations.migration import LoadedMigration, Migration, checksum_of
from prefiq.migrations.operations import Operation

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["SNAPSHOT", "ModulePart", "load", "parts_of", "read_folder", "read_snapshot"]

SNAPSHOT = "snapshot.json"
_FILE = re.compile(r"(\d{4})_([a-z0-9_]{1,80})\.py", re.ASCII)
_NUMBERED = re.compile(r"\d.*\.py", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModulePart:
    """A listed module, as far as migrations are concerned.

    Args:
        name: Name of the module, ``"projects"``.
        migrations: Package of its migrations, ``"prefiq_projects.migrations"``; it need not exist.
        specs: Its models.
    """

    name: str
    migrations: str
    specs: Sequence[ModelSpec] = ()


def parts_of(app: Application) -> list[ModulePart]:
    """The listed modules of an application, Prefiq's own first.

    Args:
        app: Prepared; it need not be booted.
    """
    return [
        ModulePart(module.name, module.migrations, app.catalog.of_module(module.name))
        for module in app.host.modules
    ]


def load(modules: Sequence[ModulePart]) -> tuple[dict[str, list[LoadedMigration]], list[PrefiqError]]:
    """Read the migrations of modules.

    Args:
        modules: The listed modules, in their order.

    Returns:
        Module name → its migrations by number, and everything that is wrong with the files.
    """
    found: dict[str, list[LoadedMigration]] = {}
    faults: list[PrefiqError] = list(_shared(modules))
    for module in modules:
        folder = folder_of(module)
        found[module.name] = []
        if folder is not None:
            found[module.name], wrong = read_folder(module.name, folder)
            faults.extend(wrong)
    return found, faults


def folder_of(module: ModulePart) -> Traversable | None:
    """The folder with a module's migrations, or None where it has none."""
    parent, _, name = module.migrations.rpartition(".")
    try:
        folder = importlib.resources.files(parent) / name if parent else importlib.resources.files(name)
    except (ModuleNotFoundError, TypeError, ValueError):
        return None
    return folder if folder.is_dir() else None


def read_folder(module: str, folder: Traversable) -> tuple[list[LoadedMigration], list[PrefiqError]]:
    """The migrations in a folder by number, and everything that is wrong with them.

    Args:
        module: Name of the module that owns them.
        folder: Where they stand.
    """
    migrations: list[LoadedMigration] = []
    faults: list[PrefiqError] = []
    numbers: dict[int, list[str]] = {}
    for file in sorted(
        (entry for entry in folder.iterdir() if entry.is_file()), key=lambda entry: entry.name
    ):
        match = _FILE.fullmatch(file.name)
        if match is None:
            if _NUMBERED.fullmatch(file.name):
                faults.append(
                    BrokenMigration(
                        module, file.name, "its name is not four digits, _ and a name in a-z 0-9 _"
                    )
                )
            continue
        numbers.setdefault(int(match[1]), []).append(file.name)
        try:
            migrations.append(_read(module, file))
        except BrokenMigration as fault:
            faults.append(fault)
    faults.extend(_numbering(module, numbers))
    migrations.sort(key=lambda loaded: loaded.migration.number)
    return migrations, faults


def read_snapshot(folder: Traversable | None) -> str | None:
    """The text of the recorded snapshot, or None where there is none."""
    if folder is None:
        return None
    file = folder / SNAPSHOT
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _numbering(module: str, numbers: dict[int, list[str]]) -> Iterator[PrefiqError]:
    expected = 1
    for number in sorted(numbers):
        for missing in range(expected, number):
            yield MigrationGap(module, missing, numbers[number][0])
        if len(numbers[number]) > 1:
            yield DuplicateMigration(module, number, numbers[number])
        expected = number + 1


def _shared(modules: Sequence[ModulePart]) -> Iterator[PrefiqError]:
    places: dict[str, list[str]] = {}
    for module in modules:
        if folder_of(module) is not None:
            places.setdefault(module.migrations, []).append(module.name)
    for place, names in places.items():
        if len(names) > 1:
            yield SharedFolder(place, names)


def _read(module: str, file: Traversable) -> LoadedMigration:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenMigration(module, file.name, f"it cannot be read ({type(error).__name__})") from error
    value = _run(module, file, text).get("migration")
    if not isinstance(value, Migration):
        raise BrokenMigration(module, file.name, "it has no value named migration that is a Migration")
    if problem := _problem(value):
        raise BrokenMigration(module, file.name, problem)
    if f"{value.label}.py" != file.name:
        raise BrokenMigration(module, file.name, f"it says that it is {value.label}")
    return LoadedMigration(module, value, checksum_of(text))


def _run(module: str, file: Traversable, text: str) -> dict[str, object]:
    # What runs is the text that the checksum is taken of, not a compiled file that may be older.
    place = str(file) if isinstance(file, Path) else file.name
    scope = types.ModuleType(f"prefiq_migrations_{module}_{file.name.removesuffix('.py')}")
    scope.__file__ = place
    try:
        exec(compile(text, place, "exec"), scope.__dict__)  # noqa: S102  modules are trusted code
    except SyntaxError as error:
        raise BrokenMigration(module, file.name, "it is not Python", error.lineno or 0) from error
    except Exception as error:
        raise BrokenMigration(
            module, file.name, f"it raises {type(error).__name__}", _line_in(error, place)
        ) from error
    return scope.__dict__


def _line_in(error: BaseException, place: str) -> int:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _problem(value: Migration) -> str:
    if type(value.number) is not int or not isinstance(value.name, str):
        return "its number is no number, or its name no text"
    if value.phase not in {"expand", "contract"}:
        return 'its phase is neither "expand" nor "contract"'
    if not isinstance(value.operations, tuple) or not all(
        isinstance(operation, Operation) for operation in value.operations
    ):
        return "its operations are not a tuple of operations"
    if not isinstance(value.requires, Mapping) or not all(
        isinstance(name, str) and type(number) is int and number > 0
        for name, number in value.requires.items()
    ):
        return "its requires are not names of modules with numbers"
    return ""
