"""Fields that come, go and change, with rows that exist: the same on every engine."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.engines.migration_models import NAME, Stage, every_kind, shop
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import PrefiqError
from prefiq.lowcode import ModelMeta, Status, field, index, now, ref, transition
from prefiq.migrations.errors import RowsDoNotFit
from prefiq.migrations.walls import PARTS
from prefiq.sql.tables import Tables


def test_migrated_tables_are_the_declared_ones_for_every_kind(workshop: Workshop) -> None:
    """Made by migrations they tell the same of themselves as made from the declarations at once, but for walls."""
    workshop.declare("shop", *every_kind())
    workshop.make("shop")
    workshop.migrate()
    assert workshop.drifted() == []
    migrated = workshop.state()
    tables = Tables(workshop.catalog)
    with workshop.connect() as connection:
        tables.metadata.drop_all(connection)
    with workshop.connect() as connection:
        tables.create_all(connection)
    declared = workshop.state()
    for table in tables:
        made = {part: said for part, said in migrated[table.name].items() if part not in PARTS}
        assert declared[table.name] == made
        assert len(declared[table.name]) > 3


def test_nullable_field_is_empty_in_rows_that_exist(workshop: Workshop) -> None:
    """A nullable field is added; rows that exist have NULL."""
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    shop(workshop, NAME | {"size": (int | None, field(default=None, index=True))})
    assert workshop.get("shop_thing", "size") == [None]
    assert workshop.drifted() == []


ODD = "it's \"so\"\n%s :x \\ \\' `y` {z} — Ünï😀"


FILLS: list[tuple[Any, dict[str, Any], Any]] = [
    (int, {"default": 7}, 7),
    (int, {"default": -(2**63)}, -(2**63)),
    (bool, {"default": True}, True),
    (str, {"default": ODD}, ODD),
    (str, {"default": ODD, "text": True}, ODD),
    (str, {"default": "x" * 70_000, "text": True}, "x" * 70_000),
    (str, {"default": "  blanks  "}, "  blanks  "),
    (Decimal, {"default": Decimal("1.5"), "precision": 6, "scale": 2}, Decimal("1.50")),
    (Decimal, {"default": Decimal("1E+2"), "precision": 6, "scale": 2}, Decimal(100)),
    (float, {"default": 0.1}, 0.1),
    (float, {"default": 1e300}, 1e300),
    (float, {"default": -5e-324}, -5e-324),
    (date, {"default": date(2026, 1, 2)}, date(2026, 1, 2)),
    (Stage, {"default": Stage.DRAFT}, Stage.DRAFT),
    (
        datetime,
        {"default": datetime(2026, 1, 2, 3, 0, 0, 4, tzinfo=UTC)},
        datetime(2026, 1, 2, 3, 0, 0, 4, tzinfo=UTC),
    ),
    (datetime, {"default": now}, datetime(2026, 5, 1, tzinfo=UTC)),
    (date, {"default": now}, date(2026, 5, 1)),
    (UUID, {"default": UUID(int=5)}, UUID(int=5)),
    (dict[str, Any], {"default_factory": dict}, {}),
    (list[str], {"default_factory": lambda: [ODD]}, [ODD]),
]
"""Annotation, declaration, and what is stored in rows that exist."""


def test_required_fields_are_filled_with_their_defaults(workshop: Workshop) -> None:
    """The default fills rows that exist as the field stores it, and no default remains in the database."""
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    fields = {
        f"field_{number}": (annotation, field(**declared))
        for number, (annotation, declared, _) in enumerate(FILLS)
    }
    actions = {"finish": transition(Stage.DRAFT, to=Stage.DONE)}
    workshop.declare("shop", model("Thing", NAME | fields, actions=actions))
    workshop.make("shop")
    workshop.migrate(clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
    assert workshop.get("shop_thing", *fields) == [tuple(stored for _, _, stored in FILLS)]
    assert workshop.get("shop_thing", "name") == ["a"]
    assert workshop.drifted() == []
    row = {name: stored for name, (_, _, stored) in zip(fields, FILLS, strict=True)}
    for left_out in ("field_0", "field_3", f"field_{len(FILLS) - 1}"):
        with pytest.raises(PrefiqError):
            workshop.put("shop_thing", name="b", **{k: v for k, v in row.items() if k != left_out})


def test_dropped_field_takes_its_index_along(workshop: Workshop) -> None:
    """A column with an index goes; the other columns keep their values."""
    shop(workshop, NAME | {"code": (str, field(unique=True))})
    workshop.put("shop_thing", name="a", code="x")
    shop(workshop, NAME)
    assert workshop.get("shop_thing", "name") == ["a"]
    assert workshop.drifted() == []


def test_renamed_field_keeps_its_values_and_gets_its_index(workshop: Workshop) -> None:
    """A rename keeps the values; the index follows under the name that a new table would have."""
    shop(workshop, {"code": (str, field(unique=True))})
    workshop.put("shop_thing", code="x")
    shop(workshop, {"key": (str, field(unique=True))}, renames={"Thing.code": "key"})
    assert workshop.get("shop_thing", "key") == ["x"]
    assert workshop.drifted() == []


def test_empty_values_are_filled_when_a_field_becomes_required(workshop: Workshop) -> None:
    """NULL becomes the default, other values stay; what is indexed is indexed anew."""
    shop(workshop, {"name": (str | None, field(default=None, index=True))})
    workshop.put("shop_thing", name=None)
    workshop.put("shop_thing", name="b")
    shop(workshop, {"name": (str, field(default="?", index=True))})
    assert workshop.get("shop_thing", "name") == ["?", "b"]
    assert workshop.drifted() == []
    shop(workshop, {"name": (str | None, field(default=None, index=True))})
    workshop.put("shop_thing", name=None)
    assert workshop.get("shop_thing", "name") == ["?", "b", None]
    assert workshop.drifted() == []


def test_a_field_changes_its_kind_and_is_filled_at_once(workshop: Workshop) -> None:
    """What fills it is one of the new kind."""
    shop(workshop, {"size": (int | None, field(default=None))})
    workshop.put("shop_thing", size=None)
    workshop.put("shop_thing", size=3)
    shop(workshop, {"size": (Decimal, field(default=Decimal("1.5"), precision=8, scale=2))})
    assert workshop.get("shop_thing", "size") == [Decimal("1.50"), Decimal("3.00")]
    assert workshop.drifted() == []


def test_given_value_fills_where_there_is_no_default(workshop: Workshop) -> None:
    """A value given once, for rows that exist, serves in place of a default."""
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    shop(workshop, NAME | {"size": int}, fills={"Thing.size": 3})
    assert workshop.get("shop_thing", "size") == [3]


def test_required_field_without_a_value_needs_an_empty_table(workshop: Workshop) -> None:
    """No engine's own idea of a value is ever used."""
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    workshop.write(
        "shop",
        "0002_size.py",
        "from prefiq.migrations import AddField, FieldState, Migration\n"
        "migration = Migration(2, 'size', 'contract', operations=(\n"
        "    AddField('Thing', FieldState('size', 'int')),))\n",
    )
    with pytest.raises(RowsDoNotFit, match="1 row does not fit: they would have no value for size"):
        workshop.migrate()
    workshop.delete("shop_thing")
    workshop.migrate()
    with pytest.raises(PrefiqError):
        workshop.put("shop_thing", name="b")
    workshop.put("shop_thing", name="b", size=1)


