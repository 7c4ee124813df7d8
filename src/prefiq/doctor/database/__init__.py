"""Databases: what may be wrong with them, and how they are set up; a file for each engine."""

from prefiq.doctor.database.examining import examine_database
from prefiq.doctor.database.setting_up import Done, apply_setup, setup_scripts

__all__ = ["Done", "apply_setup", "examine_database", "setup_scripts"]
