"""The contracts of projects: what other modules may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from prefiq import IDomain, IDomainService
from prefiq_projects.project import Project


class IProject(IDomain[Project], Protocol):
    """The store of projects."""

    def get_by_code(self, code: str, /) -> Project | None:
        """The project with this code, or None."""
        ...

    def overdue(self, today: date, /) -> Sequence[Project]:
        """Projects that are not closed although their end is past, the longest overdue first."""
        ...


class IProjectService(IDomainService[Project], Protocol):
    """The use cases of projects."""

    def overdue(self) -> Sequence[Project]:
        """Projects that should have ended by today."""
        ...
