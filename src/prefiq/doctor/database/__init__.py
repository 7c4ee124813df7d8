"""Databases: what may be wrong with them, and how they are set up; a file for each engine."""

from prefiq.doctor.database.examining import examine_database
from prefiq.doctor.database.setting_up import Done, apply_setup, setup_scripts
from prefiq.doctor.database.walls import Wall, walls_of

__all__ = ["Done", "Wall", "apply_setup", "examine_database", "setup_scripts", "walls_of"]
