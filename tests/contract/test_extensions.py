"""Both stores keep what modules add to another module's model, and agree on NULL reading as the default."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from prefiq.contracts import (
    All,
    Compare,
    ConcurrencyError,
    ForeignKeyViolation,
    Not,
    Page,
    UniqueViolation,
    ValidationFailed,
)
from prefiq.foundation.criteria_memory import in_order, matcher
from prefiq.foundation.entity import loaded
from prefiq.lowcode import uuid7
from prefiq.sql.criteria_values import sort_keys
from prefiq.sql.executor import Executor


@pytest.fixture
def boxes(ours: Any, models: Any) -> Any:
    return ours(models.Box)[0]


@pytest.fixture
def more(models: Any) -> Any:
    return models.BoxMore


@pytest.fixture
def make(models: Any) -> Any:
    """Makes a box with values of the first extension."""

    def make(label: str, **values: Any) -> Any:
        box = models.Box(label=label, parts=[models.Part(title="a")])
        for name, value in values.items():
            setattr(models.BoxMore.on(box), name, value)
        return box

    return make


VALUES = {
    "number": "N-1",
    "word": "zwölf",
    "money": Decimal("-3.25"),
    "most": Decimal("99999.99"),
    "whole": -(2**40),
    "flag": False,
    "ratio": 0.25,
    "day": date(2026, 2, 28),
    "moment": datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
    "document": {"a": [1, None, {"b": "c"}]},
}


def test_values_come_back(boxes: Any, more: Any, models: Any, make: Any) -> None:
    """By id, in lists and in streams, for one and for many; the other module's have their defaults."""
    box = boxes.save(make("one", colour=models.Colour.RED, **VALUES))
    boxes.save_many([make("two", **VALUES | {"number": "N-2"}), make("three")])
    read = boxes.get_by_id(box.id)
    assert read == box
    assert more.of(read) == more.of(box)
    assert {name: getattr(more.of(read), name) for name in VALUES} == VALUES
    assert more.of(read).colour is models.Colour.RED
    assert models.BoxLast.of(read).whole == 0
    listed = {found.label: more.of(found) for found in boxes.list().items}
    assert (listed["two"].number, listed["three"]) == ("N-2", more())
    (streamed,) = list(boxes.stream())
    assert {more.of(found).number for found in streamed} == {"N-1", "N-2", None}
    assert boxes.get_by("more.number", "N-2").label == "two"


def test_the_model_knows_nothing_of_them(boxes: Any, make: Any, models: Any) -> None:
    """Equality, JSON, constructor and fields are the model's own."""
    box = boxes.save(make("one", whole=5))
    other = models.Box(id=box.id, version=1, label="one", parts=box.parts)
    assert box == other
    assert msgspec.json.encode(box) == msgspec.json.encode(other)


def test_only_what_changed_is_written(boxes: Any, more: Any, models: Any, make: Any) -> None:
    """A change of an extension alone raises the version; none writes nothing; a stale one is refused."""
    box = boxes.save(make("one"))
    stale = boxes.get_by_id(box.id)
    more.on(box).document = {"a": 1}
    assert boxes.update(box).version == 2
    assert boxes.update(box).version == 2
    more.on(box).document["b"] = 2
    models.BoxLast.on(box).whole = 3
    assert boxes.update(box).version == 3
    read = boxes.get_by_id(box.id)
    assert (more.of(read).document, models.BoxLast.of(read).whole) == ({"a": 1, "b": 2}, 3)
    more.on(stale).whole = 1
    with pytest.raises(ConcurrencyError):
        boxes.update(stale)


def test_changing_what_was_read_changes_no_row(boxes: Any, more: Any, make: Any) -> None:
    """An extension that was read is a copy, documents included."""
    box = boxes.save(make("one", document={"a": [1]}))
    more.on(boxes.get_by_id(box.id)).document["a"].append(2)
    assert more.of(boxes.get_by_id(box.id)).document == {"a": [1]}


def test_an_entity_without_them_leaves_them_alone(boxes: Any, more: Any, models: Any, make: Any) -> None:
    """One that was made by hand, or that a library copied without its slots."""
    box = boxes.save(make("one", whole=5, number="N-1"))
    boxes.update(msgspec.structs.replace(box, label="two"))
    built = models.Box(id=box.id, version=2, label="three", parts=box.parts)
    boxes.update(built)
    assert (more.on(built).whole, more.on(built).number) == (5, "N-1")
    read = boxes.get_by_id(box.id)
    assert (read.label, more.of(read).whole, more.of(read).number) == ("three", 5, "N-1")


def test_copies_have_their_own(boxes: Any, more: Any, make: Any) -> None:
    """Copied, copied deeply, replaced or pickled: the values come along, what changes there stays there."""
    box = boxes.save(make("one", document={"a": 1}, whole=5))
    twins = [
        copy.copy(box),
        copy.deepcopy(box),
        box.__replace__(label="two"),
        pickle.loads(pickle.dumps(box)),
    ]
    for twin in twins:
        assert more.on(twin).base is twin
        assert (more.of(twin).whole, more.of(twin).document) == (5, {"a": 1})
        more.on(twin).document["a"] = 2
    assert more.of(box).document == {"a": 1}
    assert [twin.label for twin in twins] == ["one", "one", "two", "one"]
    with pytest.raises(TypeError, match="no field lable"):
        box.__replace__(lable="x")


