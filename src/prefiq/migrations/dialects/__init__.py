"""One module for each engine: how it says what operations want."""

from __future__ import annotations

from prefiq.migrations.dialects.renderer import Renderer
from prefiq.sql.errors import EngineNotServed

__all__ = ["Renderer", "known_engines", "renderer_for"]


def renderer_for(engine: str) -> Renderer:
    """The renderer of an engine.

    Args:
        engine: As in ``DB_ENGINE``, or as SQLAlchemy's dialect is called.

    Raises:
        EngineNotServed: There is none.
    """
    if engine == "sqlite":
        from prefiq.migrations.dialects.sqlite import SQLITE

        return SQLITE
    if engine in {"postgres", "postgresql"}:
        from prefiq.migrations.dialects.postgres import POSTGRES

        return POSTGRES
    if engine == "mariadb":
        from prefiq.migrations.dialects.mariadb import MARIADB

        return MARIADB
    raise EngineNotServed(engine, known_engines())


def known_engines() -> tuple[str, ...]:
    """Names of the engines that can be migrated, as in ``DB_ENGINE``."""
    return ("sqlite", "postgres", "mariadb")
