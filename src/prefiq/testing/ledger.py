"""The leak guard: what a test left behind that the next one would find, named with the test.

Applications of the test kit are watched: their scopes, their forks, and changes that were made natively to
their providers.  What is left is closed or undone, so that one test's fault is not another's.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from prefiq.contracts import Scope
from prefiq.contracts.scope import current_scope_or_none
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.testing.watched import WatchedApplication

__all__ = ["LEDGER", "Leaked", "Ledger"]

MOST_REMEMBERED = 256


class Leaked(PrefiqError):
    """A test left something open or changed that a later test would find.

    Open scopes and forks with ``with``, or close them; override natively with ``with provider.override(…)``,
    or better fork: a fork leaves nothing to undo.

    Args:
        test: The test's name.
        left: What it left, a clause for each.
    """

    code: ClassVar[str] = "PFQ840"

    def __init__(self, test: str, left: tuple[str, ...]) -> None:
        self.test = test
        self.left = left

    @property
    def what(self) -> str:  # type: ignore[override]
        """Everything that was left."""
        return f"{self.test} left behind: " + "; ".join(self.left)

    fix = 'open scopes and forks in "with", and fork in place of native overrides'


class Ledger:
    """What was opened and not closed yet, by the test that runs now or by a fixture that outlives it."""

    def __init__(self) -> None:
        self.applications: list[WatchedApplication] = []
        self.scopes: list[tuple[Scope, str]] = []
        self.lasting: weakref.WeakSet[WatchedApplication] = weakref.WeakSet()
        self._outlives = False
        self._before: dict[Any, Any] = {}
        self._current: Scope | None = None

    def add(self, app: WatchedApplication) -> None:
        """Remember an application or fork."""
        if self._outlives:
            self.lasting.add(app)
        else:
            self.applications.append(app)

    def opened(self, scope: Scope, place: str) -> None:
        """Remember a scope."""
        if self._outlives:
            return
        if len(self.scopes) >= MOST_REMEMBERED:
            self.scopes[:] = [known for known in self.scopes if not known[0].closed]
        self.scopes.append((scope, place))

    @contextmanager
    def outliving(self) -> Iterator[None]:
        """What is made in the block belongs to no single test."""
        before, self._outlives = self._outlives, True
        try:
            yield
        finally:
            self._outlives = before
            self._current = current_scope_or_none()  # a wider fixture may have entered a scope for its tests

    def begin(self) -> None:
        """A test begins: remember what outlives it as it is."""
        self.applications.clear()
        self.scopes.clear()
        self._current = current_scope_or_none()
        self._before = {
            provider: provider.instance
            for app in self.lasting
            for provider in app.container.supply.singletons()
            if provider.built
        }

    def end(self) -> list[str]:
        """A test has ended: what it left, which is closed or undone now."""
        left = [*self._open_scopes(), *self._open_applications(), *self._altered(), *self._changed()]
        self.begin()
        return left

    def _open_scopes(self) -> Iterator[str]:
        for scope, place in self.scopes:
            if not scope.closed:
                yield f"an open scope, {scope!r}, opened at {place}"
                scope.close()
        current = current_scope_or_none()
        if current is not None and current is not self._current:
            yield f"the current scope, {current!r}"
            current.close()

    def _open_applications(self) -> Iterator[str]:
        for app in reversed(self.applications):
            opened = [resource.node.name for resource in app.container.opened]
            if opened:
                kind = "a fork" if app.container.parent is not None else "an application"
                yield f"{kind} made at {app.made_at} with open resources ({', '.join(opened)})"
                app.close()

    def _altered(self) -> Iterator[str]:
        told: set[str] = set()
        for app in (*self.lasting, *self.applications):
            for name, how in app.container.supply.restore():
                if name not in told:
                    told.add(name)
                    yield f"the native provider of {name}, which {how}"

    def _changed(self) -> Iterator[str]:
        for app in self.lasting:
            for provider in app.container.supply.singletons():
                before = self._before.get(provider, provider.instance)
                if before is not provider.instance:
                    yield f"another object of the application for {provider.node.name}"
                    provider.put(before)


LEDGER = Ledger()
"""Of this process; each worker of pytest-xdist has its own."""
