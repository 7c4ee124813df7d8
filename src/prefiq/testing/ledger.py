"""The leak guard: what a test left behind that the next one would find, named with the test.

Applications of the test kit are watched: their scopes, their forks, their connections, and changes that were
made natively to their providers; on the event loop also tasks and use cases that wait.  What is left is closed
or undone, so that one test's fault is not another's.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from prefiq.bridge import await_, in_bridge, suspended
from prefiq.contracts import Scope
from prefiq.contracts.scope import current_scope_or_none
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    import asyncio

    from prefiq.testing.watched import WatchedApplication

__all__ = ["LEDGER", "Leaked", "Ledger"]

MOST_REMEMBERED = 256
MOST_SECONDS = 5.0
"""How long a task that is left is waited for when it is cancelled."""


class Leaked(PrefiqError):
    """A test left something open or changed that a later test would find.

    Open scopes and forks with ``with``, or close them; override natively with ``with provider.override(…)``,
    or better fork: a fork leaves nothing to undo.  Await or cancel the tasks that you start.

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

    fix = 'open scopes and forks in "with", fork in place of native overrides, await or cancel tasks'


class Ledger:
    """What was opened and not closed yet, by the test that runs now or by a fixture that outlives it."""

    def __init__(self) -> None:
        self.applications: list[WatchedApplication] = []
        self.scopes: list[tuple[Scope, str]] = []
        self.lasting: weakref.WeakSet[WatchedApplication] = weakref.WeakSet()
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        """Those that outlive the test."""
        self._outlives = False
        self._before: dict[Any, Any] = {}
        self._lasting_scopes: list[Scope] = []
        self._lost: list[str] = []
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
            self._lasting_scopes[:] = [*(known for known in self._lasting_scopes if not known.closed), scope]
            return
        if len(self.scopes) >= MOST_REMEMBERED:
            self.scopes[:] = [known for known in self.scopes if not known[0].closed]
        self.scopes.append((scope, place))

    @contextmanager
    def outliving(self) -> Iterator[None]:
        """What is made in the block belongs to no single test."""
        before, self._outlives = self._outlives, True
        running = _tasks()
        try:
            yield
        finally:
            self._outlives = before
            self.tasks.update(_tasks() - running)
            self._current = current_scope_or_none()  # a wider fixture may have entered a scope for its tests

    def begin(self) -> None:
        """A test begins: remember what outlives it as it is."""
        self.applications.clear()
        self.scopes.clear()
        self._current = current_scope_or_none()
        self.tasks.update(_tasks())
        self._lost.clear()
        self._before = {
            provider: provider.instance
            for app in self.lasting
            for provider in app.container.supply.singletons()
            if provider.built
        }

    def end(self) -> list[str]:
        """A test has ended: what it left, which is closed or undone now."""
        left = [
            *self._running_tasks(),
            *self._open_scopes(),
            *self._connections(),
            *self._open_applications(),
            *self._altered(),
            *self._changed(),
        ]
        self.begin()
        return left

    def _running_tasks(self) -> Iterator[str]:
        if not in_bridge():
            return
        import asyncio

        await_(asyncio.sleep(0))  # what was cancelled, or has nothing more to do, ends
        left = _tasks() - set(self.tasks)
        for task in left:
            yield f"a task that still runs, {_told(task)}"
            task.cancel()
        if left:
            await_(asyncio.wait(left, timeout=MOST_SECONDS))
        if all(task.done() for task in self.tasks):  # those of a fixture may well wait
            for place in suspended():
                yield f"a use case that waits for ever ({place})"

    def closing(self, app: WatchedApplication) -> None:
        """An application closes: its connections that are still in use are nobody's afterwards."""
        held = (*(scope for scope, _ in self.scopes), *self._lasting_scopes)
        if app.container.parent is None and all(scope.closed for scope in held):
            self._lost += [
                f"{count} connections of the database {name} in use"
                for name, count in app.connections_in_use().items()
            ]

    def _connections(self) -> Iterator[str]:
        for app in (*self.lasting, *self.applications):
            self.closing(app)
        yield from self._lost

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


def _tasks() -> set[asyncio.Task[Any]]:
    """The tasks of the loop that runs here, without the one that asks."""
    if not in_bridge():
        return set()
    import asyncio

    return asyncio.all_tasks() - {asyncio.current_task()}


def _told(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    frame = getattr(coroutine, "cr_frame", None)
    place = f" ({frame.f_code.co_filename}:{frame.f_lineno})" if frame is not None else ""
    return f"{getattr(coroutine, '__qualname__', task.get_name())}{place}"


LEDGER = Ledger()
"""Of this process; each worker of pytest-xdist has its own."""
