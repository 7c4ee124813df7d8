"""The plugin host: finds listed modules, orders them, and asks them; pluggy is known in this room alone.

Imports ``container``, ``foundation``, ``contracts`` and ``errors``; rooms above import it.
"""

from prefiq.plugins.discovery import Discovery, LoadedModule, discover
from prefiq.plugins.entry_points import GROUP, installed_apps
from prefiq.plugins.hookspecs import hookimpl
from prefiq.plugins.host import Host, replace_from_settings
from prefiq.plugins.loading import load_object
from prefiq.plugins.lock import LockedApp, read_lock
from prefiq.plugins.provider_base import ProviderBase

__all__ = [
    "GROUP",
    "Discovery",
    "Host",
    "LoadedModule",
    "LockedApp",
    "ProviderBase",
    "discover",
    "hookimpl",
    "installed_apps",
    "load_object",
    "read_lock",
    "replace_from_settings",
]