def test_another_number_of_digits_keeps_the_amount(workshop: Workshop) -> None:
    """More and fewer behind the point, as long as none of them is lost."""
    shop(workshop, {"price": (Decimal, field(precision=8, scale=2))})
    workshop.put("shop_thing", price=Decimal("12.50"))
    shop(workshop, {"price": (Decimal, field(precision=9, scale=3))})
    assert workshop.get("shop_thing", "price") == [Decimal("12.500")]
    shop(workshop, {"price": (Decimal, field(precision=7, scale=1))})
    assert workshop.get("shop_thing", "price") == [Decimal("12.5")]
    assert workshop.drifted() == []


KINDS: list[tuple[Any, Any, Any, Any]] = [
    (int, (Decimal, field(precision=18, scale=2)), -12, Decimal("-12.00")),
    (bool, int, True, 1),
    ((str, field(max_length=20)), (str, field(text=True)), "a é😀", "a é😀"),
    ((str, field(text=True)), (str, field(max_length=20)), "a é😀", "a é😀"),
    ((str, field(max_length=20)), (str, field(max_length=600)), "a ", "a "),
    ((str, field(max_length=600)), (str, field(max_length=2)), "a ", "a "),
]


def test_values_survive_another_kind(workshop: Workshop) -> None:
    """Of every change that can be made."""

    def declared(place: int) -> dict[str, Any]:
        return NAME | {f"field_{number}": kinds[place] for number, kinds in enumerate(KINDS)}

    shop(workshop, declared(0))
    workshop.put("shop_thing", name="n", **{f"field_{n}": had for n, (_, _, had, _) in enumerate(KINDS)})
    shop(workshop, declared(1))
    (found,) = workshop.get("shop_thing", *declared(1))
    assert found == ("n", *(has for _, _, _, has in KINDS))
    assert workshop.drifted() == []


