"""``TenancyContract``: the attacks of ``prefiq doctor tenancy`` as a test that a module's author inherits.

A module's author writes::

    class TestTenancy(TenancyContract):
        apps = ("projects",)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from prefiq.bridge import in_bridge, run
from prefiq.plugins import ProviderBase
from prefiq.settings import Settings
from prefiq.testing.attacks import Outcome, attack_settings

__all__ = ["TenancyContract"]

T = TypeVar("T")


class TenancyContract:
    """Derive from it, and say which modules are attacked.

    Attributes:
        apps: As in ``APPS``.
        modules: Providers beside the listed ones.
        modes: Ways of keeping tenants apart.
        left_out: Qualified names of models whose rows cannot be made up from their declaration.
    """

    apps: ClassVar[Sequence[str]] = ()
    modules: ClassVar[Sequence[type[ProviderBase]]] = ()
    modes: ClassVar[Sequence[str]] = ("row",)
    left_out: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture
    def tenancy_settings(self, tmp_path: Path) -> Settings:
        """Settings of the application that is attacked; on a server a database is made for it."""
        return Settings.for_test(tmp_path, APPS=list(self.apps))

    @pytest.fixture
    def attacked(self, tenancy_settings: Settings) -> Outcome:
        """What came of the attacks."""
        return _in_mode(
            tenancy_settings, lambda: attack_settings(tenancy_settings, self.modes, modules=self.modules)
        )

    def test_no_attack_on_the_isolation_of_tenants_gets_through(self, attacked: Outcome) -> None:
        """By service, statement and HTTP, on every model; and none is left out unnoticed."""
        assert attacked.attacks != []
        assert attacked.leaks == []
        assert {skipped.what for skipped in attacked.skipped} == self.left_out


def _in_mode(settings: Settings, work: Callable[[], T]) -> T:
    """Where the drivers of ``DB_MODE`` work."""
    return run(work) if settings.database.mode == "async" and not in_bridge() else work()
