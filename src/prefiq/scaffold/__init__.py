"""Files made on request: today the folder of a new application.

Imports everything below ``application``; templates are Jinja2 and stand in ``templates/``.
"""

from prefiq.scaffold.application_folder import make_application
from prefiq.scaffold.errors import BadName, CannotWrite, FolderInUse, NotInstalled

__all__ = ["BadName", "CannotWrite", "FolderInUse", "NotInstalled", "make_application"]
