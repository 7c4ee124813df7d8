"""What the web room needs of an application; ``prefiq.application.Application`` is one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from prefiq.contracts import Actor, Scope
from prefiq.lowcode import Catalog

if TYPE_CHECKING:
    from prefiq.settings import Settings

__all__ = ["Served"]


class Served(Protocol):
    """An application that can be served."""

    @property
    def settings(self) -> Settings:
        """What it was told from outside."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The declared models."""
        ...

    def scope(
        self,
        tenant: str | None = None,
        actor: Actor | None = None,
        *,
        locale: str = "en",
        deadline: datetime | None = None,
        request_id: str = "",
    ) -> Scope:
        """A scope for one request.

        Raises:
            prefiq.contracts.UnknownTenant: The tenant does not exist or is not served now.
        """
        ...
