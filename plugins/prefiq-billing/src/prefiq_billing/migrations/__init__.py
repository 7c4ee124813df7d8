"""Migrations of billing, applied in order by ``prefiq run migrate``."""
