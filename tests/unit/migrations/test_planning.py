"""A plan compares files with a database, and tells every disagreement at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import Faults
from prefiq.lowcode import field
from prefiq.migrations import check, plan, status

NAME: dict[str, Any] = {"name": (str, field(max_length=20))}


def stepped(workshop: Workshop, module: str = "shop", steps: int = 2, start: int = 0) -> None:
    """A module with so many migrations."""
    for step in range(start, steps):
        fields = {f"field_{n}": (int, field(default=n)) for n in range(step)}
        workshop.declare(module, model("Thing", NAME | fields))
        workshop.make(module)


def planned(workshop: Workshop) -> Any:
    with workshop.connect() as connection:
        return plan(workshop.parts, connection)


def problems(workshop: Workshop) -> list[str]:
    with pytest.raises(Faults) as caught:
        planned(workshop)
    return [str(fault).partition("\n")[0] for fault in caught.value.exceptions]


def test_new_database_has_everything_before_it(workshop: Workshop) -> None:
    """In order; the same as without a database at all."""
    stepped(workshop)
    titles = [stage.loaded.title for stage in planned(workshop).pending]
    assert titles == ["shop 0001_initial", "shop 0002_add_thing_field_0"]
    assert [stage.loaded.title for stage in plan(workshop.parts).pending] == titles


def test_what_is_applied_is_no_longer_pending(workshop: Workshop) -> None:
    """Only what came since."""
    stepped(workshop)
    workshop.migrate()
    stepped(workshop, steps=3, start=2)
    assert [stage.loaded.title for stage in planned(workshop).pending] == ["shop 0003_add_thing_field_1"]


def test_edited_file_is_told(workshop: Workshop) -> None:
    """The checksum of what was applied is remembered."""
    stepped(workshop)
    workshop.migrate()
    path = workshop.folder("shop") / "0001_initial.py"
    path.write_text(path.read_text().replace("max_length=20", "max_length=21"))
    assert problems(workshop) == [
        "The migration was changed after it was applied here (module shop, 0001_initial.py) [PFQ605]"
    ]


def test_other_file_under_the_number_is_told(workshop: Workshop) -> None:
    """A migration made again under another name is another migration."""
    stepped(workshop)
    workshop.migrate()
    path = workshop.folder("shop") / "0002_add_thing_field_0.py"
    text = path.read_text().replace('"add_thing_field_0"', '"other"')
    path.unlink()
    workshop.write("shop", "0002_other.py", text)
    assert problems(workshop) == [
        (
            "Another migration was applied here under this number, 0002_add_thing_field_0 "
            "(module shop, 0002_other.py) [PFQ605]"
        )
    ]


def released(workshop: Workshop, *additions: Any) -> None:
    """A database that a release migrated which has a field more for each addition, and the code before it."""
    stepped(workshop, steps=1)
    fields: dict[str, Any] = dict(NAME)
    for number, addition in enumerate(additions):
        fields[f"field_{number}"] = addition
        workshop.declare("shop", model("Thing", fields))
        workshop.make("shop")
    workshop.migrate()
    workshop.declare("shop", model("Thing", NAME))
    for number in range(len(additions)):
        (workshop.folder("shop") / f"{number + 2:04d}_add_thing_field_{number}.py").unlink()


REQUIRED: Any = (int, field(default=1))
OPTIONAL: Any = (int | None, field(default=None))


def test_database_that_newer_code_contracted_is_left_alone(workshop: Workshop) -> None:
    """The first migration that this code cannot live with is told, whatever came after it."""
    released(workshop, OPTIONAL, REQUIRED, OPTIONAL)
    assert problems(workshop) == [
        (
            "The database has migration 0003_add_thing_field_1, which contracts; "
            "the installed code ends at 0001 (module shop) [PFQ608]"
        )
    ]


def test_previous_release_runs_on_an_expanded_database(workshop: Workshop) -> None:
    """What newer code applied is noted, nothing waits, and rows can be written as before."""
    released(workshop, OPTIONAL)
    with workshop.connect() as connection:
        check(workshop.parts, connection)
        (at,) = status(workshop.parts, connection)
    assert at.applied == ("0001_initial", "0002_add_thing_field_0")
    assert at.ahead == ("0002_add_thing_field_0",)
    assert workshop.migrate() == []
    workshop.insert("shop_thing", name="a chair")


def test_hole_in_the_history_is_told(workshop: Workshop) -> None:
    """An earlier migration that is not recorded is not simply applied later."""
    stepped(workshop)
    workshop.migrate()
    workshop.rows("DELETE FROM prefiq_migration WHERE number = 1")
    assert problems(workshop) == [
        (
            "0001_initial is not recorded as applied, 0002_add_thing_field_0 is "
            "(module shop, table prefiq_migration) [PFQ622]"
        )
    ]


def test_everything_is_told_at_once(workshop: Workshop) -> None:
    """Faults of several modules and of several kinds arrive together."""
    stepped(workshop, "alpha", 1)
    stepped(workshop, "beta", 2)
    workshop.declare("gamma", model("Thing", NAME))
    workshop.make("gamma")
    workshop.migrate()
    (workshop.folder("beta") / "0002_add_thing_field_0.py").unlink()
    edited = workshop.folder("alpha") / "0001_initial.py"
    edited.write_text(edited.read_text() + "word = 1\n")
    workshop.write("gamma", "0002_broken.py", "(")
    workshop.write("gamma", "0004_more.py", "(")
    assert [line.rpartition("[")[2] for line in problems(workshop)] == [
        "PFQ601]",
        "PFQ601]",
        "PFQ603]",
        "PFQ605]",
        "PFQ608]",
    ]


def test_requirement_of_a_broken_module_is_not_told_twice(workshop: Workshop) -> None:
    """A file that cannot be read is the fault; that others need it is not another one."""
    stepped(workshop, "alpha", 1)
    stepped(workshop, "beta", 1)
    path = workshop.folder("beta") / "0001_initial.py"
    path.write_text(path.read_text().replace('"expand",\n', '"expand",\n    requires={"alpha": 1},\n', 1))
    (workshop.folder("alpha") / "0001_initial.py").write_text("(")
    assert [line.rpartition("[")[2] for line in problems(workshop)] == ["PFQ601]"]


def test_module_that_is_gone_is_an_orphan_and_no_error(workshop: Workshop) -> None:
    """Its rows and its history stay, and the others go on."""
    stepped(workshop, "alpha", 1)
    stepped(workshop, "beta", 1)
    workshop.migrate()
    del workshop.models["beta"]
    stepped(workshop, "alpha", 2)
    assert planned(workshop).orphaned_modules == ("beta",)
    workshop.migrate()
    with workshop.connect() as connection:
        alpha, beta = status(workshop.parts, connection)
    assert (alpha.module, alpha.applied, alpha.pending) == (
        "alpha",
        ("0001_initial", "0002_add_thing_field_0"),
        (),
    )
    assert (beta.module, beta.applied, beta.orphaned) == ("beta", ("0001_initial",), True)
    assert workshop.rows("SELECT count(*) FROM beta_thing") == [(0,)]


def test_module_that_comes_back_is_where_it_was(workshop: Workshop) -> None:
    """Listing it again finds its history."""
    stepped(workshop, "alpha", 1)
    stepped(workshop, "beta", 1)
    workshop.migrate()
    beta = workshop.models.pop("beta")
    planned(workshop)
    workshop.models["beta"] = beta
    assert planned(workshop).pending == ()


def test_schema_is_what_was_applied_whatever_waits(workshop: Workshop) -> None:
    """A migration that waits in an earlier module is no part of the tables that are there."""
    stepped(workshop, "alpha", 1)
    stepped(workshop, "beta", 1)
    workshop.migrate()
    stepped(workshop, "alpha", 2, start=1)
    found = planned(workshop)
    assert [stage.loaded.title for stage in found.pending] == ["alpha 0002_add_thing_field_0"]
    thing = found.schema.get("alpha.Thing")
    assert thing is not None
    assert thing.field("field_0") is None
    assert found.pending[0].before == found.schema
