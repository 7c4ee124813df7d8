"""Files made on request: the folder of a new application, and code from a short description.

Imports everything below ``application``; templates are Jinja2 and stand in ``templates/``.
"""

from prefiq.scaffold.application_folder import make_application
from prefiq.scaffold.errors import (
    BadName,
    CannotWrite,
    ChangedMeanwhile,
    FieldsFault,
    FileEdited,
    FolderInUse,
    ModuleNameTaken,
    NotInstalled,
)
from prefiq.scaffold.writing import Change, FilePlan

__all__ = [
    "BadName",
    "CannotWrite",
    "Change",
    "ChangedMeanwhile",
    "FieldsFault",
    "FileEdited",
    "FilePlan",
    "FolderInUse",
    "ModuleNameTaken",
    "NotInstalled",
    "make_application",
]
