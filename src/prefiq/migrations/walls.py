"""``Walls``: that the database itself keeps tenants apart, where it can, whatever statement reaches it.

Every engine's renderer knows what walls it has (PostgreSQL: row-level security).  A migration raises them
in the transaction that makes the table; what was made before, or altered by hand, is raised when
``run migrate`` begins.  Nothing is taken down: a policy that somebody else made is told by ``doctor``, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefiq.migrations import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

    from prefiq.migrations.dialects import Renderer
    from prefiq.migrations.snapshot import Schema

__all__ = ["PARTS", "WALLS", "Breach", "Walls", "raise_walls"]

PARTS = frozenset({
    "row security", "policy prefiq_tenant", "policy prefiq_migrating", "policy prefiq_across",
})  # fmt: skip
"""What a table's fingerprint says of its wall, which is looked at apart."""


@dataclass(frozen=True, slots=True)
class Walls:
    """What walls a database shall have.

    Args:
        across: The role that reads across tenants (``ACROSS_DB_USER``), or empty where there is none.
    """

    across: str = ""


WALLS = Walls()


@dataclass(frozen=True, slots=True)
class Breach:
    """A tenants' table whose wall is not as it should be.

    Args:
        table: Its name.
        differences: What differs, each in a few words.
        repairs: Statements that raise the wall; none for what somebody else has added.
    """

    table: str
    differences: tuple[str, ...]
    repairs: tuple[str, ...]


def raise_walls(
    renderer: Renderer, connection: sa.Connection, schema: Schema, walls: Walls | None
) -> Sequence[Breach]:
    """Raise what walls are missing, in the transaction that is open; what stands is not touched.

    Args:
        renderer: The engine's.
        connection: Of ``ConnectionManager.schema_connection``.
        schema: The tables; those that are not there yet are left out.
        walls: What is wanted; None for an installation of one tenant, which needs none.

    Returns:
        What was missing.
    """
    if walls is None:
        return ()
    breaches = [breach for breach in renderer.breaches(connection, schema, walls) if breach.repairs]
    for breach in breaches:
        for text in breach.repairs:
            raw.run(connection, text)
    return breaches
