"""What attacks came to: values, for a table and for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Attack", "Outcome", "Skipped"]


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Args:
        model: Qualified name of the model; empty where it is on all of them.
        route: ``"service"``, ``"statement"`` or ``"HTTP"``.
        mode: Of the tenants that were used: ``"row"``, ``"schema"`` or ``"database"``.
        kind: What was tried, for people: ``"read"``, ``"filter"``, …
        detail: What exactly.
        leak: What came of it that must not; empty where it was held off.
    """

    model: str
    route: str
    mode: str
    kind: str
    detail: str
    leak: str = ""

    @property
    def held(self) -> bool:
        """Whether it came to nothing."""
        return not self.leak


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be attacked.

    Args:
        what: A model, a route or a mode.
        mode: The mode in which that is so.
        reason: Why.
    """

    what: str
    mode: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """All attacks of a run.

    Args:
        attacks: In order.
        skipped: What was left out.
    """

    attacks: list[Attack] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def leaks(self) -> list[Attack]:
        """Those that got through."""
        return [attack for attack in self.attacks if not attack.held]

    def add(self, other: Outcome) -> None:
        """Take another run's into this one."""
        self.attacks += other.attacks
        self.skipped += other.skipped

    def table(self) -> list[tuple[str, str, str, int, int, str]]:
        """Model, route, mode, how many attacks, how many were held off, and of which kinds they were."""
        rows: dict[tuple[str, str, str], list[Attack]] = {}
        for attack in self.attacks:
            key = (attack.model or "(all models)", attack.route, attack.mode)
            rows.setdefault(key, []).append(attack)
        return [(*key, len(of), sum(a.held for a in of), _kinds(of)) for key, of in rows.items()]


def _kinds(attacks: Iterable[Attack]) -> str:
    return ", ".join(dict.fromkeys(attack.kind for attack in attacks))
