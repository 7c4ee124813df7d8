"""``WatchedApplication``: what the test kit makes; it tells the ledger of its scopes and forks."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prefiq.application import Application
from prefiq.contracts import Actor, Scope
from prefiq.testing.ledger import LEDGER

if TYPE_CHECKING:
    from prefiq.application.composition import Composition
    from prefiq.container import Container

__all__ = ["WatchedApplication"]


class WatchedApplication(Application):
    """An application that tells the ledger of its scopes and forks."""

    def __init__(self, composition: Composition, container: Container) -> None:
        super().__init__(composition, container)
        self.made_at = _place()
        LEDGER.add(self)

    def scope(
        self,
        tenant: str | None = None,
        actor: Actor | None = None,
        *,
        as_system: str = "",
        across: str = "",
        routine: bool = False,
        locale: str = "en",
        deadline: datetime | None = None,
        request_id: str = "",
    ) -> Scope:
        """As ``Application.scope``."""
        scope = super().scope(
            tenant,
            actor,
            as_system=as_system,
            across=across,
            routine=routine,
            locale=locale,
            deadline=deadline,
            request_id=request_id,
        )
        LEDGER.opened(scope, _place())
        return scope

    def close(self) -> None:
        """As ``Application.close``."""
        LEDGER.closing(self)
        super().close()

    def connections_in_use(self) -> dict[str, int]:
        """How many connections its units of work hold now, by database."""
        from prefiq.sql import ConnectionManager

        number = self.container.graph.find(ConnectionManager)
        provider = None if number is None else self.container.supply.existing(number)
        opened = getattr(provider, "instance", None)
        return opened.in_use() if isinstance(opened, ConnectionManager) else {}


def _place() -> str:
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "prefiq":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
