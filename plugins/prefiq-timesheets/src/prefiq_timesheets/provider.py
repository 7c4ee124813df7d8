"""``TimesheetProvider``: makes the module importable under an app that is listed."""

from __future__ import annotations

from prefiq import ProviderBase
from prefiq_timesheets.entry import Entry
from prefiq_timesheets.extension import ProjectHours, TimesheetProjectPolicy, TimesheetProjectService
from prefiq_timesheets.hooks import add_up, refuse_closed_projects, refuse_unused_hours


class TimesheetProvider(ProviderBase):
    """Time on projects."""

    models = (Entry,)
    extensions = (ProjectHours, TimesheetProjectService, TimesheetProjectPolicy)
    hooks = (refuse_closed_projects, refuse_unused_hours)
    subscribers = (add_up,)
