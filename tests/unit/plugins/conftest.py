"""Packages that exist for one test: a directory on the import path with a module and its metadata."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest


class Install(Protocol):
    def __call__(
        self,
        name: str,
        code: str = ...,
        *,
        version: str = ...,
        requires: tuple[str, ...] = ...,
        apps: dict[str, str] | None = ...,
        folder: str = ...,
    ) -> Path: ...


PROVIDER = """
from prefiq.plugins import ProviderBase

class Provider(ProviderBase):
    pass
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on disk of installed packages goes with the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes an installed package ``acme_<name>`` that offers the app ``<name>``."""
    before = set(sys.modules)

    def make(
        name: str,
        code: str = PROVIDER,
        *,
        version: str = "1.0",
        requires: tuple[str, ...] = (),
        apps: dict[str, str] | None = None,
        folder: str = "site",
    ) -> Path:
        site = tmp_path / folder
        site.mkdir(exist_ok=True)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        (site / f"acme_{name}.py").write_text(textwrap.dedent(code))
        info = site / f"acme_{name}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: {version}\n{needs}"
        )
        offered = {name: f"acme_{name}:Provider"} if apps is None else apps
        lines = "".join(f"{app} = {reference}\n" for app, reference in offered.items())
        (info / "entry_points.txt").write_text(f"[prefiq.apps]\n{lines}")
        return site

    yield make
    for module in set(sys.modules) - before:
        if module.startswith("acme_"):
            del sys.modules[module]
