"""Migrations of prefiq, applied in order by ``prefiq run migrate``."""
