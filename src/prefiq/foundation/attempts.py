"""The outermost use case is run again when that may well help: after a deadlock, for example.

The one who began the transaction holds the whole of it: permissions, hooks and events are run again with it,
and entities are first what they were when they were given.  ``tx()`` alone repeats nothing, for it does not
hold its body.
"""

from __future__ import annotations

import functools
import inspect
import logging
import random
import time
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from prefiq import bridge
from prefiq.contracts import ConcurrencyError, Scope
from prefiq.errors import PrefiqError
from prefiq.foundation.mapper import copied
from prefiq.lowcode import ModelSpec
from prefiq.sql.errors import DatabaseError, TransactionFailed, TransactionLost

__all__ = ["given_back", "repeatable"]

F = TypeVar("F", bound=Callable[..., Any])

MOST_TRIES = 5
PATIENCE = 5.0
"""Seconds after which no further try begins: who waited so long for a lock has waited enough."""
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.25
"""Seconds; a pause is a random part of the bound, which doubles from try to try: two that met part again."""

logger = logging.getLogger(__name__)


def repeatable(method: F) -> F:
    """Make a service's method one transaction; the outermost one is run again when that may well help.

    That is so after errors of the database that are ``retryable``: a deadlock, a serialization failure, a
    connection that was lost before the commit.  A commit of unknown outcome is never repeated.

    It is so, too, where somebody else changed a row between its being read and written in here: the next try
    reads what they wrote.  Who gave an entity, or said which version is meant, wants to be told instead.

    Args:
        method: Of a ``Services``.
    """
    says_version = "version" in inspect.signature(method).parameters

    @functools.wraps(method)
    def run(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        transactions = self.context.transactions
        if transactions.in_transaction:
            with transactions.tx():
                return method(self, *args, **kwargs)
        give_back = given_back(self.spec, args)
        began, number = time.monotonic(), 1
        while True:
            committed: list[bool] = []
            try:
                with transactions.tx():
                    # The first one to be called: what others raise then is no reason to do it all once more.
                    transactions.after_commit(functools.partial(committed.append, True))
                    return method(self, *args, **kwargs)
            except (DatabaseError, ConcurrencyError) as error:
                read_before = [give.id for give in give_back]
                if says_version and kwargs.get("version") is not None:
                    read_before.append(args[0])
                pause = None
                if not committed and may_help(error, self.spec, read_before):
                    pause = pause_after(number, began, self.context.scope)
                name = f"{self.spec.qualified}.{method.__name__}"
                if pause is None:
                    if number > 1:
                        logger.warning("%s given up after %d tries: %s", name, number, type(error).__name__)
                    raise
                number += 1
                logger.info("%s is run again after %s: try %d", name, type(error).__name__, number)
            for give in give_back:
                give()
            bridge.pause(pause)

    return cast("F", run)


def may_help(error: PrefiqError, spec: ModelSpec, read_before: Container[UUID]) -> bool:
    """Whether another try may well have another end.

    Args:
        error: What ended this one.
        spec: The model.
        read_before: Ids of its rows that were read before the use case began: they will not be newer.
    """
    reason: BaseException | None = error
    while isinstance(reason, TransactionFailed | TransactionLost) and reason.__cause__ is not None:
        reason = reason.__cause__  # a hook went on after what really happened
    if isinstance(reason, ConcurrencyError):
        return reason.model != spec.qualified or reason.key not in read_before
    return getattr(reason, "retryable", False)


def pause_after(number: int, began: float, scope: Scope) -> float | None:
    """Seconds to wait before the next try, or None where there is to be none.

    Args:
        number: Of this one, 1 for the first.
        began: When the first one did, by ``time.monotonic``.
        scope: Whose deadline must not be passed.
    """
    if number >= MOST_TRIES:
        return None
    pause = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1)))  # noqa: S311
    if time.monotonic() - began + pause > PATIENCE:
        return None
    if scope.deadline is not None and (scope.deadline - datetime.now(UTC)).total_seconds() <= pause:
        return None
    return pause


def given_back(spec: ModelSpec, arguments: Iterable[object]) -> list[_Given]:
    """What makes the model's entities among these arguments again what they are now, as often as it is called.

    Args:
        spec: The model.
        arguments: Entities, sequences of them, and others.
    """
    found: list[_Given] = []
    for argument in arguments:
        if isinstance(argument, spec.cls):
            found.append(_Given(argument))
        elif isinstance(argument, Sequence):
            found.extend(_Given(entity) for entity in argument if isinstance(entity, spec.cls))
    return found


class _Values:
    """The values of an entity, child or extension; called, it puts them back.

    What was given need not be what was declared: it was not checked yet.
    """

    __slots__ = ("_containers", "_of", "_values")

    def __init__(self, of: Any) -> None:
        self._of = of
        self._values = msgspec.structs.astuple(of)
        self._containers = [
            (value, copied(value), [_Values(row) for row in value if isinstance(row, msgspec.Struct)])
            for value in self._values
            if type(value) is list or type(value) is dict
        ]

    def __call__(self) -> None:
        for name, value in zip(self._of.__struct_fields__, self._values, strict=True):
            setattr(self._of, name, value)
        for container, values, rows in self._containers:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(copied(values))
            for give_back in rows:
                give_back()


class _Given(_Values):
    """The values of an entity, and what it remembers."""

    __slots__ = ("_extensions", "_loaded", "_moves", "id")

    def __init__(self, of: Any) -> None:
        super().__init__(of)
        self.id: UUID = of.id
        self._loaded = getattr(of, "_loaded", None)
        self._moves = list(getattr(of, "_moves", None) or ())
        self._extensions = {cls: _Values(part) for cls, part in (getattr(of, "_ext", None) or {}).items()}

    def __call__(self) -> None:
        super().__call__()
        self._of._loaded = self._loaded
        self._of._moves = list(self._moves)
        held = getattr(self._of, "_ext", None) or {}
        for cls in [cls for cls in held if cls not in self._extensions]:
            del held[cls]
        for cls, give_back in self._extensions.items():
            held[cls] = give_back._of
            give_back()
