"""One module for each engine: how it stores values, words statements and names its errors."""

from prefiq.sql.dialects.engine import DatabaseEngine, engine_for, served_engines

__all__ = ["DatabaseEngine", "engine_for", "served_engines"]
