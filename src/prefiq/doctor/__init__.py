"""Looks for what is wrong and says how to mend it; writes nothing.

Imports everything below ``application``.  A module's own checks take the prepared application and return
``Finding``s.  ``error_reference`` writes the page of all errors.
"""

from prefiq.doctor.boot import BootDiagnosis, examine_boot
from prefiq.doctor.finding import Finding, exit_code_of, findings_of

__all__ = ["BootDiagnosis", "Finding", "examine_boot", "exit_code_of", "findings_of"]
