"""Starting is cheap: what a process does not use, it does not load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "asyncio",
    "click",
    "dependency_injector",
    "jinja2",
    "msgspec",
    "pluggy",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a new process holds after running ``code``."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_prefiq_loads_nothing_heavy() -> None:
    """``import prefiq`` brings in no library that a room is built on."""
    loaded = loaded_by("import prefiq")
    assert "prefiq" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", ["PrefiqError", "IClock", "Page", "Scope"])
def test_contracts_load_nothing_heavy(name: str) -> None:
    """A name of the lowest rooms, used through the root, costs those rooms alone."""
    assert loaded_by(f"from prefiq import {name}") & HEAVY == set()


def test_heavy_list_would_notice() -> None:
    """The measurement sees a library that is loaded."""
    assert loaded_by("import prefiq, pluggy") & HEAVY == {"pluggy"}
