"""``ProjectProvider``: makes the module importable under an app that is listed."""

from __future__ import annotations

from prefiq import Binder, ProviderBase
from prefiq_projects.contracts import IProject, IProjectService
from prefiq_projects.message import Message
from prefiq_projects.notifications import tell_that_it_closed
from prefiq_projects.project import Project
from prefiq_projects.repository import ProjectRepos
from prefiq_projects.service import ProjectService
from prefiq_projects.task import Task


class ProjectProvider(ProviderBase):
    """Projects and tasks."""

    models = (Project, Task, Message)
    subscribers = (tell_that_it_closed,)

    def bind(self, to: Binder) -> None:
        """Bind the parts that are written by hand; the others are derived."""
        to.bind(IProject, ProjectRepos)
        to.bind(IProjectService, ProjectService)
