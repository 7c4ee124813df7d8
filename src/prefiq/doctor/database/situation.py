"""``Situation``: what a check knows of a database besides what its server answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefiq.settings.doubtful import is_here

if TYPE_CHECKING:
    from prefiq.settings import DatabaseSettings, Settings

__all__ = ["Situation"]


@dataclass(frozen=True, slots=True)
class Situation:
    """One database in its application.

    Args:
        database: As the serving user reaches it.
        production: Whether the rules of production hold.
        processes: How many serve, each with a pool of its own.
        body_limit: Bytes of the largest request body.
        migrating: The same database as the user reaches it who migrates; None where that is the serving one.
        of_tenants: Connections that one process holds at most to databases that tenants have of their own.
    """

    database: DatabaseSettings
    production: bool = False
    processes: int = 1
    body_limit: int = 1024**2
    migrating: DatabaseSettings | None = None
    of_tenants: int = 0

    @classmethod
    def of(cls, settings: Settings, database: DatabaseSettings, processes: int) -> Situation:
        """The situation of one of the settings' databases."""
        migrating = settings.database_roles.get("migrate") if database.name == "default" else None
        if migrating is not None and migrating.user == database.user:
            migrating = None
        has_tenants = settings.tenancy == "database" and database.name == "default"
        of_tenants = settings.db_max_connections if has_tenants else 0
        return cls(database, settings.is_production, processes, settings.body_limit, migrating, of_tenants)

    @property
    def where(self) -> str:
        """How findings name the database."""
        return f"database {self.database.name}"

    @property
    def prefix(self) -> str:
        """What stands before ``DB_`` in the names of its settings."""
        return "" if self.database.name == "default" else f"{self.database.name.upper()}_"

    @property
    def here(self) -> bool:
        """Whether the server is on this machine."""
        return is_here(self.database)
