"""Makes migration files: the declarations compared with what the migrations so far have made; no database.

What the migrations have made is found by playing them, so that one written by hand counts as well;
``snapshot.json`` records the result for people, reviews and merges, and has to agree.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from prefiq.errors import Faults, PrefiqError
from prefiq.lowcode import Catalog
from prefiq.migrations.diff import Fill, GivenRenames, Renames, diff, keep_names
from prefiq.migrations.errors import BadOperation, MissingRequirement, ModelChanged, StaleSnapshot
from prefiq.migrations.fills import fills_of
from prefiq.migrations.graph import play
from prefiq.migrations.loader import SNAPSHOT, ModulePart, folder_of, read_folder, read_snapshot
from prefiq.migrations.migration import LoadedMigration, Migration, Phase
from prefiq.migrations.operations import AddField, AlterField, CreateModel, Operation, RenameModel
from prefiq.migrations.snapshot import FieldState, Schema, from_text, to_text
from prefiq.migrations.tables import schema_of
from prefiq.migrations.writer import name_for, source_of

__all__ = ["Draft", "changes_of", "check_models", "draft", "make"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Migrations that would be written.

    Args:
        module: Name of the module.
        migrations: None where nothing changed.
        snapshot: Text of ``snapshot.json`` afterwards.
        stale: Whether the snapshot on disk differs from it.
    """

    module: str
    migrations: tuple[Migration, ...]
    snapshot: str
    stale: bool


def make(
    module: str,
    catalog: Catalog,
    folder: Path,
    *,
    modules: Sequence[ModulePart] = (),
    renames: Renames | Mapping[str, str] = keep_names,
    fills: Mapping[str, Any] | None = None,
    name: str = "",
    split: bool = False,
) -> list[Path]:
    """Write the migration that leads to what the module's models say now.

    Args:
        module: Name of the module.
        catalog: The models of all listed modules, references included.
        folder: The module's folder ``migrations``; made where it is missing.
        modules: All listed modules, whose migrations may be required.
        renames: ``{"Project.code": "key", "Task": "Job"}``, or a function that is asked.
        fills: Values for rows that have none, ``{"Project.code": "?"}``, where the default does not serve.
        name: Name of the migration; made from what it does where empty.
        split: Write what the previous release can live with, and what it cannot, as two migrations.

    Returns:
        The files written; empty where nothing changed.

    Raises:
        Faults: The migrations that exist cannot be used, or the change cannot be made as it is.
    """
    planned = draft(
        module, catalog, folder if folder.is_dir() else None, modules=modules, renames=renames, fills=fills, name=name,
        split=split,
    )  # fmt: skip
    if not planned.migrations and not planned.stale:
        return []
    texts = {f"{migration.label}.py": source_of(migration) for migration in planned.migrations}
    texts[SNAPSHOT] = planned.snapshot
    if not (folder / "__init__.py").exists():
        # Without it, tools that build wheels leave the folder out.
        texts["__init__.py"] = f'"""Migrations of {module}, applied in order by ``prefiq run migrate``."""\n'
    return _write(folder, texts)


def draft(
    module: str,
    catalog: Catalog,
    folder: Traversable | None,
    *,
    modules: Sequence[ModulePart] = (),
    renames: Renames | Mapping[str, str] = keep_names,
    fills: Mapping[str, Any] | None = None,
    name: str = "",
    split: bool = False,
) -> Draft:
    """What ``make`` would write; takes the same arguments, and a folder that may be missing."""
    migrations, before = _recorded(module, folder)
    decide = GivenRenames(renames) if isinstance(renames, Mapping) else renames
    wanted = schema_of(catalog).of_module(module)
    values = fills_of(catalog.of_module(module)) | _given(module, fills or {})
    operations, faults = diff(before, wanted, fills=values, renames=decide)
    if isinstance(decide, GivenRenames):
        faults += decide.check()
    drafts: list[Migration] = []
    for phase, part, start in _phases(operations, before, wanted, module, split=split) if not faults else ():
        number = len(migrations) + len(drafts) + 1
        label = name if name and not drafts else name_for(part, number)
        requires, missing = _requires(module, f"{number:04d}_{label}.py", part, start, modules)
        faults += missing
        drafts.append(Migration(number, label, phase, requires, tuple(part)))
    if faults:
        raise Faults(f"No migration of {module} can be made", faults)
    text = to_text(wanted)
    return Draft(
        module,
        tuple(drafts),
        text,
        stale=(read_snapshot(folder) != text) and bool(wanted.models or migrations),
    )


def changes_of(module: str, catalog: Catalog, folder: Traversable | None) -> list[Operation]:
    """What lies between the module's migrations and its models; empty where they agree.

    Raises:
        Faults: The migrations that exist cannot be used.
    """
    _, before = _recorded(module, folder)
    wanted = schema_of(catalog).of_module(module)
    return diff(before, wanted, is_empty=lambda _: True)[0] if not before.same_as(wanted) else []


