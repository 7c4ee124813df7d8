"""``prefiq apps``: what is listed, what a change of the list would do, and doing it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

EXTENDS = """
from prefiq import Entity, IDomain, ProviderBase, field, on
from prefiq_projects.project import Project


class Rate(Entity):
    name: str = field(max_length=20, unique=True)


@on.before_create(Project)
def stamp(project: Project) -> None: ...


class BillingProvider(ProviderBase):
    name = "billing"
    models = (Rate,)
    hooks = (stamp,)
"""


@pytest.fixture
def billing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module listed by import path that uses another one's model."""
    import sys

    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "acme_billing.py").write_text(EXTENDS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "acme_billing", raising=False)
    return "acme_billing:BillingProvider"


def apps_of(application: Path) -> str:
    return (application / "prefiq.toml").read_text()


def tables(application: Path) -> set[str]:
    with closing(sqlite3.connect(application / "demo.db")) as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def rows(application: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(application / "demo.db")) as database:
        return database.execute(statement).fetchall()


def data(result) -> dict:
    return json.loads(result.stdout)


# ---- plan


def test_plan_says_what_listing_would_change(within, application: Path, billing: str) -> None:
    """Models, tables, columns, routes, permissions, hooks and bindings; nothing is changed."""
    before = apps_of(application), tables(application)
    found = data(within("apps", "plan", billing, "--json"))
    assert found["ok"] is True
    added = {(one["kind"], one["name"]) for one in found["differences"] if one["deed"] == "added"}
    assert added >= {
        ("models", "billing.Rate"),
        ("fields", "billing.Rate.name"),
        ("tables", "billing_rate"),
        ("columns", "billing_rate.name"),
        ("indexes", "uq_billing_rate_name"),
        ("routes", "POST /api/billing/rates"),
        ("permissions", "billing.rate.create"),
        ("hooks", "billing.stamp before_create Project"),
        ("bindings", "billing.IDomain[Rate]"),
        ("contracts", "IDomainService[Rate]"),
    }
    assert len(added) == len(found["differences"])
    shown = within("apps", "plan", billing).stdout
    assert "tables:\n  + billing_rate\n" in shown
    assert "  + POST /api/billing/rates (permission billing.rate.create)\n" in shown
    assert (apps_of(application), tables(application)) == before


def test_plan_names_conflicts(within, billing: str, application: Path) -> None:
    """What would not fit together, with the exit code of a start that fails."""
    (application / "prefiq.toml").write_text('apps = ["masters"]\n')
    result = within("apps", "plan", billing)
    assert result.exit_code == 3
    assert "no listed module declares the model Project" in result.stdout
    assert within("apps", "plan", "nowhere").exit_code == 3
    assert within("apps", "plan", "no name").exit_code == 3


def test_plan_of_a_removal_and_of_what_is_listed(within) -> None:
    """The other way round; what is listed already changes nothing."""
    found = data(within("apps", "plan", "masters", "--remove", "--json"))
    assert {one["deed"] for one in found["differences"]} == {"removed"}
    assert within("apps", "plan", "masters").stdout.startswith("masters is listed already")
    result = within("apps", "plan", "mastres", "--remove")
    assert result.exit_code == 2
    assert 'did you mean "masters"?' in result.stderr


# ---- add


def test_add_lists_a_module(within, application: Path, billing: str) -> None:
    """In the file, with the next steps; a second time it says so."""
    result = within("apps", "add", billing)
    assert result.exit_code == 0, result.output
    assert apps_of(application).endswith(f'    "{billing}",\n]\n')
    assert result.stdout.endswith(f"{billing} is listed in prefiq.toml\nnext: prefiq run migrate\n")
    again = within("apps", "add", billing)
    assert again.stdout == f"{billing} is listed already\n"
    assert apps_of(application).count(billing) == 1


def test_add_refuses_what_does_not_fit(within, application: Path) -> None:
    """Nothing is written then."""
    before = apps_of(application)
    result = within("apps", "add", "nowhere")
    assert result.exit_code == 3
    assert "No installed package offers the app nowhere" in result.stderr
    assert apps_of(application) == before


