"""``ProjectRepos``: the store of projects in SQL; the tenant's condition is in ``select()`` already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from prefiq import RepositoryQuery
from prefiq_projects.project import Project, Stage


class ProjectRepos(RepositoryQuery[Project]):
    """The store of projects in a database."""

    def get_by_code(self, code: str, /) -> Project | None:
        """The project with this code, or None."""
        return self.get_by("code", code)

    def overdue(self, today: date, /) -> Sequence[Project]:
        """Projects that are not closed although their end is past, the longest overdue first."""
        projects = self.table.c
        late = self.select().where(projects.stage != Stage.CLOSED, projects.ends < today)
        return self.query(late.order_by(projects.ends, projects.id))
