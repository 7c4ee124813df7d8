"""``Transactions``: transactions and savepoints on the connection that a scope holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType

from prefiq.contracts import ScopeClosed
from prefiq.contracts.scope import _CURRENT, standing_in
from prefiq.contracts.transactions import Isolation, call_all
from prefiq.sql.errors import CommitUnknown, Disconnected, IsolationChanged, TenantChanged
from prefiq.sql.held_connection import HeldConnection, Level

__all__ = ["Transactions"]


class _Transaction(AbstractContextManager[None]):
    __slots__ = ("_isolation", "_read_only", "_transactions")

    def __init__(self, transactions: Transactions, *, read_only: bool, isolation: Isolation | None) -> None:
        self._transactions = transactions
        self._read_only = read_only
        self._isolation = isolation

    def __enter__(self) -> None:
        self._transactions._begin(read_only=self._read_only, isolation=self._isolation)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._transactions._commit()
        else:
            self._transactions._rollback()


class _Rest(AbstractContextManager[None]):
    """What an open transaction cannot be kept without."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._transactions.fail(error)


class Transactions(HeldConnection):
    """Begins and ends transactions; implements ``ITransactions``.  See ``HeldConnection`` for its arguments."""

    def tx(
        self, *, read_only: bool = False, isolation: Isolation | None = None
    ) -> AbstractContextManager[None]:
        """Run the body in a transaction; a nested one is a savepoint.

        Args:
            read_only: One snapshot for several reads; writing is refused.
            isolation: Of the outermost transaction.
        """
        return _Transaction(self, read_only=read_only, isolation=isolation)

    def joined(self) -> AbstractContextManager[None]:
        """Run the body in the transaction that is open, or in one of its own."""
        return nullcontext() if self._levels else self.tx()

    def rest(self) -> AbstractContextManager[None]:
        """The body finishes what was begun before it: if it is interrupted, the open transaction has failed.

        Cheaper than a savepoint around both.
        """
        return _Rest(self)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._levels)

    @property
    def read_only(self) -> bool:
        """Whether the transaction that is open now refuses writes."""
        return self._read_only

    @contextmanager
    def examining(self) -> Iterator[None]:
        """Let a repository ask why its statement failed, though the transaction takes no other one.

        Of use only with an engine that still answers then.
        """
        if self._failure is not None and not self._lost:
            self._session = self._held
        try:
            yield
        finally:
            if self._failure is not None:
                self._session = None

    def after_commit(self, callback: Callable[[], None], /) -> None:
        """Call it once the outermost transaction has committed; at once where none is open."""
        if self._levels:
            self._levels[-1].after.append(callback)
        else:
            callback()

    def on_rollback(self, callback: Callable[[], None], /) -> None:
        """Call it if the transaction or savepoint that is open now is rolled back, last one first."""
        if self._levels:
            self._levels[-1].undo.append(callback)

    def _begin(self, *, read_only: bool, isolation: Isolation | None) -> None:
        if self._scope.tenancy is not self._tenancy:
            raise TenantChanged
        read_only = read_only or self._frozen
        if self._levels:
            if isolation not in {None, self._isolation}:
                raise IsolationChanged
            self._control(f"SAVEPOINT prefiq_{len(self._levels)}")
            read_only = read_only or self._read_only
        else:
            if self._until != math.inf and self._session is not None:
                self._mind(self._session)
            statements = self.kind.begin(read_only=read_only, isolation=isolation)
            try:
                self._begin_with(statements)
            except BaseException:
                # Interrupted after it began: what comes next would be part of it, and be undone with it.
                if self._held is not None and self._held.in_transaction:
                    self._abandon(self._held)
                raise
            self._isolation = isolation
        self._levels.append(Level(read_only=read_only))
        self._read_only = read_only

    def _begin_with(self, statements: tuple[str, ...]) -> None:
        try:
            for sql in statements:
                self._control(sql)
        except Disconnected as error:
            if not self._was_replaced(error):
                raise
            for sql in statements:
                self._control(sql)

    def _commit(self) -> None:
        if not self._levels:  # closed inside the body: nothing was kept
            raise ScopeClosed(type(self))
        try:
            if len(self._levels) > 1:
                self._control(f"RELEASE SAVEPOINT prefiq_{len(self._levels) - 1}")
            else:
                self._control("COMMIT")
        except Disconnected as error:
            is_unknown = len(self._levels) == 1 and not self._read_only
            self._rollback()
            if is_unknown:
                raise CommitUnknown(self._database) from error
            raise
        except BaseException:
            self._rollback()
            raise
        level = self._leave()
        if self._levels:
            self._levels[-1].after.extend(level.after)
            self._levels[-1].undo.extend(level.undo)
            return
        self._call(level.after)

    def _call(self, callbacks: Sequence[Callable[[], None]]) -> None:
        """Call what waited for the end, in the scope that it was given in, also where another one is the current now."""
        if not callbacks or _CURRENT.get() is self._scope:
            call_all(callbacks)
            return
        with standing_in(self._scope):
            call_all(callbacks)

    def _rollback(self) -> None:
        if not self._levels:
            return
        depth = len(self._levels) - 1
        session = self._held
        try:
            if not self._lost and session is not None and session.in_transaction:
                if depth:
                    session.control(f"ROLLBACK TO SAVEPOINT prefiq_{depth}")
                    session.control(f"RELEASE SAVEPOINT prefiq_{depth}")
                else:
                    session.control("ROLLBACK")
        except self._driver_error:
            # What caused the rollback says more; a connection in an unknown state is not used again.
            self._abandon(session)
        except BaseException:
            self._abandon(session)
            raise
        finally:
            if session is None or session.dead:
                self._lose()
            level = self._leave()
            if not self._lost:
                self._failure, self._session = None, session
            elif not self._levels:
                self._lost, self._failure = False, None
                self._forget_connection()
            self._call(level.undo[::-1])

    def _leave(self) -> Level:
        level = self._levels.pop()
        self._read_only = self._levels[-1].read_only if self._levels else self._frozen
        return level

    def _control(self, sql: str) -> None:
        session = self._session
        if session is None or session.dead:
            session = self._open()  # or the transaction has failed, which is said there
        try:
            if self._watch is None:
                session.control(sql)
            else:
                self._watch.control(session.control, sql, self._database)
        except self._driver_error as error:
            raise self._explained(error) from error
