"""``ProjectMemory``: the store of projects in dictionaries, for fast tests and development."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from prefiq import Page, RepositoryMemory, where
from prefiq_projects.project import Project, Stage


class ProjectMemory(RepositoryMemory[Project]):
    """The store of projects in memory."""

    def get_by_code(self, code: str, /) -> Project | None:
        """The project with this code, or None."""
        return self.get_by("code", code)

    def overdue(self, today: date, /) -> Sequence[Project]:
        """Projects that are not closed although their end is past, the longest overdue first."""
        late = where(stage__ne=Stage.CLOSED, ends__lt=today)
        return self.list(Page(limit=1000, sort=("ends",)), late).items
