"""Projects and tasks: one model with every part written by hand, one from its declaration alone."""

from prefiq_projects.contracts import IProject, IProjectService
from prefiq_projects.message import Message
from prefiq_projects.project import Project, Stage
from prefiq_projects.task import ChecklistItem, Task

__all__ = ["ChecklistItem", "IProject", "IProjectService", "Message", "Project", "Stage", "Task"]
