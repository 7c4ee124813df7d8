"""How resources are opened and closed: by a generator that yields once, or by a context manager; both also async.

What is async is awaited through the bridge, so in async mode all kinds mix in one order.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Literal

from prefiq.bridge import await_, in_bridge
from prefiq.container.generics import origin
from prefiq.container.satisfies import made_by

__all__ = ["Opening", "OtherLoop", "called", "finish", "opened", "opening_of"]

Opening = Literal["", "plain", "async"]


class OtherLoop(RuntimeError):
    """A resource is closed on another event loop than that on which it was opened.  Never leaves the room."""


def called(provides: Any) -> Any:
    """The function that is run when what is bound is called; a class stands for itself."""
    if isinstance(origin(provides), type) or not callable(provides):
        return provides
    function = provides
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function):
        function = getattr(type(function), "__call__", function)  # noqa: B004  what would run, not whether
    return inspect.unwrap(function)


def opening_of(provides: Any) -> Opening:
    """How what a resource is bound to opens it; empty where it does not.

    Args:
        provides: A generator function, a function marked as a context manager, a class of context managers, or
            a function whose annotation says that it returns one; each also async.
    """
    function = called(provides)
    if not isinstance(function, type):
        if inspect.isgeneratorfunction(function):
            return "plain"
        if inspect.isasyncgenfunction(function):
            return "async"
        if inspect.iscoroutinefunction(function):
            return ""
    made = made_by(provides)
    if hasattr(made, "__enter__"):  # one that is both opens as the mode wants
        return "plain"
    return "async" if hasattr(made, "__aenter__") else ""


def opened(made: Any) -> tuple[Any, Callable[[], Any]]:
    """The object of a resource, and what closes it.

    Args:
        made: What the resource's function or class gave.

    Raises:
        StopIteration: It yields nothing.
        StopAsyncIteration: It yields nothing.
        prefiq.bridge.NoBridge: It is async, and nothing here can wait for it.
    """
    kind = type(made)
    if hasattr(kind, "__next__"):
        return next(made), partial(finish, made)
    if hasattr(kind, "__anext__"):
        return await_(anext(made)), _here(partial(_finish, made))
    if hasattr(kind, "__aenter__") and (in_bridge() or not hasattr(kind, "__enter__")):
        entered = await_(made.__aenter__())
        return entered, _here(lambda: await_(made.__aexit__(None, None, None)))
    return made.__enter__(), partial(made.__exit__, None, None, None)


def finish(rest: Iterator[Any]) -> None:
    """Run a generator to its end.

    Raises:
        RuntimeError: It yields a second time.
    """
    for _ in rest:
        raise RuntimeError("a resource must yield exactly once")


def _here(close: Callable[[], Any]) -> Callable[[], Any]:
    """The same where the loop is still the one that runs now: on another it might wait for ever."""
    import asyncio

    loop = asyncio.get_running_loop()

    def same_loop() -> Any:
        if in_bridge() and asyncio.get_running_loop() is not loop:
            raise OtherLoop
        return close()

    return same_loop


def _finish(rest: AsyncIterator[Any]) -> None:
    try:
        await_(anext(rest))
    except StopAsyncIteration:
        return
    close = getattr(rest, "aclose", None)
    if close is not None:
        await_(close())
    raise RuntimeError("a resource must yield exactly once")
