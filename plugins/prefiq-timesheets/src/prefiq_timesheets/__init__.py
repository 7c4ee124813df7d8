"""Time spent on projects: entries, and a budget of hours that extends ``prefiq_projects.Project``."""

from prefiq_timesheets.entry import Entry
from prefiq_timesheets.extension import ProjectHours

__all__ = ["Entry", "ProjectHours"]
