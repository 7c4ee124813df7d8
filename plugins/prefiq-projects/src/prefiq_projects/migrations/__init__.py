"""Migrations of projects, applied in order by ``prefiq run migrate``."""
