"""``prefiq tenants``: a tenant from its first day to its last."""

from __future__ import annotations

import json
import sys
import threading
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_server import started, token_for, until_it_listens

from prefiq.application import tenants

ACTIONS = ("suspend", "read-only", "resume", "hold", "release", "delete")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process serves, so that nobody has to be waited for."""
    monkeypatch.setattr(tenants, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture
def told(within):
    """Run a command behind ``prefiq tenants``; its JSON where it succeeds, else its error."""

    def command(*args: str, code: int = 0) -> Any:
        result = within("tenants", *args, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout if code == 0 else result.stderr)

    return command


def states(told) -> dict[str, str]:
    return {row["key"]: row["state"] for row in told("list")}


def test_states_and_life(told) -> None:
    """Each command records who ran it and why; show tells it."""
    told("suspend", "acme", "--operator", "ann", "--reason", "unpaid")
    assert told("suspend", "acme", code=1)["error"]["code"] == "PFQ514"
    told("resume", "acme", "--reason", "paid")
    told("read-only", "acme")
    assert states(told) == {"acme": "read_only"}
    assert [row["key"] for row in told("list", "--state", "read_only")] == ["acme"]
    assert told("list", "--state", "suspended") == []
    life = told("show", "acme")["life"]
    assert [(e["action"], e["state_after"]) for e in life] == [
        ("create", "provisioning"), ("activate", "active"), ("suspend", "suspended"), ("resume", "active"),
        ("read_only", "read_only"),
    ]  # fmt: skip
    assert (life[2]["operator"], life[2]["reason"]) == ("ann", "unpaid")
    assert life[3]["operator"]


def test_output_for_people(within) -> None:
    """What is, since when, and that it is in effect; show is a table of the life."""
    assert (
        within("tenants", "suspend", "acme").stdout == "acme is not served any more, in effect everywhere\n"
    )
    assert within("tenants", "resume", "acme").stdout == "acme is served again, in effect everywhere\n"
    assert within("tenants", "read-only", "acme").stdout == "acme is read-only, in effect everywhere\n"
    shown = within("tenants", "show", "acme", "--rows").stdout
    assert "state         read_only" in shown
    assert "prefiq_seed_record" in shown
    assert shown.splitlines()[-1].split()[2:4] == ["read_only", "read_only"]


@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run_changes_nothing(told, application: Path, files_of, action: str) -> None:
    """It says what would be, and refuses what would be refused."""
    if action in {"resume", "release"}:
        told("suspend", "acme")
    before = told("show", "acme")
    data = told(action, "acme", "--reason", "a try", "--dry-run")
    assert data["dry_run"]
    assert told("show", "acme") == before
    assert told(action, "nobody", "--reason", "a try", "--dry-run", code=1)["error"]["code"] == "PFQ504"


def test_dry_run_of_create(told) -> None:
    """Its form and its key are checked, and nothing is made."""
    assert told("create", "globex", "--dry-run")["state"] == "provisioning"
    assert told("create", "acme", "--dry-run", code=1)["error"]["code"] == "PFQ516"
    assert told("create", "Bad", "--dry-run", code=1)["error"]["code"] == "PFQ512"
    assert list(states(told)) == ["acme"]


def test_deletion_with_time_of_grace(within, told) -> None:
    """It shows what would go, closes the tenant, and can be taken back; --now leaves no way back."""
    shown = told("delete", "acme", "--dry-run")
    assert shown["rows"]["masters_country"] > 200
    assert states(told) == {"acme": "active"}
    began = within("tenants", "delete", "acme", "--grace", "7").stdout
    day = f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}"
    assert f"rows of acme go after {day}: run this command again then" in began
    assert "acme is not served any more, in effect everywhere" in began
    assert told("delete", "acme")["state"] == "deleting"
    told("resume", "acme")
    assert states(told) == {"acme": "active"}
    gone = within("tenants", "delete", "acme", "--now", "--reason", "left us").stdout
    assert "rows of acme are deleted" in gone
    assert "still there: backups" in gone
    assert states(told) == {"acme": "gone"}
    receipt = told("show", "acme", "--rows")
    assert receipt["rows"] == {}
    assert receipt["life"][-1]["details"]["rows"] == shown["rows"]
    assert told("create", "acme", code=1)["error"]["code"] == "PFQ516"


def test_due_deletes_all_whose_time_is_over(within, told, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is held is told and stays; the others go."""
    from prefiq.foundation import clock

    for key in ("b", "c", "d"):
        told("create", key)
    for key in ("acme", "b", "c"):
        told("delete", key, "--grace", "7")
    told("hold", "b", "--reason", "case 17")
    assert told("delete", "--due") == []
    assert "PFQ-D223" not in within("doctor", "database").output
    late = datetime.now(UTC) + timedelta(days=8)
    monkeypatch.setattr(clock.SystemClock, "now", lambda self: late)
    warned = within("doctor", "database").output
    assert "The time of grace is over, and the rows are still there: acme, b, c" in warned
    assert "prefiq tenants delete --due" in warned
    error = told("delete", "--due", code=1)["error"]
    assert [fault["code"] for fault in error["faults"]] == ["PFQ370"]
    assert states(told) == {"acme": "gone", "b": "deleting", "c": "gone", "d": "active"}


