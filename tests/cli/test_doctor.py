"""``prefiq run sanity`` and ``prefiq doctor``: what they find, and that they write nothing."""

from __future__ import annotations

import json
import sqlite3
import stat
import time
from pathlib import Path

import pytest


def test_sanity_is_quick_and_writes_nothing(within, application: Path, files_of) -> None:
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


@pytest.mark.parametrize(
    "command", [("run", "sanity"), ("doctor", "database"), ("run", "migrate", "--check"), ("tenants", "list")]
)
def test_looking_is_not_audited(within, command: tuple[str, ...]) -> None:
    """In production nothing stands before the answer of what only looks; what acts as the system is told."""
    assert within(*command, env={"ENV": "production"}).stderr == ""
    acting = within("shell", "--tenant", "acme", "-c", "1", env={"ENV": "production"})
    assert "acting as system: prefiq shell" in acting.stderr


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


def test_doctor_boot_says_where_secrets_come_from(within, application: Path, monkeypatch) -> None:
    """Where, never what: a file and the environment, as text and as JSON."""
    key = "b1Hq8WmYv5Ls2Rk7Td9Ca4Xe6Nf3Gu0Jp"
    (application / "jwt").write_text(key)
    monkeypatch.setenv("JWT_SECRET_KEY_FILE", "jwt")
    monkeypatch.setenv("JWT_SECRET_KEY_PREVIOUS", key[::-1])
    result = within("doctor", "boot")
    assert f"JWT_SECRET_KEY comes from: file {application / 'jwt'}\n" in result.stdout
    assert "JWT_SECRET_KEY_PREVIOUS comes from: environment\n" in result.stdout
    answer = within("doctor", "boot", "--json").stdout
    assert json.loads(answer)["secrets"]["JWT_SECRET_KEY_PREVIOUS"] == "environment"
    assert key not in result.output + answer
    assert key[::-1] not in result.output + answer


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
    data = json.loads(result.stdout)
    assert (data["ok"], data["findings"]) == (True, [])


def test_doctor_database_writes_nothing(within, application: Path, files_of) -> None:
    """Looking changes no file."""
    before = files_of(application)
    within("doctor", "database", "--strict")
    assert files_of(application) == before


def test_doctor_database_finds_what_was_changed_by_hand(within, application: Path) -> None:
    """A warning that names the table, but where newer code has migrated; --check does not look for it."""
    assert within("doctor", "database", "--strict").exit_code == 0
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute("ALTER TABLE projects_project ADD COLUMN colour TEXT")
    connection.close()
    result = within("doctor", "database", "--json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["findings"]
    assert (found["id"], found["level"], found["where"]) == ("PFQ621", "warning", "table projects_project")
    assert "colour was added" in found["what"]
    assert within("doctor", "database", "--strict").exit_code == 5
    assert within("run", "migrate", "--check").exit_code == 0
    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute(
            "INSERT INTO prefiq_migration SELECT module, 8, '0008_future', checksum, applied_at, duration, phase "
            "FROM prefiq_migration WHERE module = 'projects'"
        )
    connection.close()
    assert within("doctor", "database", "--strict").exit_code == 0


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


def test_tenancy_is_attacked_and_nothing_is_left(within, application: Path, files_of) -> None:
    """A table of models and routes; the application's own database is not touched."""
    before = files_of(application)
    result = within("doctor", "tenancy", "--mode", "row")
    assert result.exit_code == 0, result.output
    assert "attacks, none got through" in result.stdout
    assert "projects.Task" in result.stdout
    assert files_of(application) == before


def test_tenancy_says_what_was_left_out(within) -> None:
    """A row that cannot be made up is told, and with --strict it is a failure."""
    result = within("doctor", "tenancy", "--mode", "row", "--strict", "--json")
    data = json.loads(result.stdout)
    assert data["leaks"] == []
    assert result.exit_code == (1 if data["skipped"] else 0)
    assert sum(row["attacks"] for row in data["table"]) == data["attacks"] > 1000
    assert all(row["attacks"] == row["held"] for row in data["table"])


def test_one_tenant_is_kept_apart_from_nobody(within) -> None:
    """With TENANCY=single there is nothing to attack."""
    result = within("doctor", "tenancy", env={"TENANCY": "single"})
    assert result.exit_code == 0, result.output
    assert "one tenant" in result.stdout


def test_an_attack_that_gets_through_is_an_exit_code(within, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a line that says which it was."""
    from prefiq.web.auth import Identity

    monkeypatch.setattr(Identity, "tenant", lambda self, wanted: (wanted or b"").decode() or self.default)
    result = within("doctor", "tenancy", "--mode", "row")
    assert result.exit_code == 1
    assert "LEAK" in result.stdout
    assert "name, Prefiq-Tenant" in result.stdout
