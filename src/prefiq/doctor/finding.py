"""``Finding``: one thing that is wrong, or may be, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prefiq.errors import Faults, PrefiqError

__all__ = ["Finding", "Level", "exit_code_of", "findings_of"]

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be.

    Args:
        id: Stable identifier: the code of an error, or ``PFQ-D`` and a number that the check owns.
        level: ``"error"`` where the application does not work as it should, ``"warning"`` where it may not.
        what: One sentence; never a secret's value.
        where: The file, setting, table or class.
        fix: What to do.
        exit_code: What a command that ends because of it returns.
    """

    id: str
    level: Level
    what: str
    where: str = ""
    fix: str = ""
    exit_code: int = 1


def findings_of(error: PrefiqError, level: Level = "error") -> list[Finding]:
    """An error as findings, one for each fault that it holds."""
    if isinstance(error, Faults):
        return [
            f
            for inner in error.exceptions
            if isinstance(inner, PrefiqError)
            for f in findings_of(inner, level)
        ]
    return [Finding(error.code, level, error.what, error.where, error.fix, error.exit_code)]


def exit_code_of(findings: Iterable[Finding], *, strict: bool = False) -> int:
    """What a command returns for these findings; 0 where nothing counts.

    Args:
        findings: All of them.
        strict: Whether warnings count too.
    """
    return max((f.exit_code for f in findings if strict or f.level == "error"), default=0)