FITS: list[tuple[Any, Any, Any, str]] = [
    (
        (str, field(max_length=20)),
        (str, field(max_length=3)),
        "abcd",
        "1 row does not fit: value_id has more than 3 characters",
    ),
    (
        (str, field(max_length=20)),
        (str, field(max_length=3)),
        "abc ",
        "1 row does not fit: value_id has more than 3 characters",
    ),
    (
        (str, field(text=True)),
        (str, field(max_length=3)),
        "é" * 4,
        "1 row does not fit: value_id has more than 3 characters",
    ),
    (
        (Decimal, field(precision=8, scale=2)),
        (Decimal, field(precision=8, scale=1)),
        Decimal("1.25"),
        "1 row does not fit: value_id has more than 1 digits behind the point",
    ),
    (
        (Decimal, field(precision=8, scale=2)),
        (Decimal, field(precision=4, scale=2)),
        Decimal("-100.00"),
        "1 row does not fit: value_id has more than 2 digits before the point",
    ),
    (
        int,
        (Decimal, field(precision=4, scale=2)),
        100,
        "1 row does not fit: value_id has more than 2 digits before the point",
    ),
    (
        (str, field(max_length=20)),
        (str, field(max_length=20, unique=True)),
        "twice",
        "2 rows do not fit: several have the same value_id",
    ),
    (
        (UUID, field()),
        (UUID, ref("shop.Other")),
        UUID(int=1),
        "1 row does not fit: value_id refers to rows that are not there",
    ),
]


@pytest.mark.parametrize(("before", "after", "stored", "message"), FITS)
def test_rows_that_do_not_fit_are_counted_and_nothing_changes(
    workshop: Workshop, before: Any, after: Any, stored: object, message: str
) -> None:
    """A narrower column is refused while rows do not fit; rows, table and history stay as they were."""
    other = model("Other", NAME)
    workshop.declare("shop", other, model("Thing", {"value_id": before}))
    workshop.make("shop")
    workshop.migrate()
    count = int(message.split(maxsplit=1)[0])
    for _ in range(count):
        workshop.put("shop_thing", value_id=stored)
    state = workshop.state()
    workshop.declare("shop", other, model("Thing", {"value_id": after}))
    workshop.make("shop")
    with pytest.raises(RowsDoNotFit) as caught:
        workshop.migrate()
    assert caught.value.what == message
    assert caught.value.where.startswith("module shop, 0002_")
    assert workshop.get("shop_thing", "value_id") == [stored] * count
    assert workshop.state() == state
    assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(1,)]
    workshop.delete("shop_thing")
    workshop.migrate()
    assert workshop.drifted() == []


def test_equal_texts_are_equal_by_code_point(workshop: Workshop) -> None:
    """A new unique index sees neither case nor accents nor trailing blanks as the same."""
    shop(workshop, {"name": (str, field(max_length=20))})
    texts = ["a", "A", "ä", "a ", "Å", "A\u030a"]
    for text in texts:
        workshop.put("shop_thing", name=text)
    shop(workshop, {"name": (str, field(max_length=20, unique=True))})
    assert workshop.get("shop_thing", "name") == texts
    with pytest.raises(PrefiqError):
        workshop.put("shop_thing", name="a ")


