"""References and children while tables change: rows and references stay whole, on every engine."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from tests.engines.migration_models import NAME, shop
from tests.unit.migrations.kit import Workshop, child, model

from prefiq.errors import PrefiqError
from prefiq.lowcode import ModelMeta, children, field, index, ref
from prefiq.migrations.errors import BadOperation, RowsDoNotFit


def with_items() -> dict[str, Any]:
    item = child("Item", {"title": str})
    return {"items": (list[item], children(item))}  # type: ignore[valid-type]


def test_changing_a_parent_keeps_its_children(workshop: Workshop) -> None:
    """A table that others refer to changes: nothing cascades, and the references hold afterwards."""
    shop(workshop, NAME | with_items())
    id = workshop.put("shop_thing", name="a")
    workshop.put("shop_item", thing_id=id, position=0, title="x")
    shop(workshop, with_items(), ModelMeta(soft_delete=True))
    assert workshop.get("shop_item", "title") == ["x"]
    assert workshop.drifted() == []
    workshop.delete("shop_thing")
    assert workshop.get("shop_item", "title") == []


def test_renamed_parent_takes_its_children_along(workshop: Workshop) -> None:
    """A model is renamed: table, children's column, references of others and indexes follow; rows stay."""
    note = model("Note", {"thing_id": (UUID, ref("shop.Thing"))})
    workshop.declare("shop", model("Thing", {"code": (str, field(unique=True))} | with_items()), note)
    workshop.make("shop")
    workshop.migrate()
    id = workshop.put("shop_thing", code="a")
    workshop.put("shop_note", thing_id=id)
    workshop.put("shop_item", thing_id=id, position=0, title="x")
    note = model("Note", {"thing_id": (UUID, ref("shop.Affair"))})
    workshop.declare("shop", model("Affair", {"code": (str, field(unique=True))} | with_items()), note)
    workshop.make("shop", renames={"Thing": "Affair"})
    workshop.migrate()
    assert workshop.drifted() == []
    assert workshop.get("shop_item", "affair_id") == workshop.get("shop_affair", "id") == [id]
    with pytest.raises(PrefiqError):
        workshop.delete("shop_affair")
    shop_again = model("Thing", {"code": (str, field(unique=True))})
    workshop.declare(
        "shop", model("Affair", {"code": (str, field(unique=True))} | with_items()), note, shop_again
    )
    workshop.make("shop")
    workshop.migrate()  # every name of the old table is free
    assert workshop.drifted() == []


def test_models_that_refer_to_each_other_are_made_and_dropped(workshop: Workshop) -> None:
    """A circle of references in one module is no obstacle, on the way in and on the way out."""
    pair = [
        model("Left", {"right_id": (UUID | None, ref("shop.Right", default=None))}),
        model("Right", {"left_id": (UUID | None, ref("shop.Left", default=None))}),
    ]
    workshop.declare("shop", model("Other", NAME), *pair)
    workshop.make("shop")
    workshop.migrate()
    assert workshop.drifted() == []
    workshop.put("shop_left", right_id=None)
    workshop.declare("shop", model("Other", NAME))
    workshop.make("shop")
    workshop.migrate()
    assert workshop.drifted() == []
    assert not {"shop_left", "shop_right"} & workshop.state().keys()


def test_reference_comes_and_goes_with_its_index(workshop: Workshop) -> None:
    """To rows of the same tenant, to shared ones and to the own table; dropped, nothing of them is left."""
    other = model("Other", NAME)
    unit = model("Unit", NAME, ModelMeta(scope="shared"))
    workshop.declare("shop", other, unit, model("Thing", NAME))
    workshop.make("shop")
    workshop.migrate()
    before = workshop.state()["shop_thing"]
    id = workshop.put("shop_thing", name="a")
    more = {
        "other_id": (UUID | None, ref("shop.Other", default=None)),
        "unit_id": (UUID | None, ref("shop.Unit", default=None)),
        "parent_id": (UUID | None, ref("shop.Thing", default=None, on_delete="cascade", unique=True)),
    }
    workshop.declare("shop", other, unit, model("Thing", NAME | more))
    workshop.make("shop")
    workshop.migrate()
    assert workshop.drifted() == []
    target = {
        "other_id": workshop.put("shop_other", name="b"),
        "unit_id": workshop.put("shop_unit", name="c"),
    }
    workshop.put("shop_thing", name="d", parent_id=id, **target)
    with pytest.raises(PrefiqError):
        workshop.put("shop_thing", name="e", tenant="other", other_id=target["other_id"])
    for table in ("shop_other", "shop_unit"):
        with pytest.raises(PrefiqError):
            workshop.delete(table)
    workshop.declare("shop", other, unit, model("Thing", NAME))
    workshop.make("shop")
    workshop.migrate()
    assert workshop.state()["shop_thing"] == before
    workshop.delete("shop_other")
    assert workshop.get("shop_thing", "name") == ["a", "d"]


