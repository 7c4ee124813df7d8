"""``Migration``: the value that a migration's file holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
        checksum: Of the file's text.
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
    """Checksum of a file's text that line endings and spaces at their ends do not change."""
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return hashlib.sha256(lines.encode()).hexdigest()
