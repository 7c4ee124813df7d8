"""``prefiq try``: the whole story, and that it notices when something differs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from prefiq.cli import installed
from prefiq.cli.trial.client import Client
from prefiq.cli.trial.story import Differs, Story

pytestmark = pytest.mark.slow


def test_check_tells_every_step(process, tmp_path: Path) -> None:
    """All steps hold on the modules of this repository, within twenty seconds, and nothing is left behind.

    Another application's settings in the environment change nothing.
    """
    started = time.monotonic()
    foreign = {"ENV": "production", "DB_ENGINE": "oracle", "APPS": "nonsense", "JWT_SECRET_KEY": "x"}
    result = process("try", "--check", TMPDIR=str(tmp_path), **foreign)
    assert time.monotonic() - started < 20
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAILED")] == []
    assert len([line for line in lines if line.startswith("ok  ")]) == 32
    assert lines[-1].startswith("32 steps as expected, 0 not")
    assert list(tmp_path.iterdir()) == []


def test_step_that_differs_is_told_and_the_story_goes_on() -> None:
    """An answer that is not the expected one, or none at all, fails its step and no other."""

    class Broken(Story):
        def health(self) -> None:
            """It is as it should be."""

        def me(self) -> None:
            """Somebody else answers."""
            raise Differs("tenant: expected 'acme', got 'globex'")

        def openapi(self) -> None:
            """Nobody answers."""
            raise ConnectionRefusedError("refused")

        def no_token(self) -> None:
            """The answer has another shape."""
            {}["tenant"]

        def forged(self) -> None:
            """It is well again."""

    nobody = Client("127.0.0.1", 9)
    told = list(Broken(nobody, nobody, nobody, nobody, modules=frozenset(), demo=0).run())
    assert [(step.name, step.differs) for step in told] == [
        ("It is as it should be", ""),
        ("Somebody else answers", "tenant: expected 'acme', got 'globex'"),
        ("Nobody answers", "ConnectionRefusedError: refused"),
        ("The answer has another shape", "KeyError: 'tenant'"),
        ("It is well again", ""),
    ]


def test_check_fails_when_a_step_differs(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that breaks its promise ends the command with 5, and the step says how."""
    from prefiq_projects.service import ProjectService

    monkeypatch.setattr(ProjectService, "delete", lambda self, key, /, **_: None)
    result = run("try", "--check")
    assert result.exit_code == 5, result.output
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    assert "FAILED  Delete: 204, then 404" in failed
    assert "expected 404, got 200" in result.stdout


def test_nothing_to_try(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a module that it knows, the command says which to install."""
    monkeypatch.setattr(installed, "installed_modules", dict)
    result = run("try", "--check")
    assert result.exit_code == 1
    assert "pip install prefiq-projects prefiq-masters" in result.stderr


def test_one_module_is_enough(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With masters alone the story is shorter and holds."""
    monkeypatch.setattr(installed, "installed_modules", lambda: {"masters": ""})
    result = run("try", "--check", "--json")
    assert result.exit_code == 0, result.output
    steps = [step["step"] for step in json.loads(result.stdout)["steps"]]
    assert "Countries of ISO 3166, for both tenants" in steps
    assert not any("project" in step for step in steps)


def test_serves_until_interrupted_and_cleans_up(tmp_path: Path) -> None:
    """Without --check it serves, prints what to open, and deletes the application when it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "prefiq.cli", "try", "--port", "0", "--json"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "LOG_LEVEL": "ERROR"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        welcome = json.loads("".join(lines))
        for tenant, token in welcome["tokens"].items():
            request = urllib.request.Request(
                f"{welcome['url']}/api/me", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert json.load(answer)["tenant"] == tenant
        assert len(list(tmp_path.glob("prefiq-try-*"))) == 1
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Traceback" not in stderr
    assert list(tmp_path.glob("prefiq-try-*")) == []


def test_what_is_printed_can_be_typed(tmp_path: Path) -> None:
    """The curl lines work as they stand, one after the other, in a shell; SIGTERM ends it as cleanly."""
    if not any(Path(folder, "curl").exists() for folder in os.get_exec_path()):
        pytest.skip("curl is not installed")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefiq.cli", "try", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl+C"):
                break
        script = "\n".join(line for line in lines if line.startswith(("ACME=", "GLOBEX=", "curl ")))
        script = script.replace("curl ", "curl --silent --show-error --fail-with-body --max-time 20 ")
        result = subprocess.run(
            ["bash", "-e", "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "HALL-1" in result.stdout
    assert "MINE-1" in result.stdout
    assert process.returncode == 143
    assert list(tmp_path.glob("prefiq-try-*")) == []