def test_largest_values_that_fit_are_kept(workshop: Workshop) -> None:
    """The limit itself fits."""
    shop(workshop, {"price": (Decimal, field(precision=8, scale=2)), "name": (str, field(max_length=9))})
    workshop.put("shop_thing", price=Decimal("-99.99"), name="abc")
    shop(workshop, {"price": (Decimal, field(precision=5, scale=3)), "name": (str, field(max_length=3))})
    assert workshop.get("shop_thing", "price", "name") == [(Decimal("-99.990"), "abc")]


def test_choice_that_is_taken_away_must_not_be_in_use(workshop: Workshop) -> None:
    """A state can go when no row is in it."""

    class Long(Status):
        DRAFT = "draft"
        DONE = "done"
        GONE = "gone"

    more = {"finish": transition(Long.DRAFT, to=Long.DONE), "go": transition(Long.DONE, to=Long.GONE)}
    workshop.declare("shop", model("Thing", {"stage": (Long, field(default=Long.DRAFT))}, actions=more))
    workshop.make("shop")
    workshop.migrate()
    workshop.put("shop_thing", stage=Long.GONE)
    less = {"finish": transition(Stage.DRAFT, to=Stage.DONE)}
    workshop.declare("shop", model("Thing", {"stage": (Stage, field(default=Stage.DRAFT))}, actions=less))
    workshop.make("shop")
    with pytest.raises(RowsDoNotFit, match="1 row does not fit: stage is none of its choices"):
        workshop.migrate()
    workshop.rows("UPDATE shop_thing SET stage = 'done'")
    workshop.migrate()
    assert workshop.drifted() == []


def test_names_that_are_words_of_the_engine(workshop: Workshop) -> None:
    """They are quoted wherever they stand."""
    words = {
        "order": (str | None, field(default=None, index=True)),
        "group": (int, field(index=True)),
        "key": int,
    }
    workshop.declare("shop", model("Select", words))
    workshop.make("shop")
    workshop.migrate()
    workshop.put("shop_select", order=None, group=1, key=2)
    changed = {
        "order": (str, field(default="x", index=True)),
        "where": (int, field(index=True)),
        "key": (Decimal, field(precision=12, scale=2)),
    }
    workshop.declare("shop", model("Select", changed, ModelMeta(indexes=(index("order", "key"),))))
    workshop.make("shop", renames={"Select.group": "where"})
    workshop.migrate()
    assert workshop.get("shop_select", "order", "where", "key") == [("x", 1, Decimal(2))]
    assert workshop.drifted() == []


def test_long_names_stay_apart(workshop: Workshop) -> None:
    """Indexes and references whose names no engine takes whole, made, renamed and dropped."""
    long = "a_reference_whose_name_is_long"
    both: dict[str, Any] = {
        f"{long}_a_id": (UUID | None, ref("shop.Other", default=None)),
        f"{long}_b_id": (UUID | None, ref("shop.Other", default=None)),
    }
    name = "SomethingWithARatherLongName"
    pair = (index(f"{long}_a_id", f"{long}_b_id"), index(f"{long}_b_id", f"{long}_a_id"))
    other = model("Other", NAME)
    workshop.declare("shop", other, model(name, both, ModelMeta(indexes=pair)))
    workshop.make("shop")
    workshop.migrate()
    assert workshop.drifted() == []
    both[f"{long}_c_id"] = both.pop(f"{long}_b_id")
    workshop.declare("shop", other, model(name, both))
    workshop.make("shop", renames={f"{name}.{long}_b_id": f"{long}_c_id"})
    workshop.migrate()
    assert workshop.drifted() == []
    workshop.declare("shop", other, model(name, NAME))
    workshop.make("shop", fills={f"{name}.name": "x"})
    workshop.migrate()
    assert workshop.drifted() == []
