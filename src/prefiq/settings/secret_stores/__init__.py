"""Secrets that another program keeps: ``vault:secret/prefiq#jwt``, ``ssm:/prefiq/jwt``.

A scheme is an entry point of the group ``prefiq.secrets``: a callable that takes ``Ask`` and the seconds that
one answer may take, and returns a ``SecretStore``.  It is looked up only when a value begins with its name.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "Ask", "Reference", "SecretNotRead", "SecretStore", "SecretStores", "StoreDown"]

GROUP = "prefiq.secrets"
T = TypeVar("T")

Ask: TypeAlias = Callable[[str], str | None]
"""What a variable says, ``VAULT_ADDR``: by value, by file or as a credential; None where it is not given."""

_REFERENCE = re.compile(r"([a-z][a-z0-9]{1,30}):(\S.*)", re.DOTALL)


class SecretNotRead(Exception):
    """A store does not give a secret; it becomes a fault of the settings.

    Args:
        problem: What is wrong, without a subject and without anything that the store or its caller said:
            ``"there is no such secret"``.
        fix: What to do, where that is known.
    """

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class StoreDown(SecretNotRead):
    """No secret of the store can be read; it is not asked for others."""


class SecretStore(Protocol):
    """A store of one scheme."""

    def read(self, name: str) -> str:
        """The secret.

        Args:
            name: What stands behind the scheme.

        Raises:
            SecretNotRead: There is none for this caller.
        """
        ...

    def close(self) -> None:
        """Let connections go."""
        ...


Reference: TypeAlias = tuple[str, str]
"""Scheme and name."""


class SecretStores:
    """The stores that one loading of the settings asks; each secret once, and each store that fails once.

    Args:
        ask: Reads the variables that stores are set up with.
        timeout: Seconds that one answer may take.
    """

    def __init__(self, ask: Ask, timeout: float) -> None:
        self._ask = ask
        self.timeout = timeout
        self._schemes: dict[str, EntryPoint] | None = None
        self._stores: dict[str, SecretStore] = {}
        self._down: dict[str, StoreDown] = {}
        self._answers: dict[Reference, str | SecretNotRead] = {}

    def reference(self, text: str) -> Reference | None:
        """What a value refers to; None for a value that stands for itself."""
        match = _REFERENCE.fullmatch(text.strip())
        if match is None:
            return None
        if self._schemes is None:
            from importlib.metadata import entry_points  # slow to load, and most values are no references

            self._schemes = {point.name: point for point in entry_points(group=GROUP)}
        return (match[1], match[2]) if match[1] in self._schemes else None

    def read(self, reference: Reference) -> str:
        """The secret.

        Raises:
            SecretNotRead: It cannot be had.
        """
        if reference not in self._answers:
            self._answers[reference] = self._asked(*reference)
        answer = self._answers[reference]
        if isinstance(answer, SecretNotRead):
            raise answer
        return answer

    def close(self) -> None:
        """Let connections go."""
        stores, self._stores = self._stores, {}
        for store in stores.values():
            store.close()

    def _asked(self, scheme: str, name: str) -> str | SecretNotRead:
        if scheme in self._down:
            return self._down[scheme]
        try:
            # A limit of its own around the store's: one that trickles keeps every promise but this one.
            return _within(2 * self.timeout, lambda: self._store(scheme).read(name))
        except StoreDown as down:
            self._down[scheme] = down
            return down
        except SecretNotRead as problem:
            return problem
        except Exception as error:  # noqa: BLE001  its text may hold what was asked, or the answer
            return SecretNotRead(f"the store failed ({type(error).__name__})")

    def _store(self, scheme: str) -> SecretStore:
        if scheme not in self._stores:
            assert self._schemes is not None
            opened: SecretStore = self._schemes[scheme].load()(self._ask, self.timeout)
            self._stores[scheme] = opened
        return self._stores[scheme]


def _within(seconds: float, work: Callable[[], T]) -> T:
    answers: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            answers.put(error)

    threading.Thread(target=run, name="prefiq-secret", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise StoreDown(f"the store has not answered after {seconds:g} s") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer
