"""The way from one schema to another, asked about renames and honest about what it cannot do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from tests.unit.migrations.kit import child, model

from prefiq.errors import PrefiqError
from prefiq.lowcode import Catalog, ModelMeta, children, field, ref
from prefiq.migrations import (
    AddField,
    AddIndex,
    AlterField,
    DropField,
    DropIndex,
    DropModel,
    FieldState,
    GivenRenames,
    IndexState,
    LikelyRenames,
    Operation,
    Renamed,
    RenameField,
    RenameModel,
    Schema,
    diff,
    schema_of,
)
from prefiq.migrations.diff import Fill
from prefiq.migrations.errors import NeedsDefault, UnsupportedChange


def schema(*models: type) -> Schema:
    return schema_of(Catalog.build({"shop": models}))


def thing(fields: dict[str, Any], **options: Any) -> Schema:
    return schema(model("Thing", fields, ModelMeta(**options)))


def arrives(before: Schema, after: Schema, operations: list[Operation]) -> bool:
    for operation in operations:
        before = operation.change(before, "shop")
    return before.same_as(after)


def compared(before: Schema, after: Schema, **options: Any) -> tuple[list[Operation], list[PrefiqError]]:
    operations, faults = diff(before, after, **options)
    assert faults or arrives(before, after, operations)
    return operations, faults


def test_equal_schemas_differ_in_nothing() -> None:
    """No operation, whatever the order of columns."""
    assert compared(thing({"a": str, "b": int}), thing({"b": int, "a": str})) == ([], [])


def test_labels_and_limits_of_values_do_not_reach_the_database() -> None:
    """What only code checks makes no migration."""
    plain = thing({"a": int})
    assert compared(plain, thing({"a": (int, field(ge=1, label="A", sort=True, validators=()))})) == ([], [])


def test_index_changes_go_around_the_fields() -> None:
    """Indexes are dropped before and made after the columns they need."""
    operations, _ = compared(
        thing({"a": (str, field(index=True))}), thing({"b": (str | None, field(index=True, default=None))})
    )
    assert [type(operation) for operation in operations] == [DropIndex, AddField, DropField, AddIndex]


def test_required_field_without_default_is_refused() -> None:
    """The error says what to do, and names a dropped field that looks like the same."""
    _, faults = compared(thing({"a": str}), thing({"b": str, "c": int}))
    assert [str(fault) for fault in faults] == [
        (
            "Rows that exist would have no value (shop.Thing.b) [PFQ611]\n"
            "  Try: give a default, make it nullable, or give those rows a value: --fill Thing.b=VALUE; "
            "if it is the new name of shop.Thing.a: --rename Thing.a=b"
        ),
        (
            "Rows that exist would have no value (shop.Thing.c) [PFQ611]\n"
            "  Try: give a default, make it nullable, or give those rows a value: --fill Thing.c=VALUE"
        ),
    ]


def test_field_that_becomes_required_needs_a_default_too() -> None:
    """Rows may hold nothing in it."""
    _, (fault,) = compared(thing({"a": (str | None, field(default=None))}), thing({"a": str}))
    assert isinstance(fault, NeedsDefault)
    assert fault.fix == "give a default, make it nullable, or give those rows a value: --fill Thing.a=VALUE"


def test_default_fills_and_a_reason_is_passed_on() -> None:
    """The value goes into the operation; why there is none goes into the error."""
    key = ("shop.Thing", "b")
    before, after = thing({"a": str}), thing({"a": str, "b": int})
    operations, _ = compared(before, after, fills={key: Fill(3)})
    assert operations == [AddField("Thing", FieldState("b", "int"), 3)]
    _, (fault,) = compared(before, after, fills={key: Fill(reason="it rains")})
    assert fault.what == "Rows that exist would have no value: it rains"


def test_empty_table_needs_no_default() -> None:
    """Where a table is known to hold nothing, nothing is to be filled."""
    operations, faults = compared(thing({"a": str}), thing({"a": str, "b": int}), is_empty=lambda table: True)
    assert faults == []
    assert operations == [AddField("Thing", FieldState("b", "int"))]


def test_change_of_kind_is_refused() -> None:
    """Text does not become a number by itself."""
    _, (fault,) = compared(thing({"a": str}), thing({"a": int}))
    assert isinstance(fault, UnsupportedChange)
    assert str(fault) == (
        "The change cannot be made by itself: a value of kind str is not one of kind int (shop.Thing.a) [PFQ612]\n"
        "  Try: add a new field, fill it with RunSteps, then drop the old one"
    )


def test_change_of_scope_is_refused() -> None:
    """Rows of tenants do not become everybody's."""
    _, (fault,) = compared(thing({"a": str}), thing({"a": str}, scope="shared"))
    assert fault.what == "The change cannot be made by itself: its scope cannot change"


