"""Scopes for containers: a tenant's, opened on whatever container a test composed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prefiq.container import Container
from prefiq.contracts import Bound, Scope


@pytest.fixture
def open_scope() -> Callable[[Container], Scope]:
    """Makes a scope of tenant ``acme`` on a container; it is not the current one until entered."""

    def make(container: Container) -> Scope:
        return Scope(Bound("acme"), resolve=container.resolve)

    return make
