"""A server that is down, refuses the user or lacks the database: one readable answer, in text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import servers
from tests.servers import MODES, SERVERS

SECRET = "sup3r-s3cret/w0rd"
COMMANDS = [("run", "sanity"), ("doctor", "database"), ("run", "migrate"), ("tenants", "list")]
DOWN = ("PFQ415", 6, "The connection to the database is lost, or cannot be made", "DB_HOST and DB_PORT")
DENIED = ("PFQ418", 3, "The database server refuses this user", "check DB_USER, DB_PASS and DB_NAME")
MISSING = ("PFQ443", 3, "The server has no database of this name", "check DB_NAME")
DRIVER = ("PFQ311", 3, "The database's driver is not installed", 'pip install "prefiq[async]"')


@pytest.fixture
def home(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A new application, and a way to say where its database is."""
    run("new", "shop", "--apps", "projects")

    def at(engine: str, mode: str, **variables: str) -> None:
        database = servers.server(engine)
        with servers.database(engine, mode) as made:
            values = {**made.variables(), "DB_NAME": database.name or "mysql"}
        if engine == "mariadb":  # PostgreSQL may trust everybody: then no password is wrong
            values["DB_PASS"] = SECRET
        for name, value in (values | variables).items():
            monkeypatch.setenv(name, value)

    return at


def answers(run, tmp_path: Path, expected: tuple[str, int, str, str]) -> None:
    """Every command says the same, shows no traceback and no password, and ends with the error's exit code."""
    code, exit_code, what, fix = expected
    for command in COMMANDS:
        plain = run("-C", str(tmp_path / "shop"), *command)
        assert (command, plain.exit_code) == (command, exit_code), plain.output
        assert what in plain.output
        assert fix in plain.output
        as_json = run("-C", str(tmp_path / "shop"), *command, "--json")
        assert as_json.exit_code == exit_code
        data = json.loads(as_json.stdout or as_json.stderr)
        found = data["findings"] if "findings" in data else [data["error"]]
        found = found[0].get("faults", found)
        assert [one.get("id", one.get("code")) for one in found] == [code]
        assert what in found[0]["what"]
        assert fix in found[0]["fix"]
        for output in (plain.output, as_json.output):
            assert "Traceback" not in output
            assert SECRET not in output
    boot = run("-C", str(tmp_path / "shop"), "doctor", "boot")
    assert boot.exit_code == (3 if expected is DRIVER else 0), boot.output
    if expected is DRIVER:
        assert fix in boot.output


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", SERVERS)
def test_server_that_is_down(run, home, tmp_path: Path, engine: str, mode: str) -> None:
    """The address is shown."""
    home(engine, mode, DB_HOST="127.0.0.1", DB_PORT="1")
    answers(run, tmp_path, DOWN)
    assert "database default at 127.0.0.1:1" in run("-C", str(tmp_path / "shop"), "run", "sanity").output


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", SERVERS)
def test_user_whom_the_server_does_not_know(run, home, tmp_path: Path, engine: str, mode: str) -> None:
    """Or whose password is wrong: servers tell no difference."""
    home(engine, mode, DB_USER="prefiq_test_nobody")
    answers(run, tmp_path, DENIED)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", SERVERS)
def test_database_that_is_not_there(run, home, tmp_path: Path, engine: str, mode: str) -> None:
    """A server's database is made by an administrator, not by the first migration."""
    password = servers.server(engine).password
    home(
        engine, mode, DB_NAME="prefiq_test_missing", **({"DB_PASS": password} if engine == "mariadb" else {})
    )
    answers(run, tmp_path, MISSING)


def test_driver_that_is_not_installed(run, home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it is said."""
    home("mariadb", "async")
    for name in [name for name in sys.modules if name.partition(".")[0] == "asyncmy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "prefiq.sql.dialects.mariadb_async", raising=False)
    from prefiq.sql import dialects

    monkeypatch.delattr(dialects, "mariadb_async", raising=False)
    monkeypatch.setitem(sys.modules, "asyncmy", None)
    answers(run, tmp_path, DRIVER)


def test_named_database_has_its_own_settings(
    run, home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to check is named as it stands in the environment."""
    home("postgres", "sync")
    variables = {
        "ENGINE": "mariadb",
        "NAME": "x",
        "USER": "x",
        "PASS": SECRET,
        "HOST": "127.0.0.1",
        "PORT": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"SALES_EU_DB_{name}", value)
    result = run("-C", str(tmp_path / "shop"), "doctor", "database")
    assert "(database sales_eu at 127.0.0.1:1, MariaDB error 2003)" in result.output
    assert "SALES_EU_DB_HOST and SALES_EU_DB_PORT" in result.output
