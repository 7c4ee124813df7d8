"""In development the database follows the declarations, and later adopts the file that says the same; on every engine."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import Faults
from prefiq.lowcode import ModelMeta, field, ref
from prefiq.migrations import (
    Developed,
    GivenRenames,
    migrate_from_declarations,
    plan,
    status,
)

NAME: dict[str, Any] = {"name": (str, field(max_length=20))}


def develop(workshop: Workshop, **options: Any) -> Developed:
    with workshop.connect() as connection:
        return migrate_from_declarations(workshop.parts, workshop.catalog, connection, **options)


def declare(workshop: Workshop, **fields: Any) -> None:
    workshop.declare("shop", model("Thing", NAME | fields))


def told(caught: pytest.ExceptionInfo[Faults]) -> list[str]:
    return [str(fault).partition("\n")[0] for fault in caught.value.exceptions]


def test_tables_come_without_files(workshop: Workshop) -> None:
    """A first start makes the tables; a second finds nothing to do; no file appears."""
    declare(workshop)
    assert develop(workshop).changed == (("shop", "create model Thing"),)
    assert workshop.drifted() == []
    assert not develop(workshop)
    assert not workshop.folder("shop").exists()


def test_change_keeps_the_rows(workshop: Workshop) -> None:
    """A new field is filled with its default."""
    declare(workshop)
    develop(workshop)
    workshop.put("shop_thing", name="a")
    declare(workshop, size=(int, field(default=2)))
    assert develop(workshop).changed == (("shop", "add field Thing.size"),)
    assert workshop.rows("SELECT name, size FROM shop_thing") == [("a", 2)]
    assert workshop.drifted() == []


def test_file_made_later_is_adopted(workshop: Workshop) -> None:
    """Several changes become one file, which the development database records without running it."""
    declare(workshop)
    develop(workshop)
    declare(workshop, size=(int, field(default=2)))
    develop(workshop)
    assert [path.name for path in workshop.make("shop")][:1] == ["0001_initial.py"]
    with workshop.connect() as connection:
        assert plan(workshop.parts, connection).adopted == {("shop", 1)}
        assert status(workshop.parts, connection)[0].development
    assert [(done.loaded.label, done.adopted) for done in workshop.migrate()] == [("0001_initial", True)]
    assert workshop.rows("SELECT * FROM prefiq_development") == []
    assert workshop.migrate() == []
    assert not develop(workshop)
    assert workshop.drifted() == []


def test_several_files_are_adopted_up_to_where_the_database_stands(workshop: Workshop) -> None:
    """What came after is applied as usual."""
    declare(workshop)
    workshop.make("shop")
    declare(workshop, size=(int, field(default=2)))
    workshop.make("shop")
    files = workshop.folder("shop").rename(workshop.root / "aside")
    develop(workshop)
    files.rename(workshop.folder("shop"))
    declare(workshop, size=(int, field(default=2)), weight=(float | None, field(default=None)))
    workshop.make("shop")
    assert [(done.loaded.migration.number, done.adopted) for done in workshop.migrate()] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert workshop.drifted() == []


def test_server_adopts_as_well(workshop: Workshop) -> None:
    """Starting the server after ``makemigrations`` records the file."""
    declare(workshop)
    develop(workshop)
    workshop.make("shop")
    assert [done.adopted for done in develop(workshop).applied] == [True]
    assert workshop.rows("SELECT * FROM prefiq_development") == []


def test_files_come_before_declarations(workshop: Workshop) -> None:
    """Modules that have migrations are migrated by them, and follow their declarations from there."""
    declare(workshop)
    workshop.make("shop")
    declare(workshop, size=(int, field(default=2)))
    done = develop(workshop)
    assert [one.loaded.label for one in done.applied] == ["0001_initial"]
    assert done.changed == (("shop", "add field Thing.size"),)
    assert [path.name for path in workshop.make("shop")][:1] == ["0002_add_thing_size.py"]
    assert [one.adopted for one in workshop.migrate()] == [True]


def test_database_beside_the_way_of_the_files_is_told(workshop: Workshop) -> None:
    """Files that lead elsewhere are not run on it; the server brings it to the declarations, and it is adopted."""
    declare(workshop)
    workshop.make("shop")
    declare(workshop, size=(int | None, field(default=None)))
    develop(workshop)
    declare(workshop, size=(int | None, field(default=None)), weight=(float | None, field(default=None)))
    workshop.make("shop")
    with pytest.raises(Faults) as caught:
        workshop.migrate()
    assert told(caught) == [
        (
            "The development database is not where the migrations lead: add field Thing.weight "
            "(module shop) [PFQ620]"
        )
    ]
    with workshop.connect() as connection:
        assert status(workshop.parts, connection)[0].pending == ("0002_add_thing_size_and_more",)
    develop(workshop)
    assert [done.adopted for done in workshop.migrate()] == [True]
    assert workshop.drifted() == []


def test_what_holds_something_is_not_dropped(workshop: Workshop) -> None:
    """Every loss is told, nothing happens; empty columns and tables may go."""
    note = model("Note", NAME)
    workshop.declare(
        "shop",
        model(
            "Thing", NAME | {"a": (int | None, field(default=None)), "b": (int | None, field(default=None))}
        ),
        note,
    )
    develop(workshop)
    workshop.put("shop_thing", name="x", a=1, b=None)
    workshop.put("shop_note", name="x")
    state = workshop.state()
    declare(workshop, c=(int | None, field(default=None)))
    with pytest.raises(Faults) as caught:
        develop(workshop)
    assert told(caught) == [
        "To drop field Thing.a would lose what is stored in it (module shop) [PFQ613]",
        "To drop model Note would lose what is stored in it (module shop) [PFQ613]",
    ]
    assert workshop.state() == state
    assert len(develop(workshop, allow_destructive=True).changed) == 4
    assert workshop.rows("SELECT name FROM shop_thing") == [("x",)]
    assert workshop.drifted() == []


def test_empty_things_may_be_dropped(workshop: Workshop) -> None:
    """A table without rows and a column without values lose nothing."""
    workshop.declare(
        "shop", model("Thing", NAME | {"a": (int | None, field(default=None))}), model("Note", NAME)
    )
    develop(workshop)
    workshop.put("shop_thing", name="x", a=None)
    declare(workshop)
    assert [title for _, title in develop(workshop).changed] == ["drop field Thing.a", "drop model Note"]


def test_required_field_needs_no_default_in_an_empty_table(workshop: Workshop) -> None:
    """With rows it does, and the error is the one of ``makemigrations``."""
    declare(workshop)
    develop(workshop)
    declare(workshop, size=int)
    develop(workshop)
    workshop.put("shop_thing", name="x", size=1)
    declare(workshop, size=int, weight=float)
    with pytest.raises(Faults) as caught:
        develop(workshop)
    assert told(caught) == ["Rows that exist would have no value (shop.Thing.weight) [PFQ611]"]


def test_rename_can_be_told(workshop: Workshop) -> None:
    """The same renames as for ``makemigrations``."""
    declare(workshop)
    develop(workshop)
    workshop.put("shop_thing", name="x")
    workshop.declare("shop", model("Thing", {"title": NAME["name"]}))
    develop(workshop, renames=GivenRenames({"Thing.name": "title"}))
    assert workshop.rows("SELECT title FROM shop_thing") == [("x",)]


def test_change_that_is_taken_back_is_forgotten(workshop: Workshop) -> None:
    """A database that stands where its files lead again is an ordinary one."""
    declare(workshop)
    workshop.make("shop")
    workshop.migrate()
    declare(workshop, size=(int | None, field(default=None)))
    develop(workshop)
    declare(workshop)
    develop(workshop)
    assert workshop.rows("SELECT * FROM prefiq_development") == []


def test_modules_change_together_or_not_at_all(workshop: Workshop) -> None:
    """What one module cannot do holds back the others, too."""
    workshop.declare("alpha", model("Thing", NAME))
    workshop.declare("beta", model("Thing", NAME))
    develop(workshop)
    workshop.put("beta_thing", name="x")
    workshop.declare("alpha", model("Thing", NAME), model("More", NAME))
    workshop.declare("beta", model("Thing", {"other": (int | None, field(default=None))}))
    with pytest.raises(Faults):
        develop(workshop)
    assert "alpha_more" not in workshop.state()


def test_workers_that_start_at_once_change_once(workshop: Workshop) -> None:
    """Several processes of one server may all try; one does it."""
    declare(workshop)
    catalog, parts = workshop.catalog, workshop.parts
    results: list[Developed | BaseException] = []
    ready = threading.Barrier(3, timeout=30)

    def start() -> None:
        try:
            with workshop.connect() as connection:
                ready.wait()
                results.append(migrate_from_declarations(parts, catalog, connection))
        except BaseException as error:  # noqa: BLE001
            results.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = [result for result in results if not isinstance(result, Developed)]
    assert failures == []
    assert sorted(len(result.changed) for result in results if isinstance(result, Developed)) == [0, 0, 1]


def test_shared_models_follow_too(workshop: Workshop) -> None:
    """Tables of all tenants are no exception."""
    workshop.declare("shop", model("Unit", NAME, ModelMeta(scope="shared")))
    develop(workshop)
    workshop.put("shop_unit", tenant="", name="x")
    workshop.declare(
        "shop", model("Unit", NAME | {"size": (int, field(default=1))}, ModelMeta(scope="shared"))
    )
    develop(workshop)
    assert workshop.rows("SELECT name, size FROM shop_unit") == [("x", 1)]
    assert workshop.drifted() == []


def test_modules_that_refer_to_each_other_follow(workshop: Workshop) -> None:
    """Whatever their order: a reference to what is yet to come is added once that is there."""

    def pair(**more: Any) -> None:
        far = {"far_id": (UUID | None, ref("beta.Far", default=None))}
        near = {"near_id": (UUID | None, ref("alpha.Near", default=None))}
        workshop.models["alpha"] = [model("Near", NAME | far | more)]
        workshop.models["beta"] = [model("Far", NAME | near)]

    workshop.declare("alpha", model("Near", NAME))
    workshop.declare("beta", model("Far", NAME))
    pair()
    develop(workshop)
    assert workshop.drifted() == []
    assert not develop(workshop)
    pair(other_id=(UUID | None, ref("beta.Far", default=None)))
    develop(workshop)
    assert workshop.drifted() == []


def test_what_goes_under_a_new_name_is_looked_for_under_the_old_one(workshop: Workshop) -> None:
    """A model is renamed and loses a field in one go."""
    declare(workshop, size=(int | None, field(default=None)))
    develop(workshop)
    workshop.put("shop_thing", name="x", size=1)
    workshop.declare("shop", model("Affair", NAME))
    with pytest.raises(Faults) as caught:
        develop(workshop, renames={"Thing": "Affair"})
    assert told(caught) == [
        "To drop field Affair.size would lose what is stored in it (module shop) [PFQ613]"
    ]
    develop(workshop, renames={"Thing": "Affair"}, allow_destructive=True)
    assert workshop.get("shop_affair", "name") == ["x"]
    assert workshop.drifted() == []
