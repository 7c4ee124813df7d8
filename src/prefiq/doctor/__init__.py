"""Looks for what is wrong and says how to mend it; writes nothing.

Imports everything below ``application``.  A module's own checks take the prepared application and return
``Finding``s.  ``error_reference`` writes the page of all errors.
"""

from prefiq.doctor.boot import BootDiagnosis, examine_boot
from prefiq.doctor.database import Done, Wall, apply_setup, examine_database, setup_scripts, walls_of
from prefiq.doctor.finding import Finding, exit_code_of, findings_of
from prefiq.doctor.sanity import read_each_model

__all__ = [
    "BootDiagnosis",
    "Done",
    "Finding",
    "Wall",
    "apply_setup",
    "examine_boot",
    "examine_database",
    "exit_code_of",
    "findings_of",
    "read_each_model",
    "setup_scripts",
    "walls_of",
]
