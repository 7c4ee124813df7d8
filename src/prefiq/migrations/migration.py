"""``Migration``: the value that a migration's file holds."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from prefiq.migrations.operations import Operation

__all__ = ["LoadedMigration", "Migration", "Phase", "checksum_of"]

Phase = Literal["expand", "contract"]
"""``expand``: code of the release before still runs afterwards; ``contract``: it may not."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a module's tables.

    Args:
        number: 1, 2, 3 … within the module, as in the file's name.
        name: What it does, as in the file's name.
        phase: ``"expand"`` or ``"contract"``.
        requires: Module name → number of its migration that this one builds on.
        operations: In order; all of them happen, or none.
    """

    number: int
    name: str
    phase: Phase
    requires: Mapping[str, int] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()

    @property
    def label(self) -> str:
        """``"0001_initial"``: the file's name without its suffix."""
        return f"{self.number:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class LoadedMigration:
    """A migration as it was read from its file.

    Args:
        module: Name of the module that owns it.
        migration: What the file says.
        checksum: Of what the file says.
    """

    module: str
    migration: Migration
    checksum: str

    @property
    def key(self) -> tuple[str, int]:
        """What identifies it everywhere: module and number."""
        return self.module, self.migration.number

    @property
    def label(self) -> str:
        """``"0001_initial"``."""
        return self.migration.label

    @property
    def file(self) -> str:
        """``"0001_initial.py"``."""
        return f"{self.migration.label}.py"

    @property
    def title(self) -> str:
        """``"projects 0001_initial"``, for people."""
        return f"{self.module} {self.migration.label}"


def checksum_of(text: str) -> str:
    """Checksum of what a file says: formatters, comments and docstrings do not change it, nor does Python's version.

    Args:
        text: Python.
    """
    return hashlib.sha256("".join(_said(ast.parse(text))).encode()).hexdigest()


def _said(node: object) -> Iterator[str]:
    """A syntax tree as text.

    Not ``ast.dump``: what it writes of fields that are empty, or new in a version of Python, changes.
    """
    if isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name, value in ast.iter_fields(node):
            if value is not None and value != [] and name != "kind":  # the u of u"…"
                yield f"{name}="
                yield from _said(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            if not _is_text_alone(item):
                yield from _said(item)
        yield "]"
    else:
        yield f"{node!a},"  # `repr` depends on which characters a Python knows


def _is_text_alone(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
