"""``ProviderBase``: what a module's provider derives from.

A provider is small: it lists what the module has and binds what the module brings.  The plugin host makes
small hook objects of it; the provider itself is never registered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar

from prefiq.container import Binder

__all__ = ["ProviderBase"]


class ProviderBase:
    """A module, as the application sees it; every part is optional.

    The module's name is that of its entry point; what it requires is what its package requires.
    """

    name: ClassVar[str] = ""
    """Name of a module that is listed by import path; its last module segment where empty."""
    models: ClassVar[tuple[type, ...]] = ()
    """The models that it declares."""
    extensions: ClassVar[tuple[type, ...]] = ()
    """What it adds to other modules' models: ``Extension``, ``ServiceExtension`` and ``PolicyExtension``."""
    hooks: ClassVar[tuple[Callable[..., Any], ...]] = ()
    """Functions marked by ``on`` (model hooks) or ``hookimpl`` (the other extension points)."""
    subscribers: ClassVar[tuple[Callable[..., Any], ...]] = ()
    """Functions marked by ``subscribe``."""
    seeds: ClassVar[tuple[Any, ...]] = ()
    """Rows that a new tenant starts with."""
    after: ClassVar[tuple[str, ...]] = ()
    """Modules that come before this one where they are listed; what is required comes before anyway."""
    settings: ClassVar[type[Any] | None] = None
    """A frozen dataclass, filled from ``[settings.<app>]`` of ``prefiq.toml`` and bound to its class."""
    migrations: ClassVar[str] = ""
    """Package of its migrations.

    Where empty, ``migrations`` beside a provider in ``__init__.py`` or ``provider.py`` of a package, and
    ``invoice_migrations`` beside one in ``invoice.py``, so that a package may hold several modules.
    """

    def bind(self, to: Binder) -> None:
        """Bind what the module brings; called once at boot, when nothing can be resolved yet."""

    def boot(self, app: Any) -> Awaitable[None] | None:
        """Called once, in module order, when everything can be resolved and resources are open.

        With ``DB_MODE=async`` it may be ``async def``.
        """

    def routes(self) -> Iterable[Any]:
        """Routes beside those that models bring; called once, when the HTTP application is made."""
        return ()

    def commands(self) -> Iterable[Any]:
        """Commands of the command line; called when it starts."""
        return ()

    def checks(self) -> Iterable[Callable[..., Any]]:
        """Functions that ``doctor`` runs; called when it starts."""
        return ()
