"""``ITransactions``: all or nothing, for services that know no database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Literal, Protocol

__all__ = ["ITransactions", "Isolation", "call_all"]

Isolation = Literal["read committed", "repeatable read", "serializable"]
"""As SQL names the levels; an engine may keep a stricter one."""


class ITransactions(Protocol):
    """The transactions of one scope; the executor is one, the memory store has another."""

    def tx(
        self, *, read_only: bool = False, isolation: Isolation | None = None
    ) -> AbstractContextManager[None]:
        """Run the body in a transaction: committed at its end, rolled back by an exception.

        A nested one is a savepoint: what it wrote can be undone alone.  After an error of the database, or of
        a store that refused a value, the innermost one takes no further statement and cannot be committed:
        what may fail and shall not matter stands in a nested one.

        Args:
            read_only: One snapshot for several reads; writing is refused.
            isolation: Of the outermost transaction; the engine's own ("read committed" on servers) where
                left out.  A savepoint cannot have another one.
        """
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether the transaction that is open now refuses writes."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What failed in the transaction that is open now, which then takes no further statement."""
        ...

    def fail(self, error: BaseException, /) -> None:
        """Let the transaction (or savepoint) that is open now take no further statement: it can only be undone.

        For stores: what fails in one of them fails alike in all.
        """
        ...

    def after_commit(self, callback: Callable[[], None], /) -> None:
        """Call it once the outermost transaction has committed; at once where none is open.

        It is forgotten by a rollback (of the savepoint that it was given in, too).
        """
        ...

    def on_rollback(self, callback: Callable[[], None], /) -> None:
        """Call it if the transaction (or the savepoint that is open now) is rolled back, last one first."""
        ...


def call_all(callbacks: Iterable[Callable[[], None]]) -> None:
    """Call every one, also after one that fails; their errors are raised together afterwards."""
    errors: list[Exception] = []
    for callback in callbacks:
        try:
            callback()
        except Exception as error:  # noqa: BLE001  one that fails must not keep the others from being called
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("several callbacks of a transaction failed", errors)
