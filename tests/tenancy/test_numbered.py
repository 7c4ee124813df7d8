"""The 54 attacks of the research note: each is tried, on every engine and in both modes, or says what it waits for."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests import servers
from tests.servers import ENGINES, MODES
from tests.tenancy.numbered import ATTACKS, Place, TheyCannotLookAlike
from tests.unit.web.conftest import MastersProvider, ProjectsProvider

from prefiq.bridge import run
from prefiq.testing import make_application
from prefiq.testing.attacks.asking import asking

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
TRIED = [number for number, each in ATTACKS.items() if each.run is not None]


def at(folder: Path, engine: str, mode: str, work: Callable[[Place], T]) -> T:
    """Call a function with an application of its own, where its drivers work."""

    def within() -> T:
        with (
            servers.database(engine, mode, folder=folder) as database,
            make_application(
                folder, modules=[ProjectsProvider, MastersProvider], **database.variables()
            ) as app,
            asking(app) as asker,
        ):
            return work(Place(app, asker))

    return run(within) if mode == "async" else within()


def test_every_number_is_there() -> None:
    """None is forgotten; each is tried here or elsewhere, or waits for something that it names."""
    assert sorted(ATTACKS) == list(range(1, 55))
    assert [n for n, each in ATTACKS.items() if not (each.run or each.proofs or each.waits)] == []
    assert sum(1 for each in ATTACKS.values() if each.waits) <= 3


def test_what_is_tried_elsewhere_is_there() -> None:
    """A test that is renamed or removed takes its number along."""
    missing = []
    for number, each in ATTACKS.items():
        for proof in (*each.proofs, *each.more):
            file, _, name = proof.partition("::")
            path = ROOT / file
            if not path.exists() or (name and name not in functions_of(path)):
                missing.append((number, proof))
    assert missing == []


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if path.name == "test_attacks.py":  # it inherits its test
        found |= functions_of(ROOT / "src/prefiq/testing/tenancy_contract.py")
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_attack_gets_through(engine: str, mode: str, tmp_path: Path) -> None:
    """All that are tried here, one after the other in one application."""

    def work(place: Place) -> dict[str, list[str]]:
        found: dict[str, Any] = {}
        for number in TRIED:
            each = ATTACKS[number]
            assert each.run is not None
            found[f"{number} {each.title}"] = each.run(place)
        return {title: leaks for title, leaks in found.items() if leaks}

    assert at(tmp_path, engine, mode, work) == {}


@pytest.mark.parametrize("number", TRIED)
def test_an_attack_succeeds_where_its_guard_is_gone(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is worth something."""
    each = ATTACKS[number]
    assert each.run is not None
    assert each.guard is not None
    each.guard(monkeypatch)
    try:
        leaks = at(tmp_path, each.engine, "sync", each.run)
    except TheyCannotLookAlike as error:  # a value of one tenant's is told to the other, right at the start
        leaks = [repr(error)]
    assert leaks != []
