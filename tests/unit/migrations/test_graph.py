"""Migrations of several modules have one order, and the operations in them fit each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiq.migrations import AddField, CreateModel, DropModel, FieldState, LoadedMigration, Migration, Schema
from prefiq.migrations.errors import BadOperation, BrokenMigration, MigrationCycle, MissingRequirement
from prefiq.migrations.graph import in_order, play

THING = CreateModel("Thing", "shop_thing", (FieldState("tenant_id", "str"), FieldState("id", "uuid")))


def loaded(
    module: str, number: int, *operations: Any, phase: Any = "expand", **requires: int
) -> LoadedMigration:
    return LoadedMigration(module, Migration(number, "x", phase, requires, operations), "")


def titles(order: list[LoadedMigration]) -> list[str]:
    return [f"{found.module}{found.migration.number}" for found in order]


def test_modules_keep_their_order_where_nothing_requires_another() -> None:
    """All of the first module, then all of the second."""
    order, faults = in_order(
        {
            "b": [loaded("b", 1), loaded("b", 2)],
            "a": [loaded("a", 1), loaded("a", 2)],
        }
    )
    assert (titles(order), faults) == (["b1", "b2", "a1", "a2"], [])


def test_what_is_required_comes_before() -> None:
    """A requirement reaches over the order of modules, and only as far as it must."""
    order, faults = in_order(
        {
            "b": [loaded("b", 1), loaded("b", 2, a=1), loaded("b", 3)],
            "a": [loaded("a", 1, b=1), loaded("a", 2)],
        }
    )
    assert (titles(order), faults) == (["b1", "a1", "b2", "b3", "a2"], [])


@given(st.data())
def test_order_holds_every_requirement(data: Any) -> None:
    """Whatever can be ordered stands behind all that it requires, each exactly once."""
    modules = ["m0", "m1", "m2"]
    lengths = {module: data.draw(st.integers(0, 4)) for module in modules}
    migrations = {
        module: [
            loaded(
                module,
                number,
                **{
                    other: data.draw(st.integers(1, lengths[other]))
                    for other in modules
                    if other != module and lengths[other] and data.draw(st.booleans())
                },
            )
            for number in range(1, lengths[module] + 1)
        ]
        for module in modules
    }
    order, faults = in_order(migrations)
    place = {found.key: at for at, found in enumerate(order)}
    assert len(place) == len(order)
    for found in order:
        before = [*found.migration.requires.items(), (found.module, found.migration.number - 1)]
        for key in before:
            if key[1]:
                assert place[key] < place[found.key]
    assert [type(fault) for fault in faults] == (
        [] if len(order) == sum(lengths.values()) else [MigrationCycle]
    )


@pytest.mark.parametrize(
    ("others", "what", "fix"),
    [
        ({}, "The module masters is required and not listed", "install masters and list it in APPS"),
        (
            {"masters": []},
            "The module masters is required and has no migrations",
            "run prefiq lowcode makemigrations masters first",
        ),
        (
            {"masters": [loaded("masters", 1)]},
            "Migration 0002 of masters is required, the installed one ends at 0001",
            "upgrade the package of masters",
        ),
    ],
)
def test_missing_requirement_says_what_to_do(
    others: dict[str, list[LoadedMigration]], what: str, fix: str
) -> None:
    """Not listed, without migrations, too old: three answers."""
    _, (fault,) = in_order({**others, "shop": [loaded("shop", 1, masters=2)]})
    assert isinstance(fault, MissingRequirement)
    assert (fault.what, fault.where, fault.fix) == (what, "module shop, 0001_x.py", fix)


def test_circle_is_told_as_a_path() -> None:
    """Migrations that wait for each other are named in order; those outside the circle are not."""
    order, (fault,) = in_order(
        {
            "a": [loaded("a", 1), loaded("a", 2, b=1), loaded("a", 3)],
            "b": [loaded("b", 1, a=2)],
        }
    )
    assert titles(order) == ["a1"]
    assert fault.what == "Migrations require each other: a 0002_x → b 0001_x → a 0002_x"


def test_schema_before_and_after_each_migration() -> None:
    """A stage holds the tables of all modules around it."""
    stages, faults = play([loaded("shop", 1, THING), loaded("shop", 2, DropModel("Thing"), phase="contract")])
    assert faults == []
    assert [len(stage.before.models) for stage in stages] == [0, 1]
    assert stages[1].after == Schema()


def test_every_module_tells_its_first_misfit() -> None:
    """One error for each module: what follows a misfit would only repeat it."""
    stages, faults = play(
        [
            loaded("shop", 1, DropModel("Thing"), phase="contract"),
            loaded("shop", 2, DropModel("Other"), phase="contract"),
            loaded("bill", 1, DropModel("Bill"), phase="contract"),
        ]
    )
    assert stages == []
    assert [str(fault).partition("\n")[0] for fault in faults] == [
        "Cannot drop model Thing: there is no model Thing (module shop, 0001_x.py) [PFQ609]",
        "Cannot drop model Bill: there is no model Bill (module bill, 0001_x.py) [PFQ609]",
    ]
    assert all(isinstance(fault, BadOperation) for fault in faults)


def test_phase_may_not_promise_too_much() -> None:
    """A migration that says expand and drops something is refused."""
    _, (fault,) = play([loaded("shop", 1, THING, DropModel("Thing"))])
    assert isinstance(fault, BrokenMigration)
    assert fault.problem == 'its phase is "contract", since it would drop model Thing'


def test_operation_with_a_wrong_kind_of_value_is_a_fault() -> None:
    """A mistake in a file is never a traceback of ours."""
    _, (fault,) = play([loaded("shop", 1, THING, AddField("Thing", "size"))])  # type: ignore[arg-type]
    assert isinstance(fault, BrokenMigration)
    assert fault.problem == "its operation 2, AddField, has values of a wrong kind"
