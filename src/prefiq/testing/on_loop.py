"""Tests on an event loop: which they are, and how pytest runs them there.

The whole of such a test, its fixtures included, runs as one plain function in the bridge, in one task of the
session's loop.  So a coroutine is awaited wherever pytest calls for it, and plain fixtures wait as well.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import pytest

from prefiq.bridge import await_, call, in_bridge

__all__ = ["SessionLoop", "await_test", "awaiting", "options_of", "runs_on_loop"]


class SessionLoop:
    """The event loop of one test session; made when a test first needs it."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        # One for all tests, so that what a fixture of wider scope sets is seen by all that use it.
        self._context = contextvars.copy_context()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop, once there is one."""
        return None if self._runner is None else self._runner.get_loop()

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a plain function in the bridge, on the loop."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        loop = self._runner.get_loop()
        task = loop.create_task(call(function, *args, **kwargs), context=self._context)
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:  # while the loop waited: the test does not know yet
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    loop.run_until_complete(task)
            raise

    def wait(self, awaitable: Any) -> Any:
        """Await, from a test on the loop or from one that is none."""
        return await_(awaitable) if in_bridge() else self.run(await_, awaitable)

    def close(self) -> None:
        """End what still runs on the loop, and the loop."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()


def runs_on_loop(item: pytest.Item) -> bool:
    """Whether a test runs on the session's loop.

    It does where it is ``async def``, uses a fixture that is, or has an application with ``DB_MODE=async``,
    and no other plugin (pytest-asyncio, anyio) takes it.
    """
    if not isinstance(item, pytest.Function) or _is_anothers(item):
        return False
    if _is_async(item.obj):
        return True
    has_application = "app" in item.fixturenames or item.get_closest_marker("prefiq") is not None
    if has_application and str(options_of(item).get("DB_MODE", "")).lower() == "async":
        return True
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return any(_is_ours(found[-1].func, item.config) for found in definitions)


def options_of(item: pytest.Item) -> dict[str, Any]:
    """What the ini options and the markers say of the test's application; variables in capitals."""
    options: dict[str, Any] = {"apps": item.config.getini("prefiq_apps"), "bind": {}}
    for line in item.config.getini("prefiq_settings"):
        name, _, value = line.partition("=")
        options[name.strip().upper()] = value.strip()
    for marker in reversed(list(item.iter_markers("prefiq"))):  # the nearest one last, to win
        bind = {**options["bind"], **marker.kwargs.get("bind", {})}
        given = {name if name in _OWN else name.upper(): value for name, value in marker.kwargs.items()}
        options |= {**given, "bind": bind}
    return options


_OWN = frozenset({"apps", "bind", "modules", "tenants"})


def await_test(item: pytest.Function) -> bool:
    """Run an ``async def`` test that is on the loop; whether it was one."""
    given = getattr(item.obj, "hypothesis", None)
    if given is not None:
        if inspect.iscoroutinefunction(given.inner_test):
            given.inner_test = _plain(given.inner_test)
        return False  # hypothesis calls it
    if not _is_async(item.obj):
        return False
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    await_(item.obj(**arguments))
    return True


@contextmanager
def awaiting(
    fixture: pytest.FixtureDef[Any], request: pytest.FixtureRequest, loop: SessionLoop
) -> Iterator[None]:
    """Let a fixture that is ``async def`` be a plain one in the block, in which pytest sets it up."""
    function: Any = fixture.func
    if not _is_ours(function, request.config) or _is_anothers(request.node):
        yield
        return
    held: Any = fixture  # the attribute is final for type checkers only
    bound = function
    instance = request.instance
    if instance is not None and inspect.ismethod(function) and isinstance(instance, type(function.__self__)):
        bound = function.__func__.__get__(instance)  # as pytest itself binds it
    held.func = _plain_fixture(bound, loop)
    try:
        yield
    finally:
        held.func = function


def _plain_fixture(function: Any, loop: SessionLoop) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):
        return lambda *args, **kwargs: loop.wait(function(*args, **kwargs))

    def generator(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        values = function(*args, **kwargs)
        yield loop.wait(anext(values))
        try:
            loop.wait(anext(values))
        except StopAsyncIteration:
            return
        yield None  # twice: pytest says what is wrong with that

    return generator


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return await_(function(*args, **kwargs))

    return plain


def _is_async(function: Any) -> bool:
    given = getattr(function, "hypothesis", None)
    if given is not None:
        return inspect.iscoroutinefunction(given.inner_test)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _is_anothers(item: Any) -> bool:
    """Whether pytest-asyncio or anyio runs the test."""
    if type(item).__module__.partition(".")[0] == "pytest_asyncio":
        return True
    if "anyio_backend" in getattr(item, "fixturenames", ()):
        return True
    return any(item.get_closest_marker(name) is not None for name in ("asyncio", "anyio", "trio"))


def _is_ours(function: Any, config: pytest.Config) -> bool:
    """Whether a fixture is async, and not one that pytest-asyncio runs."""
    if not _is_async(function) or getattr(function, "_force_asyncio_fixture", False):
        return False
    if not config.pluginmanager.hasplugin("asyncio"):
        return True
    mode = config.getoption("asyncio_mode", None) or config.getini("asyncio_mode")
    return str(getattr(mode, "value", mode)) != "auto"
