"""Each operation leads from one schema to the next, or says why it cannot."""

from __future__ import annotations

import pytest

from prefiq.migrations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    FieldState,
    IndexState,
    ModelState,
    Operation,
    RefState,
    RenameField,
    RenameModel,
    RunSteps,
    Schema,
)
from prefiq.migrations.errors import BadOperation

KEY = (FieldState("tenant_id", "str", max_length=63), FieldState("id", "uuid"))
THING = ModelState(
    "shop",
    "Thing",
    "shop_thing",
    (
        *KEY,
        FieldState("code", "str", max_length=9),
        FieldState("size", "int", nullable=True),
        FieldState("price", "decimal", precision=8, scale=2),
        FieldState("stage", "enum", values=("a", "b")),
    ),
    (IndexState("uq_code", ("tenant_id", "code"), unique=True),),
)
NOTE = ModelState(
    "shop",
    "Note",
    "shop_note",
    (*KEY, FieldState("thing_id", "uuid", ref=RefState("shop.Thing", "shop_thing"))),
)
SCHEMA = Schema((THING, NOTE))


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (CreateModel("Thing", "other", KEY), "create model Thing: it is there already"),
        (CreateModel("Other", "shop_note", KEY), "create model Other: the table shop_note is shop.Note's"),
        (CreateModel("Other", "other", KEY[1:]), "create model Other: it has no column tenant_id"),
        (CreateModel("Other", "other", (*KEY, KEY[1])), "create model Other: the field id stands twice"),
        (
            CreateModel("Other", "other", KEY, (IndexState("i", ("x",)),)),
            "create model Other: Other has no field x",
        ),
        (
            CreateModel("Other", "other", (*KEY, FieldState("x", "strng"))),  # type: ignore[arg-type]
            "create model Other: x is of no kind that there is",
        ),
        (AddField("Thing", FieldState("x", "enum")), "add field Thing.x: x has no choices"),
        (DropModel("Other"), "drop model Other: there is no model Other"),
        (DropModel("Thing"), "drop model Thing: shop.Note.thing_id refers to it"),
        (AddField("Thing", FieldState("code", "str")), "add field Thing.code: it is there already"),
        (DropField("Thing", "x"), "drop field Thing.x: Thing has no field x"),
        (DropField("Thing", "id"), "drop field Thing.id: it is part of the key"),
        (DropField("Thing", "code"), "drop field Thing.code: the index uq_code needs it"),
        (AlterField("Thing", FieldState("x", "int")), "alter field Thing.x: Thing has no field x"),
        (AlterField("Thing", FieldState("id", "str")), "alter field Thing.id: it is part of the key"),
        (
            AlterField("Thing", FieldState("code", "int")),
            "alter field Thing.code: a value of kind str is not one of kind int",
        ),
        (RenameField("Thing", "id", "key"), "rename field Thing.id to key: it is part of the key"),
        (
            RenameField("Thing", "size", "code"),
            "rename field Thing.size to code: there is a field code already",
        ),
        (RenameModel("Thing", "Note", "t"), "rename model Thing to Note: there is a model Note already"),
        (
            RenameModel("Thing", "Other", "shop_note"),
            "rename model Thing to Other: there is a table shop_note already",
        ),
        (AddIndex("Note", IndexState("uq_code", ("id",))), "add index uq_code: it is there already"),
        (AddIndex("Note", IndexState("i", ("x",))), "add index i: Note has no field x"),
        (DropIndex("Thing", "i"), "drop index i: there is no such index"),
    ],
)
def test_operation_that_does_not_fit_is_refused(operation: Operation, problem: str) -> None:
    """A typed error says what the operation wanted and why it cannot."""
    with pytest.raises(BadOperation) as caught:
        operation.change(SCHEMA, "shop")
    assert caught.value.what == f"Cannot {problem}"


@pytest.mark.parametrize(
    ("operation", "contracts"),
    [
        (CreateModel("Other", "other", KEY), False),
        (DropModel("Note"), True),
        (AddField("Thing", FieldState("x", "int", nullable=True)), False),
        (AddField("Thing", FieldState("x", "int"), fill=1), True),
        (DropField("Thing", "size"), True),
        (RenameField("Thing", "size", "length"), True),
        (RenameModel("Thing", "Affair", "shop_affair"), True),
        (AddIndex("Thing", IndexState("i", ("size",))), False),
        (AddIndex("Thing", IndexState("i", ("size",), unique=True)), True),
        (DropIndex("Thing", "uq_code"), False),
        (RunSteps(lambda steps: None), False),
        (AlterField("Thing", FieldState("size", "int"), fill=1), True),
        (AlterField("Thing", FieldState("code", "str", nullable=True, max_length=9)), False),
        (AlterField("Thing", FieldState("code", "str", max_length=10)), False),
        (AlterField("Thing", FieldState("code", "str", max_length=8)), True),
        (AlterField("Thing", FieldState("code", "text")), False),
        (AlterField("Thing", FieldState("code", "enum", values=("a",))), True),
        (AlterField("Thing", FieldState("size", "decimal", nullable=True, precision=9, scale=0)), True),
        (AlterField("Thing", FieldState("price", "decimal", precision=9, scale=2)), False),
        (AlterField("Thing", FieldState("price", "decimal", precision=7, scale=2)), True),
        (AlterField("Thing", FieldState("price", "decimal", precision=9, scale=3)), True),
        (AlterField("Thing", FieldState("stage", "enum", values=("b", "a", "c"))), False),
        (AlterField("Thing", FieldState("stage", "enum", values=("a",))), True),
        (AlterField("Note", FieldState("thing_id", "uuid")), False),
        (AlterField("Note", FieldState("thing_id", "uuid", ref=RefState("shop.Note", "shop_note"))), True),
    ],
)
def test_operation_knows_whether_older_code_still_runs(operation: Operation, contracts: bool) -> None:
    """What takes away, renames, requires or narrows contracts; what only adds room expands."""
    assert operation.contracts(SCHEMA, "shop") is contracts
    operation.change(SCHEMA, "shop")


def test_rename_of_a_field_reaches_its_indexes() -> None:
    """An index goes by the column's new name."""
    changed = RenameField("Thing", "code", "key").change(SCHEMA, "shop").get("shop.Thing")
    assert changed is not None
    assert changed.indexes == (IndexState("uq_code", ("tenant_id", "key"), unique=True),)
    assert changed.field("code") is None


def test_rename_of_a_model_reaches_those_who_refer_to_it() -> None:
    """References of other models, also of other modules, lead to the new name."""
    foreign = ModelState("other", "Bill", "other_bill", NOTE.fields)
    changed = RenameModel("Thing", "Affair", "shop_affair").change(Schema((*SCHEMA, foreign)), "shop")
    for name in ("shop.Note", "other.Bill"):
        model = changed.get(name)
        assert model is not None
        field = model.field("thing_id")
        assert field is not None
        assert field.ref == RefState("shop.Affair", "shop_affair")


def test_model_that_refers_to_itself_can_be_dropped() -> None:
    """Its own reference does not keep it."""
    knot = ModelState(
        "shop",
        "Knot",
        "shop_knot",
        (*KEY, FieldState("up_id", "uuid", ref=RefState("shop.Knot", "shop_knot"))),
    )
    assert DropModel("Knot").change(Schema((knot,)), "shop") == Schema()


def test_operation_touches_its_own_module_alone() -> None:
    """A model of the same name in another module is another model."""
    foreign = ModelState("other", "Thing", "other_thing", THING.fields)
    changed = DropField("Thing", "size").change(Schema((*SCHEMA, foreign)), "shop")
    assert changed.get("other.Thing") == foreign