def test_hold(told) -> None:
    """A reason is wanted; the day or the release ends it."""
    assert told("hold", "acme", code=2)["error"]["code"] == "PFQ801"
    assert told("hold", "acme", "--reason", "x", "--until", "soon", code=2)["error"]["code"] == "PFQ801"
    told("hold", "acme", "--reason", "tax law", "--until", "2099-01-01")
    error = told("delete", "acme", code=1)["error"]
    assert error["code"] == "PFQ370"
    assert "until 2099-01-01" in error["what"]
    told("release", "acme")
    assert told("delete", "acme", "--dry-run")["state"] == "deleting"


@pytest.mark.parametrize(
    "args", [["delete"], ["delete", "acme", "--due"], ["delete", "--due", "--now"], ["list", "--state", "x"]]
)
def test_wrong_usage(told, args: list[str]) -> None:
    """What contradicts itself is refused before anything is opened."""
    assert told(*args, code=2)["error"]["code"] == "PFQ801"


@pytest.mark.parametrize("action", [*ACTIONS, "show"])
def test_one_tenant_of_an_installation_has_no_life(run, tmp_path: Path, action: str) -> None:
    """With TENANCY=single there is no directory to change."""
    run("new", "demo", "--apps", "")
    with (tmp_path / "demo/.env").open("a") as file:
        file.write("TENANCY=single\nTENANT=home\n")
    result = run("-C", "demo", "tenants", action, "home")
    assert (result.exit_code, "[PFQ811]" in result.stderr) == (3, True)


def test_list_is_one_document_whatever_its_length(told, within) -> None:
    """None, one, and many."""
    assert told("list", "--state", "gone") == []
    for number in range(3):
        told("create", f"t{number}")
    assert list(states(told)) == ["acme", "t0", "t1", "t2"]
    assert within("tenants", "list").stdout.splitlines()[0].split() == ["key", "name", "state"]


