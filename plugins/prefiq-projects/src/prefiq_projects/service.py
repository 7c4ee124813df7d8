"""``ProjectService``: uniqueness and business policy; never SQL here."""

from __future__ import annotations

from collections.abc import Sequence

from prefiq import IClock, Refused, ServiceContext, Services, UniqueViolation
from prefiq_projects.contracts import IProject
from prefiq_projects.project import Project, Stage


class ProjectService(Services[Project]):
    """The use cases of projects."""

    def __init__(self, repository: IProject, context: ServiceContext, clock: IClock) -> None:
        super().__init__(repository, context)
        self.projects = repository
        self.clock = clock

    def create(self, entity: Project, /) -> Project:
        """Store a new project; a taken code is told before the database has to refuse it."""
        self._require("create")
        if isinstance(entity.code, str) and self.projects.get_by_code(entity.code) is not None:
            raise UniqueViolation(self.spec.qualified, ("code",))
        return super().create(entity)

    def update(self, entity: Project, /) -> Project:
        """Change a project; a closed one stays as it was."""
        if entity.stage is Stage.CLOSED:
            raise Refused("stage", "a closed project cannot be changed")
        return super().update(entity)

    def overdue(self) -> Sequence[Project]:
        """Projects that should have ended by today."""
        self._require("read")
        return self.projects.overdue(self.clock.now().date())
