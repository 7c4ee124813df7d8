"""Migrations of timesheets, applied in order by ``prefiq run migrate``."""
