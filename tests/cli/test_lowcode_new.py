"""``prefiq lowcode new``: a model in the application, in one command."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

FIELDS = "number:str! total:decimal(12,2) status:draft>sent>paid"


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """What an application brings into this process goes with it."""
    before, path = dict(sys.modules), sys.path[:]
    yield
    for name in sys.modules.keys() - before.keys():
        if name.startswith("billing"):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def folder(run, tmp_path: Path) -> Path:
    """A new application without modules."""
    assert run("new", "demo", "--apps", "").exit_code == 0
    return tmp_path / "demo"


def state(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, without caches."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_model_is_written_listed_and_accepted(run, folder: Path) -> None:
    """The difference is shown, the file made, the list extended; the application boots with it."""
    result = run("-C", str(folder), "lowcode", "new", "billing", "--fields", FIELDS)
    assert result.exit_code == 0, result.output
    assert "+++ b/billing.py" in result.stdout
    assert tomllib.loads((folder / "prefiq.toml").read_text()) == {"apps": ["billing:BillingProvider"]}
    result = run("-C", str(folder), "doctor", "boot")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 modules, 6 models")  # five are the core's


def test_again_changes_nothing(run, folder: Path) -> None:
    """The same command is without effect; another one never replaces the file."""
    assert run("-C", str(folder), "lowcode", "new", "model", "billing", "--fields", FIELDS).exit_code == 0
    before = state(folder)
    again = run("-C", str(folder), "lowcode", "new", "billing", "--fields", FIELDS)
    assert (again.exit_code, again.stdout) == (0, "billing: nothing changed\n")
    other = run("-C", str(folder), "lowcode", "new", "billing", "--fields", "number:str")
    assert other.exit_code == 1
    assert "[PFQ841]" in other.stderr
    assert state(folder) == before


def test_a_dry_run_writes_nothing(run, folder: Path) -> None:
    """It tells the files with their differences, as data as well."""
    before = state(folder)
    result = run("-C", str(folder), "lowcode", "new", "billing", "--fields", FIELDS, "--dry-run", "--json")
    data = json.loads(result.stdout)
    assert [(one["path"], one["deed"]) for one in data["files"]] == [
        ("prefiq.toml", "change"),
        ("billing.py", "create"),
    ]
    assert data["path"] == "/api/billing/billings"
    assert state(folder) == before


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("json", "a:str", "PFQ844"),  # Python's own
        ("pytest", "a:str", "PFQ844"),  # an installed package
        ("entity", "a:str", "PFQ844"),  # its class would hide the one that it derives from
        ("billing", "provider:a|b", "PFQ844"),
        ("../billing", "a:str", "PFQ844"),
        ("class", "a:str", "PFQ844"),
        ("billing", "a:strr", "PFQ843"),
        ("billing", "a:ref(crm.Customer)", "PFQ201"),
    ],
)
def test_bad_input_is_one_block(run, folder: Path, name: str, fields: str, code: str) -> None:
    """Nothing is written."""
    before = state(folder)
    result = run("-C", str(folder), "lowcode", "new", name, "--fields", fields)
    assert result.exit_code in {2, 3}
    assert f"[{code}]" in result.stderr
    assert "Traceback" not in result.output
    assert state(folder) == before


def test_outside_of_an_application(run) -> None:
    """It says so."""
    assert "[PFQ803]" in run("lowcode", "new", "billing", "--fields", "a:str").stderr
