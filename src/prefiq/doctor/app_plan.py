"""What a change of the list of apps would do, found by composing both ways; no database is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefiq.doctor.surface import Difference, differences, surface_of
from prefiq.errors import Faults, PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import AppRef, Settings

__all__ = ["AppPlan", "plan_apps"]


@dataclass(frozen=True, slots=True)
class AppPlan:
    """What a change of the list would do.

    Args:
        before: The application as it is listed; None where it cannot be composed.
        after: The application as it would be; likewise.
        differences: What would be added, removed and changed; empty where one cannot be composed.
        conflicts: What would be wrong then and is not now.
        present: What is wrong now.
    """

    before: Application | None
    after: Application | None
    differences: tuple[Difference, ...]
    conflicts: tuple[PrefiqError, ...]
    present: tuple[PrefiqError, ...]


def plan_apps(settings: Settings, apps: Sequence[AppRef]) -> AppPlan:
    """Compose what is listed and what would be, and compare.

    ``apps.lock`` does not count: the list is about to change.

    Args:
        settings: As loaded.
        apps: The list as it would be.
    """
    before, present = _composed(settings)
    after, faults = _composed(dataclasses.replace(settings, apps=tuple(apps)))
    known = {str(fault) for fault in present}
    conflicts = tuple(fault for fault in faults if str(fault) not in known)
    changes: tuple[Difference, ...] = ()
    if before is not None and after is not None:
        changes = tuple(differences(surface_of(before), surface_of(after)))
    return AppPlan(before, after, changes, conflicts, tuple(present))


def _composed(settings: Settings) -> tuple[Application | None, list[PrefiqError]]:
    from prefiq.application import Application

    try:
        return Application.prepare(settings, locked=False), []
    except Faults as error:
        return None, [fault for fault in error.exceptions if isinstance(fault, PrefiqError)]
