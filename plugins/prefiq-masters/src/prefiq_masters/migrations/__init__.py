"""Migrations of masters, applied in order by ``prefiq run migrate``."""
