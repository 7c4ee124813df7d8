"""``Entry``: time that somebody spent on a project, and perhaps on one of its tasks."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from prefiq import Entity, ModelMeta, field, index, ref
from prefiq_projects import Project, Task


class Entry(Entity):
    """Hours of one person on one day."""

    project_id: UUID = ref(Project)
    task_id: UUID | None = ref(Task, default=None, on_delete="set_null")
    person: str = field(max_length=120, index=True)
    date: dt.date = field(index=True)
    hours: Decimal = field(precision=5, scale=2, gt=0, le=24)
    note: str = field(default="", max_length=500, search=True)

    meta = ModelMeta(
        title="Time entry", plural="entries", order_by="-date", indexes=(index("project_id", "date"),)
    )