class TestRenames:
    def test_likely_ones_are_asked_for(self) -> None:
        """A dropped and an added field of one kind are a question; others are marked as unlikely."""
        asked: list[Renamed] = []

        def ask(renamed: Renamed) -> bool:
            asked.append(renamed)
            return renamed.likely

        operations, _ = compared(
            thing({"a": (str, field(max_length=9)), "n": int}),
            thing({"b": (str, field(max_length=9)), "d": bool}),
            renames=ask,
            fills={("shop.Thing", "d"): Fill(value=True)},
        )
        assert Renamed("shop.Thing", "a", "b", likely=True) in asked
        assert asked[0].question == "Was shop.Thing.a renamed to shop.Thing.b?"
        assert operations == [
            RenameField("Thing", "a", "b"),
            AddField("Thing", FieldState("d", "bool"), fill=True),
            DropField("Thing", "n"),
        ]

    def test_exact_likeness_is_asked_first(self) -> None:
        """Of several candidates, the one that differs in its name alone comes first."""
        asked: list[str] = []

        def ask(renamed: Renamed) -> bool:
            asked.append(f"{renamed.old}>{renamed.new}")
            return True

        compared(
            thing({"a": (str, field(max_length=9)), "b": (str, field(max_length=5))}),
            thing({"c": (str, field(max_length=5)), "d": (str, field(max_length=9))}),
            renames=ask,
        )
        assert sorted(asked) == ["a>d", "b>c"]

    def test_renamed_and_altered_at_once(self) -> None:
        """A field may be renamed and changed in one go."""
        operations, _ = compared(
            thing({"a": (str, field(max_length=9))}),
            thing({"b": (str, field(max_length=12))}),
            renames=lambda _: True,
        )
        assert operations == [
            RenameField("Thing", "a", "b"),
            AlterField("Thing", FieldState("b", "str", max_length=12)),
        ]

    def test_nothing_is_renamed_unasked(self) -> None:
        """Without an answer it is dropped and added."""
        operations, _ = compared(thing({"a": str}), thing({"b": (str | None, field(default=None))}))
        assert [type(operation) for operation in operations] == [AddField, DropField]

    def test_model_is_renamed_with_all_that_hangs_on_it(self) -> None:
        """Children's column of the parent follows unasked; references lead to the new name."""
        item = child("Item", {"title": str})
        items = (list[item], children(item))  # type: ignore[valid-type]
        before = schema(
            model("Thing", {"items": items}), model("Note", {"thing_id": (UUID, ref("shop.Thing"))})
        )
        item = child("Item", {"title": str})
        items = (list[item], children(item))  # type: ignore[valid-type]
        after = schema(
            model("Affair", {"items": items}), model("Note", {"thing_id": (UUID, ref("shop.Affair"))})
        )
        asked: list[str] = []

        def ask(renamed: Renamed) -> bool:
            asked.append(renamed.question)
            return True

        operations, faults = compared(before, after, renames=ask)
        assert faults == []
        assert asked == ["Was shop.Thing renamed to shop.Affair?"]
        assert operations[0] == RenameModel("Thing", "Affair", "shop_affair")
        assert RenameField("Item", "thing_id", "affair_id") in operations
        assert not [one for one in operations if isinstance(one, (AddField, DropField, DropModel))]

    def test_given_ones_are_taken_by_either_name(self) -> None:
        """``Model.field`` and ``module.Model.field``, new names bare or qualified."""
        before, after = thing({"a": str}), thing({"b": str})
        for given in ({"Thing.a": "b"}, {"shop.Thing.a": "Thing.b"}):
            renames = GivenRenames(given)
            assert compared(before, after, renames=renames)[0][-1] == RenameField("Thing", "a", "b")
            assert list(renames.check()) == []

    def test_given_one_that_fits_nothing_is_an_error(self) -> None:
        """A misspelt rename is told, or values would be dropped."""
        renames = GivenRenames({"Thing.aa": "b"})
        compared(thing({"a": str}), thing({"b": (str | None, field(default=None))}), renames=renames)
        assert [fault.what for fault in renames.check()] == [
            "Cannot rename Thing.aa to b: no such field or model went while such a one came"
        ]

    def test_likely_ones_that_nobody_gave_are_remembered(self) -> None:
        """Each name once, the most alike first, without what was given; different things are not alike."""
        text = (str | None, field(default=None))
        before = thing({"a": (str, field(max_length=9)), "b": int, "c": str, "d": bool})
        after = thing({"e": text, "f": (int | None, field(default=None)), "g": text, "h": text})
        renames = LikelyRenames({"Thing.c": "h"})
        compared(before, after, renames=renames)
        assert renames.likely == [("Thing.a", "Thing.e"), ("Thing.b", "Thing.f")]

    def test_likely_models_are_remembered(self) -> None:
        """By their names alone, as ``--rename`` takes them."""
        renames = LikelyRenames({})
        compared(thing({"a": str}), schema(model("Affair", {"a": str})), renames=renames)
        assert renames.likely == [("Thing", "Affair")]