def check_models(modules: Sequence[ModulePart], catalog: Catalog) -> list[PrefiqError]:
    """Modules whose models changed without a migration, and snapshots that do not agree.

    Args:
        modules: The modules to look at.
        catalog: The models of all listed modules.

    Returns:
        ``ModelChanged``, ``StaleSnapshot``, and whatever is wrong with the files.
    """
    faults: list[PrefiqError] = []
    for module in modules:
        folder = folder_of(module)
        try:
            _, before = _recorded(module.name, folder)
        except Faults as wrong:
            faults.extend(error for error in wrong.exceptions if isinstance(error, PrefiqError))
            continue
        wanted = schema_of(catalog).of_module(module.name)
        if not before.same_as(wanted):
            operations, wrong_changes = diff(before, wanted, is_empty=lambda _: True)
            titles = [operation.title for operation in operations] or [fault.what for fault in wrong_changes]
            faults.append(ModelChanged(module.name, titles))
        elif before.models and (problem := _snapshot_problem(module.name, folder, before)):
            faults.append(StaleSnapshot(module.name, problem))
    return faults


def _recorded(module: str, folder: Traversable | None) -> tuple[list[LoadedMigration], Schema]:
    if folder is None:
        return [], Schema()
    migrations, faults = read_folder(module, folder)
    stages, wrong = play(migrations) if not faults else ([], [])
    if faults or wrong:
        raise Faults(f"The migrations of {module} cannot be used", [*faults, *wrong])
    return migrations, stages[-1].after if stages else Schema()


def _snapshot_problem(module: str, folder: Traversable | None, played: Schema) -> str:
    text = read_snapshot(folder)
    if text is None:
        return ""  # a wheel may leave it out: it serves reviews, the migrations are what counts
    try:
        recorded = from_text(text, module)
    except ValueError as error:
        return str(error)
    return "" if recorded.same_as(played) else "is not what the migrations make"


def _given(module: str, fills: Mapping[str, Any]) -> dict[tuple[str, str], Fill]:
    given: dict[tuple[str, str], Fill] = {}
    for path, value in fills.items():
        model, _, field = path.removeprefix(f"{module}.").partition(".")
        given[f"{module}.{model}", field] = Fill(value)
    return given


def _phases(
    operations: Sequence[Operation], before: Schema, wanted: Schema, module: str, *, split: bool
) -> list[tuple[Phase, list[Operation], Schema]]:
    """The operations as one migration, or as one for each phase where that leads to the same tables."""
    if not operations:
        return []
    schema = before
    expanding: list[Operation] = []
    contracting: list[Operation] = []
    for operation in operations:
        (contracting if operation.contracts(schema, module) else expanding).append(operation)
        schema = operation.change(schema, module)
    if not contracting:
        return [("expand", expanding, before)]
    if split and expanding:
        try:
            middle = before
            for operation in expanding:
                middle = operation.change(middle, module)
            end = middle
            for operation in contracting:
                end = operation.change(end, module)
        except BadOperation:
            pass
        else:
            if end.same_as(wanted):
                return [("expand", expanding, before), ("contract", contracting, middle)]
    return [("contract", list(operations), before)]


def _requires(
    module: str, file: str, operations: Sequence[Operation], before: Schema, modules: Sequence[ModulePart]
) -> tuple[dict[str, int], list[PrefiqError]]:
    """Migrations of other modules that made what the operations refer to."""
    parts = {part.name: part for part in modules}
    known = {field.ref.model for model in before for field in model.fields if field.ref is not None}
    known |= {model.extends for model in before}
    requires: dict[str, int] = {}
    faults: list[PrefiqError] = []
    for model in sorted({target for operation in operations for target in _targets(operation)} - known):
        other, _, name = model.partition(".")
        if other == module:
            continue
        number = None
        if other in parts:
            folder = folder_of(parts[other])
            loaded = read_folder(other, folder)[0] if folder is not None else []
            number = max((m.migration.number for m in loaded if _makes(m, name)), default=0)
        if not number:
            faults.append(MissingRequirement(module, file, other, 1, number))
        else:
            requires[other] = max(number, requires.get(other, 0))
    return dict(sorted(requires.items())), faults


def _targets(operation: Operation) -> set[str]:
    """Models of any module that an operation needs to be there."""
    fields: tuple[FieldState, ...] = ()
    extended: set[str] = set()
    match operation:
        case CreateModel():
            fields = operation.fields
        case AddField() | AlterField():
            fields = (operation.field,)
            extended = {operation.model} if "." in operation.model else set()
        case RenameModel(_, new) if "." in new:
            extended = {new}
    return {field.ref.model for field in fields if field.ref is not None} | extended


def _makes(loaded: LoadedMigration, model: str) -> bool:
    return any(
        (isinstance(operation, CreateModel) and operation.model == model)
        or (isinstance(operation, RenameModel) and operation.new == model)
        for operation in loaded.migration.operations
    )


def _write(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """All files, or none of them: each is complete before the first takes its name."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        for name, text in texts.items():
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
            waiting.append((Path(temporary), folder / name))
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
        for temporary_path, target in waiting:
            temporary_path.replace(target)
            placed.append(target)
    except OSError:
        for path in placed:
            # The snapshot is replaced after the migrations, and can be made again from them.
            if path.name != SNAPSHOT:
                path.unlink(missing_ok=True)
        raise
    finally:
        for temporary_path, _ in waiting:
            temporary_path.unlink(missing_ok=True)
    return placed