def test_change_is_in_effect_when_the_command_says_so(application: Path, within, process) -> None:
    """A server that had served the tenant a moment ago refuses the first request after the command."""
    import httpx2

    bearer = {"Authorization": f"Bearer {token_for(within)}"}
    arguments = ("prefiq.cli", "server", "start", "--port", "0")
    with started(*arguments, cwd=application, LOG_LEVEL="INFO") as server:
        port = int(server.wait_for(r"running on .*127\.0\.0\.1\D+(\d+)")[1])
        until_it_listens(port)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/projects", headers=bearer) as client:

            def asked() -> tuple[int, int]:
                project = {"code": f"P-{time.monotonic_ns()}", "name": "x"}
                return client.get("/projects").status_code, client.post("/projects", json=project).status_code

            def change(*args: str) -> None:
                """While others ask all the time, so that the server always remembers what it has just seen."""
                ended = threading.Event()

                def ask() -> None:
                    with httpx2.Client(base_url=client.base_url, headers=bearer) as other:
                        while not ended.wait(0.02):
                            other.get("/projects")

                asking = threading.Thread(target=ask)
                asking.start()
                done = process("tenants", *args, cwd=application)
                ended.set()
                asking.join()
                assert done.returncode == 0, done.stderr

            assert asked() == (200, 201)
            change("read-only", "acme")
            assert asked() == (200, 403)
            assert client.post("/projects", json={"code": "P-1", "name": "x"}).json()["code"] == "PFQ505"
            change("suspend", "acme")
            assert asked() == (403, 403)
            assert client.get("/projects").json()["code"] == "PFQ702"
            change("resume", "acme")
            assert asked() == (200, 201)


# ---- export


def test_export(within, told, application: Path, tmp_path: Path) -> None:
    """A file that holds what the command says, in the folder where it is run; a second one never replaces it."""
    planned = told("export", "acme", "--dry-run")
    day = f"{datetime.now(UTC):%Y%m%d}"
    assert planned["path"] == f"acme-{day}.zip"
    assert not Path(planned["path"]).exists()
    shown = within("tenants", "export", "acme", "--reason", "asked for it")
    assert shown.stdout.splitlines()[-1] == f"{planned['total']} rows of acme in acme-{day}.zip"
    with zipfile.ZipFile(tmp_path / f"acme-{day}.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["total"] == planned["total"]
    assert told("export", "acme", code=2)["error"]["code"] == "PFQ801"
    assert told("export", "acme", "--output", "nowhere/x", code=2)["error"]["code"] == "PFQ801"
    assert told("export", "nobody", "--output", "x", code=1)["error"]["code"] == "PFQ504"
    assert told("show", "acme")["life"][-1]["reason"] == "asked for it"


@pytest.mark.parametrize("format", ["json", "xlsx"])
def test_export_in_other_formats(told, tmp_path: Path, format: str) -> None:
    """Each is one file."""
    data = told("export", "acme", "--format", format, "--output", "out")
    assert (tmp_path / "out").stat().st_size > 0
    assert data["total"] > 200


def test_export_says_which_extra_a_workbook_needs(told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is opened."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    error = told("export", "acme", "--format", "xlsx", code=1)["error"]
    assert (error["code"], error["fix"]) == ("PFQ805", "pip install 'prefiq[xlsx]'")


def test_export_of_the_one_tenant(run, tmp_path: Path) -> None:
    """An installation for one tenant can be handed over as well."""
    run("new", "demo", "--apps", "masters")
    with (tmp_path / "demo/.env").open("a") as file:
        file.write("TENANCY=single\nTENANT=home\n")
    run("-C", "demo", "run", "migrate")
    result = run("-C", "demo", "tenants", "export", "home", "--format", "json", "--output", "home.json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "home.json").exists()
    assert run("-C", "demo", "tenants", "export", "other", "--output", "x").exit_code == 1


def test_development_without_a_tenant_that_is_served(application: Path) -> None:
    """The server starts all the same; there is nobody to make a token for."""
    from prefiq import Application
    from prefiq.cli.development import get_ready
    from prefiq.settings import load

    with Application.boot(load(application, {})) as app:
        app.tenants.suspend("acme")
        assert "token" in get_ready(app, "http://x")  # for a demonstration's tenant, which is made then
        for key in ("demo", "demo-two"):
            app.tenants.delete(key, now=True)
        assert get_ready(app, "http://x") == {"url": "http://x", "docs": "http://x/docs"}
