"""Databases: what may be wrong with them, and how they are set up; a file for each engine."""

from prefiq.doctor.database.examining import examine_database

__all__ = ["examine_database"]
