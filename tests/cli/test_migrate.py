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


@pytest.mark.parametrize("command", [("run", "migrate", "--check"), ("run", "sanity")])
def test_database_that_is_not_made_yet_is_behind(run, tmp_path: Path, command: tuple[str, ...]) -> None:
    """It has none of the migrations (exit code 5), and is told to be missing; looking does not make it."""
    run("new", "demo", "--apps", "projects")
    result = run("-C", "demo", *command)
    assert result.exit_code == 5, result.output
    assert "PFQ403" in result.output
    assert "0001_initial" in result.output
    assert not (tmp_path / "demo/demo.db").exists()
    nowhere = run("-C", "demo", *command, env={"DB_NAME": str(tmp_path / "nowhere/some.db")})
    assert nowhere.exit_code == 3


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


MODULE = """
from prefiq import Entity, ProviderBase, field


class {0}(Entity):
    name: str = field(max_length=40)


class {0}Provider(ProviderBase):
    models = ({0},)
"""


def test_modules_in_the_applications_own_folder(process, tmp_path: Path) -> None:
    """Listed by import path: two in one package, with or without __init__.py, and one that is a single file."""
    home = tmp_path / "home"
    for file, name in (("demo/invoice", "Invoice"), ("demo/order", "Order"), ("notes", "Note")):
        path = home / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MODULE.format(name))
    apps = '["demo.invoice:InvoiceProvider", "demo.order:OrderProvider", "notes:NoteProvider"]'
    (home / "prefiq.toml").write_text(f"apps = {apps}\n")
    (home / ".env").write_text("ENV=development\n")
    for module, place in (
        ("invoice", "demo/invoice_migrations"),
        ("order", "demo/order_migrations"),
        ("notes", "notes_migrations"),
    ):
        made = process("lowcode", "makemigrations", module, cwd=home)
        assert made.returncode == 0, made.stderr
        assert (home / place / "0001_initial.py").exists(), made.stdout
    migrated = process("run", "migrate", "--json", cwd=home)
    assert {one["module"] for one in json.loads(migrated.stdout)["applied"]} == {
        "prefiq",
        "invoice",
        "order",
        "notes",
    }
    assert process("run", "migrate", "--check", cwd=home).returncode == 0


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


def change(shop: Path, old: str, new: str) -> None:
    source = (shop / "models.py").read_text()
    assert old in source
    (shop / "models.py").write_text(source.replace(old, new))


def test_makemigrations_hints_at_a_rename(run, process, shop: Path, tmp_path: Path) -> None:
    """A field that went while a similar one came is told on stderr; the answer is as it would be without."""
    run("-C", "store", "lowcode", "makemigrations", "shop")
    change(shop, "name: str = field(", "title: str | None = field(default=None, ")
    made = process("lowcode", "makemigrations", "shop", "--json", cwd=tmp_path / "store")
    assert len(json.loads(made.stdout)["files"]) == 2
    assert made.stderr == (
        "Hint: Item.name went and Item.title came; if it is the same, take back what was written and add "
        "--rename Item.name=title\n"
    )


def test_makemigrations_fills_rows_that_exist(run, process, shop: Path, tmp_path: Path) -> None:
    """A required field without a default needs a value for them, which --fill gives."""
    run("-C", "store", "lowcode", "makemigrations", "shop")
    change(shop, "name: str", "size: int = field(ge=1)\n    name: str")
    refused = process("lowcode", "makemigrations", "shop", cwd=tmp_path / "store")
    assert refused.returncode == 3
    assert "--fill Item.size=VALUE" in refused.stderr
    made = process(
        "lowcode", "makemigrations", "shop", "--fill", "Item.size=3", "--json", cwd=tmp_path / "store"
    )
    file = next(file for file in json.loads(made.stdout)["files"] if "0002" in file)
    assert 'AddField("Item", FieldState("size", "int"), fill=3)' in Path(file).read_text()


def test_migrate_follows_the_declarations_in_development(run, process, shop: Path, tmp_path: Path) -> None:
    """--rename keeps what a column holds, --allow-loss drops it; without them the server would refuse to."""
    store = tmp_path / "store"
    assert run("-C", "store", "run", "migrate", "--allow-loss").exit_code == 0
    assert run("-C", "store", "tenants", "create", "acme").exit_code == 0
    add = "scope[IDomain[Item]].save(Item(name='a chair'))"
    assert process("shell", "--tenant", "acme", "-c", add, cwd=store).returncode == 0
    change(shop, "name: str = field(", "title: str = field(")
    renamed = process("run", "migrate", "--rename", "Item.name=title", "--json", cwd=store)
    assert json.loads(renamed.stdout)["changed"] == [
        {"module": "shop", "change": "rename field Item.name to title"}
    ]
    change(
        shop,
        "title: str = field(",
        "size: int = field(default=1)\n    name: str | None = field(default=None, ",
    )
    refused = process("run", "migrate", "--rename", "Item.titl=name", cwd=store)
    assert refused.returncode == 3
    dropped = process("run", "migrate", "--allow-loss", cwd=store)
    assert "shop: drop field Item.title" in dropped.stdout
    refused = process("run", "migrate", "--allow-loss", cwd=store, ENV="production")
    assert refused.returncode == 4
    assert "PFQ804" in refused.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["shop", "--fill", "nonsense"], 2, "FIELD=VALUE"),
        (["shop", "--fill", "Item.nam=x"], 2, "did you mean Item.name?"),
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