def test_models_are_made_after_those_they_refer_to() -> None:
    """Whatever the order of declaration; a circle is closed by a later operation."""
    left = model("Left", {"right_id": (UUID, ref("shop.Right"))})
    right = model("Right", {"middle_id": (UUID, ref("shop.Middle"))})
    middle = model("Middle", {})
    operations, _ = compared(Schema(), schema(left, right, middle))
    assert [operation.title for operation in operations] == [
        "create model Middle",
        "create model Right",
        "create model Left",
    ]
    operations, _ = compared(schema(left, right, middle), Schema())
    assert [operation.title for operation in operations] == [
        "drop model Left",
        "drop model Right",
        "drop model Middle",
    ]
    middle = model("Middle", {"left_id": (UUID, ref("shop.Left"))})
    operations, _ = compared(Schema(), schema(left, right, middle))
    assert len(operations) == 4
    assert isinstance(operations[-1], AlterField)


def test_model_that_refers_to_a_dropped_one_lets_go_first() -> None:
    """The reference goes before its target."""
    other = model("Other", {})
    before = schema(other, model("Thing", {"other_id": (UUID | None, ref(other, default=None))}))
    operations, _ = compared(before, schema(model("Thing", {})))
    assert [type(operation) for operation in operations] == [DropIndex, DropField, DropModel]


@pytest.mark.parametrize("unique", [False, True])
def test_index_that_becomes_unique_is_made_anew(unique: bool) -> None:
    """Unique or not is another index under another name."""
    before = thing({"a": (str, field(index=True, unique=unique))})
    operations, _ = compared(before, thing({"a": (str, field(index=True, unique=not unique))}))
    assert [type(operation) for operation in operations] == [DropIndex, AddIndex]
    assert isinstance(operations[1], AddIndex)
    assert operations[1].index == IndexState(
        f"{'ix' if unique else 'uq'}_shop_thing_a", ("tenant_id", "a"), unique=not unique
    )
