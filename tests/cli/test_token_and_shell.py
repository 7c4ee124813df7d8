"""``prefiq token`` and ``prefiq shell``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest


# ---- token
def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_token(within) -> None:
    """The token alone is printed, with tenant, actor, permissions and lifetime as asked."""
    result = within(
        "token", "--tenant", "acme", "--permissions", "projects.*, masters.country.read", "--actor", "ann",
        "--expires", "15m",
    )  # fmt: skip
    found = claims(result.stdout.strip())
    assert result.stdout.count("\n") == 1
    assert (found["tenant"], found["sub"]) == ("acme", "ann")
    assert found["scope"] == "projects.* masters.country.read"
    assert found["exp"] - found["iat"] == 900


def test_token_is_refused_in_production(within) -> None:
    """In production tokens come from an issuer; the exit code says not allowed."""
    result = within("token", "--tenant", "acme", env={"ENV": "production"})
    assert (result.exit_code, result.stdout) == (4, "")
    assert "[PFQ804]" in result.stderr


@pytest.mark.parametrize("expires", ["0s", "15x", "-1m", "400d", "1e9", "99999999999d", ""])
def test_token_lifetime_is_checked(within, expires: str) -> None:
    """A time that is none, or too long, is a usage error."""
    assert within("token", "--tenant", "acme", "--expires", expires).exit_code == 2


def test_token_needs_a_tenant(within) -> None:
    """Without --tenant the option is asked for."""
    assert "Missing option '--tenant'" in within("token").stderr


# ---- shell
def test_shell_runs_code_in_the_tenants_scope(within) -> None:
    """-c has app, scope, catalog and the models; what it creates is the tenant's."""
    code = (
        "p = scope[IDomainService[Project]].create(Project(code='A-1', name='x'));"
        "print(scope.tenant, p.code, len(catalog), app.settings.env)"
    )
    result = within("shell", "--tenant", "acme", "-c", code)
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["acme", "A-1", "39", "development"]


def test_shell_reads_standard_input(process, application: Path) -> None:
    """Without a terminal the program comes from standard input, and no prompt is shown."""
    result = subprocess.run(
        [sys.executable, "-m", "prefiq.cli", "shell", "--tenant", "acme"],
        input="for n in range(2):\n    print(n)\n",
        cwd=application,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "0\n1\n")
    assert ">>>" not in result.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "says"),
    [
        ("print(1/0)", 1, "ZeroDivisionError: division by zero (line 1) [PFQ810]"),
        ("x =", 1, "SyntaxError: invalid syntax (line 1) [PFQ810]"),
        ("raise SystemExit(7)", 7, ""),
        ("scope[IDomainService[Project]].create(Project(code='a b', name='x'))", 1, "[PFQ512]"),
    ],
)
def test_shell_tells_what_code_raised(within, code: str, exit_code: int, says: str) -> None:
    """Errors of the code are one block with its line; its own exit code is kept."""
    result = within("shell", "--tenant", "acme", "-c", code)
    assert result.exit_code == exit_code
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_shell_of_an_unknown_tenant(within) -> None:
    """A tenant that does not exist is refused before any code runs."""
    result = within("shell", "--tenant", "nobody", "-c", "print(1)")
    assert result.stdout == ""
    assert "[PFQ504]" in result.stderr


@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_shell_is_logged_in_production(within, level: str) -> None:
    """Production keeps a record of who opened a shell on which tenant, whatever LOG_LEVEL says up to WARNING."""
    result = within(
        "shell",
        "--tenant",
        "acme",
        "-c",
        "pass",
        env={"ENV": "production", "LOG_FORMAT": "json", "LOG_LEVEL": level},
    )
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stderr.splitlines()]
    audited = [r for r in records if r["logger"] == "prefiq.audit"]
    assert [(r["message"], r["tenant"]) for r in audited] == [
        ("shell opened", "acme"),
        ("shell closed", "acme"),
    ]
    assert "prefiq.audit" not in within("shell", "--tenant", "acme", "-c", "pass").stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_ctrl_c_ends_what_blocks(application: Path, mode: str) -> None:
    """At once, on an event loop too, whose own handler would wait for the next await."""
    code = "import time; print('here', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-m", "prefiq.cli", "shell", "--tenant", "acme", "-c", code],
        cwd=application,
        env={**os.environ, "DB_MODE": mode},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, stderr.strip()) == (130, "Interrupted")


@pytest.mark.slow
def test_shell_waits_through_the_bridge(within, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DB_MODE=async its code is the same, and may await as well."""
    monkeypatch.setenv("DB_MODE", "async")
    code = (
        "import asyncio; from prefiq import await_\n"
        "print(await_(asyncio.sleep(0, 'waited')), len(scope[IDomain[Country]].list().items) > 9)"
    )
    assert within("shell", "--tenant", "acme", "-c", code).stdout == "waited True\n"
