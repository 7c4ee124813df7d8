"""Running the command line: in this process, and as a process of its own."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click.testing
import pytest

from prefiq.cli.program import program

Run = Callable[..., click.testing.Result]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine reaches an application."""
    for name in list(os.environ):
        if name in {"ENV", "APPS", "TENANCY", "TENANT"} or name.startswith(("DB_", "JWT_", "LOG_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands configure logging for their process; the next test starts as this one did."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a temporary folder, in this process."""
    monkeypatch.chdir(tmp_path)
    return lambda *args, **kwargs: click.testing.CliRunner().invoke(program, args, **kwargs)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new application with both modules, migrated, with the tenant acme; to be copied, since it is slow to make."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENV", "APPS", "TENANCY", "DB_NAME", "LOG_LEVEL"):
            patch.delenv(name, raising=False)
        for command in (
            ("-C", str(folder), "new", "demo", "--apps", "projects,masters"),
            ("-C", str(folder / "demo"), "run", "migrate"),
            ("-C", str(folder / "demo"), "tenants", "create", "acme", "--name", "Acme Builders"),
        ):
            result = click.testing.CliRunner().invoke(program, command)
            assert result.exit_code == 0, result.output
    return folder / "demo"


@pytest.fixture
def application(template: Path, tmp_path: Path) -> Path:
    """The folder of an application of its own: projects, masters and the tenant acme."""
    return Path(shutil.copytree(template, tmp_path / "demo"))


@pytest.fixture
def within(run: Run, application: Path) -> Run:
    """Run a command on that application."""
    return lambda *args, **kwargs: run("-C", str(application), *args, **kwargs)


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command as a process of its own, in a temporary folder."""

    def run_process(*args: str, cwd: Path = tmp_path, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "prefiq.cli", *args],
            cwd=cwd,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run_process


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module in a checkout of its own, ``shop``, importable in this process and in others."""
    folder = tmp_path / "checkout" / "shop"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""A shop."""\n')
    (folder / "models.py").write_text(
        "from prefiq import Entity, field\n\n\n"
        'class Item(Entity):\n    """Something to sell."""\n\n    name: str = field(max_length=40)\n'
    )
    (folder / "provider.py").write_text(
        "from prefiq import ProviderBase\n\nfrom shop.models import Item\n\n\n"
        'class ShopProvider(ProviderBase):\n    """The shop."""\n\n    name = "shop"\n    models = (Item,)\n'
    )
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    home = tmp_path / "store"
    home.mkdir()
    (home / "prefiq.toml").write_text('apps = ["shop.provider:ShopProvider"]\n')
    (home / ".env").write_text("ENV=development\nJWT_SECRET_KEY=0123456789abcdefghijklmnopqrstuvwxyzABCD\n")
    (home / ".env").chmod(0o600)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder with what it says, but for SQLite's own log."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.endswith(("-wal", "-shm"))
        }

    return read
