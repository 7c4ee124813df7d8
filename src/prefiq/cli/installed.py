"""The modules that installed packages offer, read from their metadata; none is imported."""

from __future__ import annotations

from importlib.metadata import entry_points

__all__ = ["installed_modules"]


def installed_modules() -> dict[str, str]:
    """Module → what its package says it is, sorted by name."""
    found = {}
    for entry in sorted(entry_points(group="prefiq.apps"), key=lambda entry: entry.name):
        summary = entry.dist.metadata["Summary"] if entry.dist else ""
        found[entry.name] = " ".join((summary or "").split())
    return found
