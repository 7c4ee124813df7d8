"""Running the command line: in this process, and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
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


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a temporary folder; the logging of the process is left as it was."""
    monkeypatch.chdir(tmp_path)
    return lambda *args, **kwargs: click.testing.CliRunner().invoke(program, args, **kwargs)


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
