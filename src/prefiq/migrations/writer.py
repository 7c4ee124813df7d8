"""Writes a ``Migration`` as Python that people read and may edit before it is applied."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from prefiq.lowcode.field import MISSING, NOW
from prefiq.migrations.migration import Migration
from prefiq.migrations.operations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    Operation,
    RenameField,
    RenameModel,
)

__all__ = ["name_for", "source_of"]

WIDTH = 88
LONGEST_NAME = 60
POSITIONAL = {"FieldState": 2, "IndexState": 2, "Migration": 3, "RefState": 2, "CreateModel": 1}
"""How many arguments stand without their name; two for operations."""


def name_for(operations: Sequence[Operation], number: int) -> str:
    """A name that says what the operations do: ``"add_project_budget"``, ``"initial"`` for the first.

    Args:
        operations: At least one.
        number: The migration's number.
    """
    if number == 1 and any(isinstance(operation, CreateModel) for operation in operations):
        return "initial"
    words = _words(operations[0])
    name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words).lower()).strip("_")
    more = "_and_more" if len(operations) > 1 else ""
    return name[: LONGEST_NAME - len(more)].rstrip("_") + more


def source_of(migration: Migration) -> str:
    """The text of the file.

    Args:
        migration: Without ``RunSteps``, which only people write.
    """
    used: dict[str, set[str]] = {"prefiq.migrations": set()}
    body = _render(migration, used, indent=0, prefix=len("migration = "))
    titles = [operation.title for operation in migration.operations]
    headline = titles[0][:1].upper() + titles[0][1:] if titles else "Nothing"
    doc = f"{headline}{' and more' if len(titles) > 1 else ''}."
    return f'"""{doc}"""\n\n{_imports(used)}\nmigration = {body}\n'


def _words(operation: Operation) -> str:
    match operation:
        case CreateModel(model):
            return f"create_{model}"
        case DropModel(model):
            return f"drop_{model}"
        case AddField(model, field):
            return f"add_{model}_{field.name}"
        case DropField(model, field_name):
            return f"drop_{model}_{field_name}"
        case AlterField(model, field):
            return f"alter_{model}_{field.name}"
        case RenameField(model, old, new):
            return f"rename_{model}_{old}_to_{new}"
        case RenameModel(old, new):
            return f"rename_{old}_to_{new}"
        case AddIndex(_, index):
            return f"add_{index.name}"
        case DropIndex(_, index_name):
            return f"drop_{index_name}"
    return operation.title


def _imports(used: dict[str, set[str]]) -> str:
    standard, ours = "", ""
    for module in sorted(used):
        if not used[module]:
            continue
        names = sorted(used[module])
        line = f"from {module} import {', '.join(names)}\n"
        if len(line) > WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"
        if module.startswith("prefiq"):
            ours += line
        else:
            standard += line
    return standard + ("\n" if standard else "") + ours


def _render(value: Any, used: dict[str, set[str]], indent: int, prefix: int = 0) -> str:
    """Python that makes the value: on one line where it fits, else one argument a line."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        used["prefiq.migrations"].add(name)
        parts = _arguments(value)
        return _bracket(f"{name}(", parts, ")", used, indent, prefix)
    if isinstance(value, tuple):
        closing = ",)" if len(value) == 1 else ")"
        return _bracket("(", [("", item) for item in value], closing, used, indent, prefix)
    if isinstance(value, dict):
        parts = [(f"{_render(key, used, indent)}: ", item) for key, item in value.items()]
        return _bracket("{", parts, "}", used, indent, prefix)
    if isinstance(value, list):
        return _bracket("[", [("", item) for item in value], "]", used, indent, prefix)
    return _constant(value, used)


def _bracket(
    opening: str,
    parts: list[tuple[str, Any]],
    closing: str,
    used: dict[str, set[str]],
    indent: int,
    prefix: int,
) -> str:
    flat = ", ".join(label + _render(item, used, 0) for label, item in parts)
    line = f"{opening}{flat}{closing}"
    if "\n" not in line and indent + prefix + len(line) + 1 <= WIDTH:
        return line
    inner = indent + 4
    rows = [f"{' ' * inner}{label}{_render(item, used, inner, len(label))},\n" for label, item in parts]
    return f"{opening}\n{''.join(rows)}{' ' * indent}{closing.lstrip(',')}"


def _arguments(value: Any) -> list[tuple[str, Any]]:
    positional = POSITIONAL.get(type(value).__name__, 2)
    parts: list[tuple[str, Any]] = []
    for place, part in enumerate(dataclasses.fields(value)):
        found = getattr(value, part.name)
        default = part.default
        if part.default_factory is not dataclasses.MISSING:
            default = part.default_factory()
        if place >= positional and found == default:
            continue
        parts.append(("" if place < positional else f"{part.name}=", found))
    return parts


def _constant(value: Any, used: dict[str, set[str]]) -> str:
    match value:
        case Enum():
            return _constant(value.value, used)
        case str():
            # Doubled quotes, as formatters write them.
            text = repr(value)
            return '"' + text[1:-1] + '"' if text.startswith("'") and '"' not in text else text
        case None | bool() | int() | float():
            return repr(value)
        case Decimal():
            used.setdefault("decimal", set()).add("Decimal")
            return f'Decimal("{value}")'
        case datetime():
            used.setdefault("datetime", set()).add("datetime")
            return f'datetime.fromisoformat("{value.astimezone(UTC).isoformat()}")'
        case date():
            used.setdefault("datetime", set()).add("date")
            return f'date.fromisoformat("{value.isoformat()}")'
        case UUID():
            used.setdefault("uuid", set()).add("UUID")
            return f'UUID("{value}")'
    if value is NOW:
        used.setdefault("prefiq.lowcode", set()).add("now")
        return "now"
    if value is MISSING:
        return "MISSING"
    raise TypeError(f"cannot be written: {type(value).__name__}")
