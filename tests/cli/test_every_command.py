"""What holds for every command: JSON, secrets, silence, missing extras, and those of modules."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest


# ---- every command
@pytest.mark.parametrize(
    "args",
    [
        ["run", "migrate"],
        ["run", "migrate", "--plan"],
        ["run", "migrate", "--sql"],
        ["run", "migrate", "--check"],
        ["run", "migrate", "--status"],
        ["run", "sanity"],
        ["doctor", "boot"],
        ["doctor", "database"],
        ["apps", "list"],
        ["tenants", "list"],
        ["token", "--tenant", "acme"],
    ],
    ids=" ".join,
)
def test_json_is_one_document(within, args: list[str]) -> None:
    """--json prints one document and nothing else."""
    result = within(*args, "--json")
    assert result.exit_code == 0, result.output
    json.loads(result.stdout)


def test_no_secret_is_ever_printed(within, application: Path) -> None:
    """The signing key appears in no output of any command."""
    key = next(
        line.partition("=")[2]
        for line in (application / ".env").read_text().splitlines()
        if "JWT_SECRET_KEY=" in line
    )
    for args in (
        ["doctor", "boot"],
        ["doctor", "boot", "--bindings", "--json"],
        ["run", "sanity"],
        ["apps", "list"],
    ):
        assert key not in within(*args, "--debug").output
    failed = within(
        "shell", "--tenant", "acme", "--debug", "-c", "raise ValueError(app.settings.jwt_keys[0].reveal())"
    )
    assert failed.exit_code == 1
    assert key not in failed.output


def test_commands_stay_quiet_in_development(within) -> None:
    """A developer's terminal shows the answer; records below WARNING are kept for servers and production."""
    assert "INFO" not in within("tenants", "list").stderr
    assert logging.getLogger().level >= logging.WARNING


# ---- extras
@pytest.mark.parametrize(
    "args", [["token", "--tenant", "acme"], ["server", "start", "--port", "0"], ["try", "--check"]]
)
def test_missing_extra_is_told(
    within, application: Path, files_of, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    """Without the packages of the server the command names the extra, before anything is changed."""
    before = files_of(application)
    for name in [
        name for name in sys.modules if name.partition(".")[0] == "uvicorn" or name.startswith("prefiq.web")
    ]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("uvicorn", "jwt"):
        monkeypatch.setitem(sys.modules, name, None)
    result = within(*args)
    assert result.exit_code == 1
    assert "Try: pip install 'prefiq[server]' " in f"{result.stderr} ".replace("\n", " ")
    assert files_of(application) == before


# ---- commands of modules
COMMAND = """
import click

from prefiq import IDomainService
from prefiq.cli import pass_session


@click.command("count")
@click.option("--tenant", required=True)
@pass_session
def count(session, tenant):
    \"\"\"Count the items.\"\"\"
    count = session.run(count_items, tenant)
    session.answer({"items": count}, lambda: click.echo(f"{count} items"))


def count_items(app, tenant):
    with app.scope(tenant, as_system="count items") as scope:
        return len(scope[IDomainService[Item]].list().items)
"""


def with_commands(shop: Path, returned: str) -> None:
    """Give the shop a command."""
    source = (shop / "provider.py").read_text()
    (shop / "provider.py").write_text(
        f"{COMMAND}\n{source}\n    def commands(self):\n        return {returned}\n"
    )


def test_command_of_a_module(run, shop: Path) -> None:
    """What a module brings stands behind its name, with --json and the rest."""
    with_commands(shop, "(count,)")
    assert run("-C", "store", "lowcode", "makemigrations", "shop").exit_code == 0
    assert run("-C", "store", "run", "migrate").exit_code == 0
    assert run("-C", "store", "tenants", "create", "acme").exit_code == 0
    assert "Count the items." in run("-C", "store", "shop", "--help").stdout
    assert run("-C", "store", "shop", "count", "--tenant", "acme").stdout == "0 items\n"
    result = run("-C", "store", "shop", "count", "--tenant", "acme", "--json")
    assert json.loads(result.stdout) == {"items": 0}
    assert run("-C", "store", "shop", "count", "--tenant", "nobody").exit_code == 1


@pytest.mark.parametrize("returned", ["(print,)", "1/0"])
def test_command_of_a_module_that_is_none(run, shop: Path, returned: str) -> None:
    """What cannot be a command is told with the module's name."""
    with_commands(shop, returned)
    result = run("-C", "store", "shop", "count")
    assert result.exit_code == 3
    assert "The commands of shop cannot be used: 1 fault" in result.stderr
    assert "Traceback" not in result.stderr


def test_unknown_word_inside_an_application(run, shop: Path) -> None:
    """A word that is neither a command nor a module with commands is answered as ever."""
    assert "`prefiq server start`" in run("-C", "store", "runserver").stderr
    assert "no command of prefiq" in run("-C", "store", "shop").stderr
