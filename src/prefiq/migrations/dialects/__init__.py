"""One module for each engine: how it says what operations want."""

from __future__ import annotations

from prefiq.migrations.dialects.renderer import Renderer
from prefiq.sql.errors import EngineNotServed

__all__ = ["Renderer", "known_engines", "renderer_for"]


def renderer_for(engine: str) -> Renderer:
    """The renderer of an engine.

    Args:
        engine: ``"sqlite"``.

    Raises:
        EngineNotServed: There is none yet.
    """
    from prefiq.migrations.dialects.sqlite import SQLITE

    if engine == SQLITE.name:
        return SQLITE
    raise EngineNotServed(engine, known_engines())


def known_engines() -> tuple[str, ...]:
    """Names of the engines that can be migrated."""
    return ("sqlite",)
