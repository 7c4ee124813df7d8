"""``prefiq apps`` and ``prefiq tenants``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest


def test_apps_list(within) -> None:
    """Modules stand in the order of loading, Prefiq's own first."""
    rows = json.loads(within("apps", "list", "--json").stdout)
    assert [row["name"] for row in rows] == ["prefiq", "projects", "masters"]
    assert "projects.Project" in rows[1]["models"]
    assert rows[1]["package"] == "prefiq-projects"
    assert "prefiq_projects.provider:ProjectProvider" in within("apps", "list").stdout


def test_tenants(within) -> None:
    """A new tenant is filled with the seeds and listed."""
    created = within("tenants", "create", "globex", "--json")
    assert created.exit_code == 0, created.output
    assert {seed["seed"] for seed in json.loads(created.stdout)["seeds"]} >= {"countries", "currencies"}
    rows = json.loads(within("tenants", "list", "--json").stdout)
    assert [(row["key"], row["name"]) for row in rows] == [("acme", "Acme Builders"), ("globex", "globex")]
    assert within("tenants", "list").stdout.splitlines()[0].split() == ["key", "name", "state"]


@pytest.mark.parametrize(("key", "code"), [("acme", "PFQ516"), ("Bad Key", "PFQ512"), ("-x", "PFQ801")])
def test_tenants_create_refuses(within, key: str, code: str) -> None:
    """A key that is taken or malformed is told, and the directory stays as it was."""
    result = within("tenants", "create", key)
    assert result.exit_code in {1, 2}
    assert f"[{code}]" in result.stderr
    assert len(json.loads(within("tenants", "list", "--json").stdout)) == 1


def test_single_tenant_takes_no_second(run, tmp_path: Path) -> None:
    """With TENANCY=single the one tenant is listed, seeded by migrate, and no other can be made."""
    run("new", "demo", "--apps", "masters")
    with (tmp_path / "demo/.env").open("a") as file:
        file.write("TENANCY=single\nTENANT=home\n")
    migrated = run("-C", "demo", "run", "migrate", "--json")
    assert {seed["tenant"] for seed in json.loads(migrated.stdout)["seeds"]} == {"home"}
    assert [row["key"] for row in json.loads(run("-C", "demo", "tenants", "list", "--json").stdout)] == [
        "home"
    ]
    result = run("-C", "demo", "tenants", "create", "other")
    assert result.exit_code == 3
    assert "[PFQ811]" in result.stderr
    shell = run("-C", "demo", "shell", "-c", "print(scope.tenant)")
    assert shell.stdout == "home\n"


def test_progress_is_silent_without_a_terminal(process, application: Path) -> None:
    """Bars are for terminals: a pipe gets no control characters, on neither stream."""
    result = process("tenants", "create", "globex", cwd=application)
    assert result.returncode == 0
    assert result.stdout == "Created the tenant globex; 33 seeds ran\n"
    assert not {"\x1b", "\r"} & set(result.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is wanted")
def test_progress_is_drawn_on_a_terminal(application: Path) -> None:
    """On a terminal the seeds draw a bar with the tenant's name."""
    import pty

    shown = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 4096)
        shown.extend(data)
        return data

    argv = [sys.executable, "-m", "prefiq.cli", "-C", str(application), "tenants", "create", "globex"]
    assert pty.spawn(argv, read) == 0
    assert b"seeds of globex" in shown
    assert b"Created the tenant globex" in shown


def test_who_read_across_tenants(within, application: Path) -> None:
    """With --json everything that was stored; else a table."""
    assert within("tenants", "across").stdout == "Nobody read across tenants\n"
    code = "from prefiq import Actor; app.scope(across='monthly', actor=Actor('ada', ('prefiq.across',))).close()"
    assert within("shell", "--tenant", "acme", "-c", code).exit_code == 0
    (entry,) = json.loads(within("tenants", "across", "--json").stdout)
    assert (entry["operator"], entry["reason"], entry["request_id"]) == ("ada", "monthly", "")
    assert within("tenants", "across").stdout.splitlines()[-1].split()[2:] == ["ada", "monthly"]
