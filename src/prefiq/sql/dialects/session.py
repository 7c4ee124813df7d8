"""``Session``: one driver connection as the executor uses it, plain ``def`` on every engine and in both modes.

In async mode an implementation hands its coroutine to ``prefiq.bridge.await_``; the executor does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from prefiq.sql.plan import Plan

__all__ = ["Session"]


class Session(Protocol):
    """A connection in driver autocommit; it lives as long as the connection, from unit of work to unit of work.

    Attributes:
        is_pooled: Whether it keeps nothing between transactions, so that every statement needs one.
        dead: Whether the connection is not to be used again: the server hung up, or a task was cancelled
            while it waited for an answer, which then nobody has read.
        timeout: Seconds after which a statement is ended now; infinite where nothing ends it.
        usual: The same where no deadline is near, from DB_STATEMENT_TIMEOUT.  After ``release``, ``timeout``
            may still be another one: then the next unit of work begins with ``limit``.
    """

    is_pooled: bool
    dead: bool
    timeout: float
    usual: float

    def fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """Run a statement; all its rows, as tuples."""
        ...

    def write(self, sql: str, params: Sequence[Any]) -> int:
        """Run a statement; how many rows it matched."""
        ...

    def write_many(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """Run a plan for each row of values, the fastest way that the engine has; inside a transaction."""
        ...

    def control(self, sql: str) -> None:
        """Run a statement that begins or ends a transaction or savepoint."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, also one that has failed; asks no server.  False when ``dead``."""
        ...

    def is_connected(self) -> bool:
        """Whether the other side has not hung up, as far as can be known without asking it."""
        ...

    def limit(self, seconds: float) -> None:
        """End statements that take longer, from now on."""
        ...

    def bind(self, tenant: str) -> None:
        """Let row-level security, where the engine has it, show this tenant's rows; asks nothing where it does.

        Args:
            tenant: The tenant's key; empty for none, which shows no rows.
        """
        ...

    def release(self) -> None:
        """The unit of work is over: let go of results, open cursors and stamps."""
        ...

    def kill(self) -> None:
        """Close the connection without a word and without waiting; ``dead`` is true afterwards."""
        ...
