"""The commands on an application that stands: migrate, sanity, doctor, apps, tenants, token, shell."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file but SQLite's own log, with what it says."""
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


# ---- run migrate


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
    columns = "module, number, name, checksum, applied_at, duration"
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(f"CREATE TABLE prefiq_migration ({columns}); {sql}")
    connection.close()
    assert not (tmp_path / "demo/demo.db").exists()


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


# ---- sanity and doctor


def test_sanity_is_quick_and_writes_nothing(within, application: Path) -> None:
    """Every model is read once in under two seconds, and no file changes."""
    before = files_of(application)
    started = time.monotonic()
    result = within("run", "sanity", "--json")
    assert time.monotonic() - started < 2
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["ok"] is True
    assert data["models"] >= 10
    assert files_of(application) == before


def test_sanity_notices_a_table_that_cannot_be_read(within, application: Path) -> None:
    """A column that is gone is found by the read, with the model's name."""
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute("ALTER TABLE projects_task RENAME COLUMN title TO titel")
    connection.close()
    result = within("run", "sanity", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)["findings"]
    assert [row["where"] for row in found] == ["reading projects.Task"]


def test_doctor_boot_lists_who_bound_what(within) -> None:
    """--json has every binding with its module and the place of it."""
    result = within("doctor", "boot", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["modules"][0]["name"] == "prefiq"
    bound = {entry["name"]: entry for entry in data["bindings"]}
    assert bound["projects.IProject"]["implementation"] == "ProjectRepos"
    assert "provider.py:" in bound["projects.IProject"]["source"]
    assert "projects.IProject" in within("doctor", "boot", "--bindings").stdout


def test_doctor_boot_warns_of_a_part_that_nobody_binds(run, shop: Path) -> None:
    """A service in a file that nothing imports is found; one that only serves tests is not."""
    (shop / "service.py").write_text(
        "from prefiq import RepositoryMemory, Services\n\nfrom shop.models import Item\n\n\n"
        "class Base(Services[Item]):\n    pass\n\n\nclass ItemService(Base):\n    pass\n\n\n"
        "class ItemMemory(RepositoryMemory[Item]):\n    pass\n"
    )
    result = run("-C", "store", "doctor", "boot", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["findings"]
    assert [(row["id"], row["what"].partition(" ")[0]) for row in found] == [
        ("PFQ-D110", "Base"),
        ("PFQ-D110", "ItemService"),
    ]
    assert found[1]["where"] == f"{shop / 'service.py'}:10"
    assert run("-C", "store", "doctor", "boot", "--strict").exit_code == 1


def test_doctor_boot_counts_a_bound_part_and_its_bases(run, shop: Path) -> None:
    """What a provider binds is no finding, nor what it derives from."""
    (shop / "service.py").write_text(
        "from prefiq import Services\n\nfrom shop.models import Item\n\n\n"
        "class Base(Services[Item]):\n    pass\n\n\nclass ItemService(Base):\n    pass\n"
    )
    (shop / "provider.py").write_text(
        "from prefiq import Binder, IDomainService, ProviderBase\n\n"
        "from shop.models import Item\nfrom shop.service import ItemService\n\n\n"
        'class ShopProvider(ProviderBase):\n    name = "shop"\n    models = (Item,)\n\n'
        "    def bind(self, to: Binder) -> None:\n        to.bind(IDomainService[Item], ItemService)\n"
    )
    result = run("-C", "store", "doctor", "boot", "--json", "--strict")
    assert json.loads(result.stdout)["findings"] == []
    assert result.exit_code == 0


def test_doctor_boot_runs_the_checks_of_modules(run, shop: Path) -> None:
    """A module's check adds findings; one that raises is a finding itself."""
    source = (shop / "provider.py").read_text()
    (shop / "provider.py").write_text(
        "from prefiq.doctor import Finding\n\n\n"
        "def advises(app):\n    yield Finding('SHOP-1', 'warning', f'{len(app.catalog)} models')\n\n\n"
        "def fails(app):\n    raise ValueError('canary-4711')\n\n\n"
        f"{source}\n    def checks(self):\n        return (advises, fails)\n"
    )
    result = run("-C", "store", "doctor", "boot", "--json")
    found = {row["id"]: row for row in json.loads(result.stdout)["findings"]}
    assert found["SHOP-1"]["level"] == "warning"
    assert found["PFQ-D104"]["where"] == "shop: fails"
    assert "canary-4711" not in result.output
    assert result.exit_code == 1


def test_doctor_boot_notices_an_open_env_file(within, application: Path) -> None:
    """A .env that others can read is a warning in development and an error in production."""
    (application / ".env").chmod(0o644)
    warned = within("doctor", "boot", "--json")
    assert warned.exit_code == 0
    assert [row["id"] for row in json.loads(warned.stdout)["findings"]] == ["PFQ-D103"]
    refused = within("doctor", "boot", env={"ENV": "production"})
    assert refused.exit_code == 3


@pytest.mark.parametrize(
    ("apps", "code"),
    [
        ('["projcts"]', "PFQ331"),
        ('["shop.provider:Missing"]', "PFQ343"),
        ('["shop.models:Item"]', "PFQ338"),
    ],
    ids=["not-installed", "no-such-name", "no-provider"],
)
def test_doctor_boot_tells_what_is_wrong_with_modules(
    run, shop: Path, tmp_path: Path, apps: str, code: str
) -> None:
    """Modules that cannot be loaded are findings, not tracebacks."""
    (tmp_path / "store/prefiq.toml").write_text(f"apps = {apps}\n")
    result = run("-C", "store", "doctor", "boot", "--json")
    assert result.exit_code != 0
    assert code in {row["id"] for row in json.loads(result.stdout)["findings"]}


def test_doctor_database_finds_nothing_on_a_sound_one(within) -> None:
    """A fresh database passes, strictly."""
    result = within("doctor", "database", "--strict", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"ok": True, "findings": []}


def test_doctor_database_writes_nothing(within, application: Path) -> None:
    """Looking changes no file."""
    before = files_of(application)
    within("doctor", "database", "--strict")
    assert files_of(application) == before


def test_doctor_database_without_one(run, tmp_path: Path) -> None:
    """A database that does not exist is one finding, and is not made."""
    run("new", "demo", "--apps", "projects")
    result = run("-C", "demo", "doctor", "database", "--json")
    assert result.exit_code == 3
    assert [row["id"] for row in json.loads(result.stdout)["findings"]] == ["PFQ403"]
    assert not (tmp_path / "demo/demo.db").exists()


def test_doctor_database_finds_damage(within, application: Path) -> None:
    """Pages that were overwritten are found."""
    within("run", "sanity")
    path = application / "demo.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 200 * 4096)
    result = within("doctor", "database", "--json")
    assert result.exit_code != 0
    assert {row["id"] for row in json.loads(result.stdout)["findings"]} & {"PFQ-D203", "PFQ406"}


def test_doctor_database_on_a_file_that_is_none(within, application: Path) -> None:
    """A file that is no database is told as such."""
    for file in application.glob("demo.db*"):
        file.unlink()
    (application / "demo.db").write_bytes(b"this is no database, whatever its name says" * 100)
    result = within("doctor", "database", "--json")
    assert result.exit_code == 1
    assert "PFQ406" in {row["id"] for row in json.loads(result.stdout)["findings"]}


def test_doctor_database_minds_permissions_in_production(within, application: Path) -> None:
    """In production others should not read the file; strictly, that fails."""
    path = application / "demo.db"
    path.chmod(0o644)
    result = within("doctor", "database", "--json", env={"ENV": "production"})
    assert result.exit_code == 0, result.output
    assert [row["id"] for row in json.loads(result.stdout)["findings"]] == ["PFQ-D211"]
    assert within("doctor", "database", "--strict", env={"ENV": "production"}).exit_code == 1
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert within("doctor", "database", "--strict", env={"ENV": "production"}).exit_code == 0


def test_doctor_database_tells_of_seeds_that_wait(within, application: Path) -> None:
    """A tenant that lacks a seed is a warning; run migrate mends it."""
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute("DELETE FROM prefiq_seed_record WHERE name = 'units'")
    connection.close()
    result = within("doctor", "database", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)["findings"]
    assert [(row["id"], row["what"]) for row in found] == [
        ("PFQ-D220", "Seeds wait for 1 tenant: masters.units")
    ]
    assert within("doctor", "database", "--strict").exit_code == 5
    assert within("run", "migrate").exit_code == 0
    assert within("doctor", "database", "--strict").exit_code == 0


def test_doctor_boot_wants_migrations_where_they_are_deployed(run, shop: Path) -> None:
    """Models without their migration stop a deployment, and are how one develops."""
    assert run("-C", "store", "doctor", "boot", "--strict").exit_code == 0
    result = run("-C", "store", "doctor", "boot", env={"ENV": "staging"})
    assert result.exit_code == 5
    assert "run prefiq lowcode makemigrations shop" in result.stdout


# ---- apps and tenants


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
    assert result.stdout == "Created the tenant globex; 4 seeds ran\n"
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
    assert result.stdout.split() == ["acme", "A-1", "10", "development"]


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
    within, application: Path, monkeypatch: pytest.MonkeyPatch, args: list[str]
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
    with session.booted() as app, app.scope(tenant, as_system="count items") as scope:
        page = scope[IDomainService[Item]].list()
        session.answer({"items": len(page.items)}, lambda: click.echo(f"{len(page.items)} items"))
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