def test_a_unique_value_is_taken_once(boxes: Any, make: Any) -> None:
    """In a tenant, and the error names the field as everybody else does."""
    boxes.save(make("one", number="N-1"))
    with pytest.raises(UniqueViolation) as caught:
        boxes.save(make("two", number="N-1"))
    assert caught.value.fields == ("more.number",)


def test_a_reference_leads_somewhere(boxes: Any, ours: Any, models: Any, more: Any, make: Any) -> None:
    """And is emptied when its target goes, with another version."""
    with pytest.raises(ForeignKeyViolation) as caught:
        boxes.save(make("one", note_id=uuid7()))
    assert caught.value.fields in {("more.note_id",), ()}


def test_what_it_cannot_hold_is_refused(boxes: Any, make: Any) -> None:
    """A value is needed although the column takes NULL, and it is of the field's type."""
    for name, value in (("whole", None), ("word", None), ("flag", None), ("money", "x"), ("document", None)):
        with pytest.raises(ValidationFailed) as caught:
            boxes.save(make("one", **{name: value}))
        assert [error.field for error in caught.value.errors] == [f"more.{name}"]


def test_a_rollback_takes_it_back(ours: Any, models: Any, more: Any, make: Any) -> None:
    """The row, and what the entity remembers of it."""
    boxes, transactions = ours(models.Box)
    box = boxes.save(make("one", whole=1))
    before = loaded(box)

    def change_and_fail() -> None:
        with transactions.tx():
            more.on(box).whole = 2
            boxes.update(box)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert (box.version, loaded(box)) == (1, before)
    assert more.of(boxes.get_by_id(box.id)).whole == 1


@pytest.fixture
def mixed(ours: Any, models: Any, tables: Any, make: Any) -> Any:
    """Boxes of which some have NULL in every column of an extension, as rows of a time without the module have."""
    boxes, executor = ours(models.Box)
    for number in range(6):
        values = {
            "number": f"N-{number}", "word": ["abc", "none", "xyz"][number % 3], "money": Decimal(number) / 2,
            "most": Decimal(number), "whole": number * 3 - 2, "flag": number % 2 == 0, "ratio": number / 4,
            "day": date(2026, 1, number + 1), "colour": models.Colour.RED,
        }  # fmt: skip
        boxes.save(make(f"box {number}", **values))
    bare = [boxes.save(make(f"bare {number}")) for number in range(4)]
    if isinstance(executor, Executor):
        table = tables[models.Box]
        columns = [column for column in table.c if column.name.startswith("x_")]
        executor.exec(
            sa.update(table)
            .where(table.c.id.in_([box.id for box in bare]))
            .values({column.name: None for column in columns})
        )
    return boxes


TERMS = [
    ("more.money", Decimal("1.5")),
    ("more.money", Decimal("0.5")),
    ("more.whole", 7),
    ("more.whole", 6),
    ("more.most", Decimal(3)),
    ("more.word", "none"),
    ("more.word", "abc"),
    ("last.whole", 0),
]


@pytest.mark.parametrize(("name", "value"), TERMS)
def test_null_is_the_default_in_every_comparison(
    mixed: Any, models: Any, catalog: Any, name: str, value: Any
) -> None:
    """Whatever the operator, negated or combined, SQL and memory take the same rows."""
    everything = mixed.list(Page(limit=100)).items
    spec = catalog[models.Box]
    terms: list[Any] = [Compare(name, operator, value) for operator in ("eq", "ne", "gt", "gte", "lt", "lte")]
    terms += [Compare(name, operator, (value, None)) for operator in ("in", "nin")]
    terms += [Compare(name, operator, (value,)) for operator in ("in", "nin")]
    terms += [Compare(name, operator, ()) for operator in ("in", "nin")]
    terms += [Compare(name, "isnull", True), Compare(name, "isnull", False), Compare(name, "eq", None)]
    if isinstance(value, str):
        terms += [Compare(name, operator, value[:2]) for operator in ("contains", "icontains", "startswith")]
    terms += [Not(term) for term in terms]
    terms += [All((term, Compare("more.flag", "eq", True))) for term in terms]
    for term in terms:
        expected = {box.label for box in everything if matcher(spec, term)(box)}
        assert {box.label for box in mixed.list(Page(limit=100), term).items} == expected, term
        assert mixed.count(term) == len(expected)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("name", ["more.money", "more.whole", "more.day", "more.most", "more.word"])
def test_null_is_the_default_in_every_order(
    mixed: Any, models: Any, catalog: Any, name: str, descending: bool
) -> None:
    """A list is sorted by what its rows show, and page after page shows each once."""
    everything = mixed.list(Page(limit=100)).items
    page = Page(limit=3, sort=(f"-{name}" if descending else name,))
    expected = [box.label for box in in_order(everything, sort_keys(catalog[models.Box], page))]
    seen: list[str] = []
    after = None
    while True:
        found = mixed.list(Page(limit=3, sort=page.sort, after=after))
        seen += [box.label for box in found.items]
        after = found.next
        if after is None:
            break
    assert seen == expected
