"""``AsyncExecutor``: the executor of async mode, which serves one task at a time and says so.

A scope has one connection for each database.  Two tasks that share the scope (``asyncio.gather`` is quickly
written) would send their statements into each other's answers and each other's transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import sqlalchemy as sa

from prefiq.sql.connection_manager import ConnectionManager
from prefiq.sql.errors import ScopeInUse
from prefiq.sql.executor import Executor, Parameters, Statement

__all__ = ["AsyncExecutor", "executor_class"]

P = ParamSpec("P")
T = TypeVar("T")

_END: Any = object()


def _alone(
    method: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[AsyncExecutor, P], T]:
    """The same method, for one task at a time; while a transaction is open, for the task that began it."""

    @wraps(method)
    def alone(self: AsyncExecutor, *args: P.args, **kwargs: P.kwargs) -> T:
        user, me = self._user, _task()
        if user is not None and user is not me:
            raise ScopeInUse(self._database)
        self._user = me
        try:
            return method(self, *args, **kwargs)
        finally:
            if not self._levels:
                self._user = None

    return cast("Callable[Concatenate[AsyncExecutor, P], T]", alone)


class AsyncExecutor(Executor):
    """Runs statements for one scope through the bridge; see ``Executor``.

    Raises:
        prefiq.sql.errors.ScopeInUse: Another task uses the scope now.
    """

    _user: object = None
    """Whose statement runs, or whose transaction is open."""

    fetch = _alone(Executor.fetch)
    write = _alone(Executor.write)
    write_many = _alone(Executor.write_many)
    _start = _alone(Executor._start)
    _begin = _alone(Executor._begin)
    _commit = _alone(Executor._commit)
    _rollback = _alone(Executor._rollback)

    @_alone
    def _next(self, batches: Iterator[Any]) -> Any:
        return next(batches, _END)

    def stream(
        self, statement: Statement, params: Parameters = None, batch: int = 1000
    ) -> Iterator[Sequence[sa.Row[Any]]]:
        """See ``Executor``."""
        batches: Any = super().stream(statement, params, batch)
        try:
            while (rows := self._next(batches)) is not _END:
                yield rows
        finally:
            batches.close()

    def close(self) -> None:
        """See ``Executor``; a connection that another task is at work on is thrown away."""
        if self._user is not None and self._user is not _task() and self._held is not None:
            self._abandon(self._held)
        self._user = None
        super().close()


def _task() -> object:
    """The present task; None where no loop runs."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def executor_class(connections: ConnectionManager, database: str = "default") -> type[Executor]:
    """The executor that serves a database, by its mode."""
    return AsyncExecutor if database in connections.asynchronous else Executor
