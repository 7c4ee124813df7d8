"""What the tests of settings share: loading from texts, and the faults that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from prefiq.errors import Faults
from prefiq.settings import SettingError, Settings, load

KEY = "q7Zt0cM4vLx9RfB2nKwYh6sEjUaPd3Gi"
Load = Callable[..., Settings]
Wrong = Callable[..., list[SettingError]]


@pytest.fixture
def load_from(tmp_path: Path) -> Load:
    """Settings from the texts of the environment, ``.env`` and ``prefiq.toml``; production, as when unset."""

    def load_settings(environ: Mapping[str, str] | None = None, dotenv: str = "", toml: str = "") -> Settings:
        (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
        (tmp_path / "prefiq.toml").write_text(toml, encoding="utf-8")
        return load(tmp_path, environ or {})

    return load_settings


@pytest.fixture
def wrong(load_from: Load) -> Wrong:
    """The faults of settings that cannot be loaded."""

    def faults(
        environ: Mapping[str, str] | None = None, dotenv: str = "", toml: str = ""
    ) -> list[SettingError]:
        with pytest.raises(Faults) as caught:
            load_from(environ, dotenv, toml)
        assert caught.value.worst_exit_code == 3
        return list(caught.value.exceptions)

    return faults
