"""Tests that run whole in the bridge, fixtures included, where their parameter ``place`` says ``…-async``.

They are plain functions, the same as in sync mode; one event loop serves all of a process.  ``tests/conftest.py``
takes the hooks from here.
"""

from __future__ import annotations

import asyncio

import pytest
from _pytest.runner import runtestprotocol

from prefiq.bridge import call

__all__ = ["pytest_runtest_protocol", "pytest_sessionfinish"]

_runner: list[asyncio.Runner] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run the item's setup, call and teardown in the bridge."""
    place = getattr(item, "callspec", None) and item.callspec.params.get("place")
    if not (isinstance(place, str) and place.endswith("-async")):
        return None
    if not _runner:
        _runner.append(asyncio.Runner())
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    _runner[0].run(call(runtestprotocol, item, nextitem=nextitem))
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish() -> None:
    """End the loop."""
    while _runner:
        _runner.pop().close()
