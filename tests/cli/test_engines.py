"""Every command does on every engine, and in both modes, what it does on SQLite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.servers import SERVERS, Database

pytestmark = pytest.mark.slow


@pytest.fixture
def told(run, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    """Run a command of a new application on the database; its answer, where it succeeds."""
    run("new", "demo", "--apps", "projects,masters")
    for name, value in {**database.variables(), "LOG_LEVEL": "WARNING"}.items():
        monkeypatch.setenv(name, value)

    def command(*args: str, code: int = 0) -> str:
        result = run("-C", str(tmp_path / "demo"), *args)
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return command


def test_commands_on_every_engine(told, database: Database) -> None:
    """From an empty database to a tenant with rows."""
    planned = [row["module"] for row in json.loads(told("run", "migrate", "--plan", "--json"))]
    modules = list(dict.fromkeys(planned))
    assert modules == ["prefiq", "projects", "masters"]
    assert "CREATE TABLE" in told("run", "migrate", "--sql")
    assert "is not applied" in told("run", "migrate", "--check", code=5)
    assert "masters 0001_initial" in told("run", "migrate")
    assert told("run", "migrate") == "Nothing to apply: the database is at head\n"
    assert told("run", "migrate", "--check") == "Models, migrations and database agree\n"
    status = json.loads(told("run", "migrate", "--status", "--json"))
    assert {row["module"]: row["pending"] for row in status} == {name: [] for name in modules}
    assert told("tenants", "create", "acme", "--name", "Acme Ø").startswith("Created the tenant acme")
    assert "PFQ" in told("tenants", "create", "acme", code=1)
    assert [row["name"] for row in json.loads(told("tenants", "list", "--json"))] == ["Acme Ø"]
    assert json.loads(told("run", "sanity", "--json"))["ok"]
    assert json.loads(told("doctor", "database", "--json"))["ok"]
    code = (
        "projects = scope[IDomainService[Project]]\n"
        "made = projects.create(Project(code='SHELL-1', name='From the shell'))\n"
        "print(projects.get(made.id).code, len(scope[IDomain[Country]].list(Page(limit=200)).items))"
    )
    assert told("shell", "--tenant", "acme", "-c", "from prefiq import Page\n" + code) == "SHELL-1 200\n"
    with database.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT code FROM projects_project")
        assert cursor.fetchall()[0][0] == "SHELL-1"
        cursor.close()


COMMANDS = [
    ("run", "migrate"), ("run", "migrate", "--status"), ("run", "migrate", "--check"), ("tenants", "list"),
    ("tenants", "create", "acme"), ("shell", "--tenant", "acme", "-c", "1"), ("server", "start", "--port", "0"),
]  # fmt: skip


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_commands_without_their_database(told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is asked to make it; what a file would need is not said."""
    monkeypatch.setenv("DB_NAME", "prefiq_test_nowhere")
    for command in COMMANDS:
        error = told(*command, code=3)
        assert 'or make the database: "prefiq doctor database --setup" prints how' in error
        assert "file" not in error
    assert json.loads(told("run", "migrate", "--plan", "--json"))


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_commands_without_their_server(told, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block, a code for "try again", and no word of the driver's."""
    monkeypatch.setenv("DB_PORT", "9")
    for command in COMMANDS:
        error = told(*command, code=6)
        assert "see that the server runs and DB_HOST and DB_PORT lead to it" in error
        assert "Traceback" not in error