def test_the_environment_owns_its_list(within, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editing the file would change nothing."""
    monkeypatch.setenv("APPS", "projects")
    for command in (["add", "masters"], ["remove", "projects"]):
        result = within("apps", *command)
        assert result.exit_code == 3
        assert "The list of apps comes from APPS, not from prefiq.toml (environment)" in result.stderr


# ---- remove


def test_remove_keeps_rows(within, application: Path) -> None:
    """By default the list alone changes."""
    before = tables(application)
    result = within("apps", "remove", "masters")
    assert result.exit_code == 0, result.output
    assert "kept masters_unit (" in result.stdout
    assert result.stdout.endswith("masters is no longer listed in prefiq.toml\n")
    assert '"masters"' not in apps_of(application)
    assert '"projects"' in apps_of(application)
    assert tables(application) == before
    assert rows(application, "SELECT count(*) FROM masters_unit")[0][0] > 0


def test_dry_run_changes_nothing(within, application: Path, files_of) -> None:
    """It says what would be dropped, with the rows."""
    before = files_of(application)
    result = within("apps", "remove", "masters", "--drop", "--dry-run")
    count = rows(application, "SELECT count(*) FROM masters_unit")[0][0]
    assert f"would drop masters_unit ({count} rows)\n" in result.stdout
    assert result.stdout.endswith("masters would be no longer listed in prefiq.toml\n")
    after = files_of(application)
    assert {name: text for name, text in after.items() if not name.endswith(("-wal", "-shm"))} == {
        name: text for name, text in before.items() if not name.endswith(("-wal", "-shm"))
    }


def test_archive_puts_tables_aside(within, application: Path) -> None:
    """Rows stay under another name; listing it again begins anew, and a second time takes another name."""
    units = rows(application, "SELECT * FROM masters_unit ORDER BY id")
    for prefix in ("archived_", "archived2_"):
        result = within("apps", "remove", "masters", "--archive")
        assert result.exit_code == 0, result.output
        assert f"renamed masters_unit to {prefix}masters_unit ({len(units)} rows)" in result.stdout
        assert not {name for name in tables(application) if name.startswith("masters_")}
        assert within("run", "migrate", "--check").exit_code == 0
        assert within("apps", "add", "masters").exit_code == 0
        assert within("run", "migrate").exit_code == 0, "the tables and seeds come anew"
    assert rows(application, "SELECT * FROM archived_masters_unit ORDER BY id") == units
    assert len(rows(application, "SELECT * FROM masters_unit")) == len(units)


def test_drop_drops(within, application: Path) -> None:
    """Tables, rows and history of the module, and nothing of others."""
    before = {name for name in tables(application) if not name.startswith("masters_")}
    result = within("apps", "remove", "masters", "--drop")
    assert result.exit_code == 0, result.output
    assert "dropped masters_unit (" in result.stdout
    assert tables(application) == before
    assert rows(application, "SELECT * FROM prefiq_migration WHERE module = 'masters'") == []
    assert rows(application, "SELECT * FROM prefiq_seed_record WHERE module = 'masters'") == []
    assert rows(application, "SELECT * FROM prefiq_migration WHERE module = 'projects'") != []


def test_remove_refuses_what_others_need(within, application: Path, billing: str) -> None:
    """A module that would not fit together without it stops the removal, and nothing is changed."""
    assert within("apps", "add", billing).exit_code == 0
    before = apps_of(application), tables(application)
    result = within("apps", "remove", "projects", "--drop")
    assert result.exit_code == 3
    assert "The application does not fit together without projects" in result.stderr
    assert (apps_of(application), tables(application)) == before


def test_remove_takes_out_what_is_broken(within, application: Path, tmp_path: Path) -> None:
    """The way out of a start that fails; its rows cannot be told then, so they stay."""
    (application / "prefiq.toml").write_text('apps = ["projects", "nowhere"]\n')
    refused = within("apps", "remove", "nowhere", "--drop")
    assert refused.exit_code == 3
    assert "It is not known what nowhere has in the database" in refused.stderr
    result = within("apps", "remove", "nowhere")
    assert result.exit_code == 0, result.output
    assert apps_of(application) == 'apps = ["projects"]\n'


def test_remove_makes_no_database(within, application: Path) -> None:
    """Where none was made yet there is nothing to keep."""
    (application / "demo.db").unlink()
    result = within("apps", "remove", "masters", "--drop")
    assert result.exit_code == 0, result.output
    assert not (application / "demo.db").exists()


# ---- show, graph, explain


def test_show_a_module(within, billing: str) -> None:
    """What it is and brings, also before it is listed."""
    found = data(within("apps", "show", "projects", "--json"))
    assert (found["listed"], found["distribution"]) == (True, "prefiq-projects")
    assert "projects.Project" in found["models"]
    assert found["requires"] == found["required_by"] == []
    shown = within("apps", "show", billing).stdout
    assert shown.startswith("billing: listed by import path, not listed\n")
    assert "routes:\n  GET /api/billing/rates\n" in shown
    assert within("apps", "show", "nowhere").exit_code == 3


def test_graph_and_explain(within, application: Path) -> None:
    """The same behind ``doctor boot``; a drawing may go into a file."""
    drawn = within("apps", "graph").stdout
    assert drawn.startswith("flowchart TD\n")
    assert within("doctor", "boot", "--graph", "mermaid").stdout == drawn
    picture = application / "modules.svg"
    assert within("apps", "graph", "--format", "svg", "-o", str(picture)).stdout == f"{picture}\n"
    assert picture.read_text().startswith("<svg ")
    explained = within("apps", "explain", "projects.IProject").stdout
    assert explained.startswith("IProject is answered by ProjectRepos (one per scope)\n")
    assert within("doctor", "boot", "--explain", "projects.IProject").stdout == explained
    found = data(within("apps", "explain", "IProject", "--json"))
    assert found["history"][0]["module"] == "projects"
    unknown = within("apps", "explain", "IProjct")
    assert unknown.exit_code == 3
    assert "did you mean IProject?" in unknown.stderr
    assert within("doctor", "boot", "--explain", "IClock", "--graph", "svg").exit_code == 2


# ---- lock, verify


def test_lock_and_verify(within, application: Path) -> None:
    """What is locked starts; what differs stops the start and is told."""
    assert within("apps", "verify").exit_code == 3
    result = within("apps", "lock")
    assert result.exit_code == 0, result.output
    lock = application / "apps.lock"
    assert 'distribution = "prefiq-projects"' in lock.read_text()
    verified = within("apps", "verify")
    assert (verified.exit_code, verified.stdout) == (0, "Everything is as it was locked\n")
    assert within("doctor", "boot").exit_code == 0
    lock.write_text(lock.read_text().replace('version = "', 'version = "9'))
    assert within("apps", "verify").exit_code == 3
    failed = within("doctor", "boot")
    assert failed.exit_code == 3
    assert "PFQ344" in failed.stdout
    assert "PFQ344" in within("apps", "list").stderr


def test_a_lock_is_no_obstacle_to_a_plan(within, application: Path, billing: str) -> None:
    """The list is about to change; afterwards the lock is to be written anew."""
    (application / "prefiq.toml").write_text('apps = ["projects"]\n')
    assert within("apps", "lock").exit_code == 0
    assert within("apps", "plan", "masters").exit_code == 0
    result = within("apps", "add", "masters")
    assert "next: prefiq apps lock\n" in result.stdout
    assert "PFQ345" in within("apps", "list").stderr
    assert within("apps", "lock").exit_code == 0
    assert within("apps", "list").exit_code == 0


def test_code_of_the_applications_own_folder_replaces_a_binding(process, application: Path) -> None:
    """``[replace]`` finds a module that stands beside ``prefiq.toml``; a disabled subscriber stays silent."""
    as_program = {"PYTHONSAFEPATH": "1"}  # "python -m" would put the folder on the path by itself
    (application / "acme_store.py").write_text(
        "from prefiq_projects.repository import ProjectRepos\n\n\nclass FastProjects(ProjectRepos):\n    pass\n"
    )
    with (application / "prefiq.toml").open("a") as composition:
        composition.write('disable = ["projects.tell_that_it_closed"]\n\n')
        composition.write('[replace]\n"projects.IProject" = "acme_store:FastProjects"\n')
    assert process("doctor", "boot", "--timeout", "0", cwd=application, **as_program).returncode == 0
    said = process("tenants", "create", "own", cwd=application, **as_program)
    assert said.returncode == 0, said.stderr
    code = (
        "from prefiq import IDomain\nfrom prefiq_projects import *\n"
        "projects = scope[IProjectService]\n"
        "p = projects.create(Project(code='A', name='a'))\n"
        "projects.run(Project.activate, p.id)\nprojects.run(Project.close, p.id, reason='done')\n"
        "print(type(scope[IDomain[Project]]).__name__, scope[IDomain[Message]].count())"
    )
    shown = process("shell", "--tenant", "own", "-c", code, cwd=application, **as_program)
    assert shown.stdout == "FastProjects 0\n", shown.stderr
