"""``prefiq run migrate`` and ``prefiq lowcode makemigrations``."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest


def test_migrate_can_be_repeated(within) -> None:
    """What is applied is not applied again, and seeds run once."""
    result = within("run", "migrate", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"applied": [], "seeds": []}


def test_migrate_looks_without_changing(run, tmp_path: Path) -> None:
    """--plan and --sql tell what would happen and make no database."""
    run("new", "demo", "--apps", "projects")
    plan = json.loads(run("-C", "demo", "run", "migrate", "--plan", "--json").stdout)
    assert {step["module"] for step in plan} == {"prefiq", "projects"}
    sql = run("-C", "demo", "run", "migrate", "--sql").stdout
    assert "CREATE TABLE projects_project" in sql
    assert not (tmp_path / "demo/demo.db").exists()
    connection = sqlite3.connect(tmp_path / "demo/demo.db", isolation_level=None)
    connection.executescript(sql)
    connection.close()
    assert run("-C", "demo", "run", "migrate", "--check").exit_code == 0


def test_migrate_check_and_status(within) -> None:
    """--check agrees at head; --status shows what is applied."""
    assert within("run", "migrate", "--check").exit_code == 0
    rows = {row["module"]: row for row in json.loads(within("run", "migrate", "--status", "--json").stdout)}
    assert rows["projects"]["applied"] == ["0001_initial"]
    assert rows["projects"]["pending"] == []


def test_migrate_check_notices_what_waits(within, application: Path) -> None:
    """A database that is behind ends --check, sanity and doctor with 5."""
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute("DELETE FROM prefiq_migration WHERE module = 'projects'")
    connection.close()
    for command in (("run", "migrate", "--check"), ("run", "sanity"), ("doctor", "database")):
        result = within(*command)
        assert result.exit_code == 5, command
        assert "PFQ618" in result.output


def test_migrate_options_exclude_each_other(within) -> None:
    """Two of the looking options are a mistake."""
    assert within("run", "migrate", "--plan", "--sql").exit_code == 2


def test_migration_of_a_module(run, shop: Path, tmp_path: Path) -> None:
    """makemigrations writes into the checkout, migrate applies it, a change needs another one."""
    assert run("-C", "store", "lowcode", "makemigrations", "shop", "--check").exit_code == 5
    refused = run("-C", "store", "run", "migrate")
    assert refused.exit_code == 5
    assert "run prefiq lowcode makemigrations shop" in refused.stderr
    assert not (tmp_path / "store/prefiq.db").exists()
    made = run("-C", "store", "lowcode", "makemigrations", "shop", "--json")
    assert made.exit_code == 0, made.output
    assert str(shop / "migrations/0001_initial.py") in json.loads(made.stdout)["files"]
    assert run("-C", "store", "lowcode", "makemigrations", "shop").stdout == "shop: nothing changed\n"
    assert run("-C", "store", "run", "migrate").exit_code == 0


def test_makemigrations_knows_renames(run, process, shop: Path, tmp_path: Path) -> None:
    """--rename keeps what a column holds."""
    assert run("-C", "store", "lowcode", "makemigrations", "shop").exit_code == 0
    source = (shop / "models.py").read_text()
    (shop / "models.py").write_text(source.replace("name: str", "title: str"))
    made = process(
        "lowcode", "makemigrations", "shop", "--rename", "Item.name=title", "--json", cwd=tmp_path / "store"
    )
    assert made.returncode == 0, made.stderr
    file = next(file for file in json.loads(made.stdout)["files"] if "0002" in file)
    assert "RenameField" in Path(file).read_text()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["sho"], 2, 'did you mean "shop"?'),
        (["shop", "--rename", "nonsense"], 2, "OLD=NEW"),
    ],
)
def test_makemigrations_refuses(run, shop: Path, args: list[str], code: int, says: str) -> None:
    """An unknown module and a rename that is none are told, and nothing is written."""
    result = run("-C", "store", "lowcode", "makemigrations", *args)
    assert result.exit_code == code
    assert says in result.stderr
    assert not (shop / "migrations").exists()
