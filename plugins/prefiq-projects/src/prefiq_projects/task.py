"""``Task``: everything but this declaration is derived."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from prefiq import Child, Entity, ModelMeta, Status, children, field, index, ref, transition
from prefiq_projects.project import Project


class State(Status):
    """Whether a task is done."""

    OPEN = "open"
    DONE = "done"


class ChecklistItem(Child):
    """One step of a task."""

    title: str = field(max_length=200)
    done: bool = field(default=False)


class Task(Entity):
    """Something to be done in a project."""

    project_id: UUID = ref(Project)
    title: str = field(max_length=200, search=True)
    due: date | None = field(default=None, index=True)
    state: State = field(default=State.OPEN)
    checklist: list[ChecklistItem] = children(ChecklistItem)

    complete = transition(State.OPEN, to=State.DONE)
    reopen = transition(State.DONE, to=State.OPEN)

    meta = ModelMeta(label="title", order_by="due", indexes=[index("project_id", "state")])