def test_index_of_a_reference_changes_its_kind_and_name(workshop: Workshop) -> None:
    """Plain, unique, part of a longer one, under another name: the reference is watched all the time."""
    other = model("Other", NAME)

    def thing(
        meta: ModelMeta | None = None, name: str = "other_id", renamed: str = "", **options: Any
    ) -> None:
        fields = {name: (UUID, ref("shop.Other", **options)), "size": int}
        workshop.declare("shop", other, model("Thing", fields, meta))
        workshop.make("shop", renames={f"Thing.{renamed}": name} if renamed else {})
        workshop.migrate()
        assert workshop.drifted() == []
        with pytest.raises(PrefiqError):
            workshop.put("shop_thing", size=1, **{name: UUID(int=1)})

    thing()
    target = workshop.put("shop_other", name="a")
    workshop.put("shop_thing", other_id=target, size=1)
    thing(unique=True)
    thing(meta=ModelMeta(indexes=(index("other_id", "size"),)))
    thing(name="target_id", renamed="other_id")
    thing(name="target_id", on_delete="cascade")
    assert workshop.get("shop_thing", "target_id") == [target]
    workshop.delete("shop_other")
    assert workshop.get("shop_thing", "target_id") == []


def test_reference_points_elsewhere(workshop: Workshop) -> None:
    """The old rule is gone, the new one holds."""
    pair = [model("Left", NAME), model("Right", NAME)]
    workshop.declare("shop", *pair, model("Thing", {"side_id": (UUID, ref("shop.Left"))}))
    workshop.make("shop")
    workshop.migrate()
    id = workshop.put("shop_left", name="a")
    workshop.put("shop_thing", side_id=id)
    workshop.declare("shop", *pair, model("Thing", {"side_id": (UUID, ref("shop.Right"))}))
    workshop.make("shop")
    with pytest.raises(RowsDoNotFit, match="1 row does not fit: side_id refers to rows that are not there"):
        workshop.migrate()
    workshop.put("shop_right", id=id, name="b")
    workshop.migrate()
    assert workshop.drifted() == []
    workshop.delete("shop_left")
    with pytest.raises(PrefiqError):
        workshop.delete("shop_right")


def test_value_that_refers_to_nothing_stops_the_migration(workshop: Workshop) -> None:
    """A new reference that is filled with an id which is not there is told, and nothing is kept."""
    other = model("Other", NAME)
    workshop.declare("shop", other, model("Thing", NAME))
    workshop.make("shop")
    workshop.migrate()
    workshop.put("shop_thing", name="a")
    state = workshop.state()
    workshop.declare("shop", other, model("Thing", NAME | {"other_id": (UUID, ref("shop.Other"))}))
    workshop.make("shop", fills={"Thing.other_id": UUID(int=7)})
    with pytest.raises(RowsDoNotFit) as caught:
        workshop.migrate()
    assert caught.value.what == "1 row does not fit: shop_thing refers to rows that are not there"
    assert workshop.state() == state
    workshop.put("shop_other", id=UUID(int=7), name="b")
    workshop.migrate()
    assert workshop.drifted() == []
    assert workshop.get("shop_thing", "other_id") == [UUID(int=7)]


def test_rows_of_a_module_that_is_not_listed_hold_a_table(workshop: Workshop) -> None:
    """Its tables are still there: what they refer to goes when no row refers to it, and not before."""
    workshop.declare("shop", model("Thing", NAME), model("Other", NAME))
    workshop.declare("notes", model("Note", {"thing_id": (UUID, ref("shop.Thing"))}))
    workshop.make("shop")
    workshop.make("notes")
    workshop.migrate()
    id = workshop.put("shop_thing", name="a")
    workshop.put("notes_note", thing_id=id)
    workshop.unlist("notes")
    workshop.declare("shop", model("Other", NAME))
    workshop.make("shop")
    with pytest.raises(
        RowsDoNotFit, match="1 row does not fit: notes_note refers to rows that are not there"
    ):
        workshop.migrate()
    assert "shop_thing" in workshop.state()
    workshop.rows("DELETE FROM notes_note")
    workshop.migrate()
    assert "shop_thing" not in workshop.state()
    assert "notes_note" in workshop.state()


@pytest.mark.parametrize("engine", ["postgres", "mariadb"], scope="session")
def test_servers_make_no_reference_to_what_is_yet_to_come(workshop: Workshop) -> None:
    """A file that does not name what it builds on is told so before anything happens."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.write(
        "shop",
        "0001_initial.py",
        "from prefiq.migrations import CreateModel, FieldState, Migration, RefState\n"
        "migration = Migration(1, 'initial', 'expand', operations=(\n"
        "    CreateModel('Thing', 'shop_thing', (\n"
        "        FieldState('tenant_id', 'str', max_length=63), FieldState('id', 'uuid'),\n"
        "        FieldState('other_id', 'uuid', ref=RefState('other.Other', 'other_other'))),),))\n",
    )
    with pytest.raises(BadOperation) as caught:
        workshop.migrate()
    assert str(caught.value).partition("\n")[0] == (
        "Cannot create model Thing: other_id refers to other.Other, which is not there yet: "
        "name the migration that makes it in requires (module shop, 0001_initial) [PFQ609]"
    )
    assert workshop.state() == {}
