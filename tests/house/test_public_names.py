"""What a room offers is exactly what its ``__all__`` says."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import types
from pathlib import Path

import pytest

import prefiq

ROOMS = sorted(f"prefiq.{room.name}" for room in pkgutil.iter_modules(prefiq.__path__))
SOURCE = Path(inspect.getfile(prefiq))


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions; each by alphabet."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name.lstrip("_")[:1].isupper() else 2
    return kind, name


def imported_for_checkers() -> dict[str, str]:
    """Name to room, from the block that only type checkers read."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    found |= {name.name: statement.module.removeprefix("prefiq.") for name in statement.names}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_all_is_what_can_be_imported(room: str) -> None:
    """``__all__`` lists every public name of the room, sorted, and nothing else."""
    module = importlib.import_module(room)
    listed = list(module.__all__)
    assert listed == sorted(listed, key=order)
    assert len(listed) == len(set(listed))
    for name in listed:
        assert getattr(module, name) is not None
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name != "TYPE_CHECKING"
        and str(getattr(value, "__module__", room)).startswith("prefiq")
    }
    assert public - set(listed) == set()


def test_root_table_and_checkers_agree() -> None:
    """The lazy table, the block for type checkers and ``__all__`` name the same things."""
    assert imported_for_checkers() == prefiq._ROOMS
    assert sorted(prefiq._ROOMS, key=order) == prefiq.__all__


@pytest.mark.parametrize("name", prefiq.__all__)
def test_root_name_is_the_rooms_own(name: str) -> None:
    """``prefiq.X`` is the very object of the room, and the room offers it."""
    room = importlib.import_module(f"prefiq.{prefiq._ROOMS[name]}")
    assert getattr(prefiq, name) is getattr(room, name)
    assert name in room.__all__
    assert name in dir(prefiq)


def test_root_offers_every_contract() -> None:
    """Contracts are what modules meet at; the root has them all."""
    contracts = importlib.import_module("prefiq.contracts")
    assert set(contracts.__all__) <= set(prefiq.__all__)


def test_root_knows_its_version() -> None:
    """The version is the installed distribution's."""
    from importlib.metadata import version

    assert prefiq.__version__ == version("prefiq")
    assert "__version__" in dir(prefiq)


def test_root_refuses_a_misspelt_name() -> None:
    """An unknown name is an ``AttributeError`` that repeats it, as for any module."""
    with pytest.raises(AttributeError, match=r"^module 'prefiq' has no attribute 'Entitty'$"):
        getattr(prefiq, "Entitty")  # noqa: B009 - a type checker refuses it as well
