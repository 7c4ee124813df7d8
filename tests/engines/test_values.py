"""What a field holds is kept exactly or refused, alike in memory and on every engine, whatever it is given."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores import PLACES, Places

from prefiq.contracts import Bound, Compare, Page, ValidationFailed
from prefiq.foundation.criteria_memory import in_order, matcher
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Catalog, children, field
from prefiq.lowcode.model_spec import SORTABLE
from prefiq.lowcode.values import check_for
from prefiq.sql.criteria_values import sort_keys


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Shout(StrEnum):
    LOUD = "loud"


class Words(str):
    """A text that is none, for a driver that looks for the very type."""

    __slots__ = ()


class Part(Child):
    word: str = field(max_length=8)
    whole: int


class Thing(Entity):
    """Every kind of field, and each of them empty, too."""

    word: str = field(max_length=8)
    long: str = field(text=True)
    whole: int
    flag: bool
    money: Decimal = field(precision=18, scale=6)
    ratio: float
    day: date
    moment: datetime
    key: UUID
    colour: Colour
    document: dict[str, Any]
    parts: list[Part] = children(Part)
    word_or_none: str | None = field(max_length=8)
    long_or_none: str | None = field(text=True)
    whole_or_none: int | None
    flag_or_none: bool | None
    money_or_none: Decimal | None = field(precision=18, scale=0)
    ratio_or_none: float | None
    day_or_none: date | None
    moment_or_none: datetime | None
    key_or_none: UUID | None
    colour_or_none: Colour | None
    document_or_none: dict[str, Any] | None


KINDS = ("word", "long", "whole", "flag", "money", "ratio", "day", "moment", "key", "colour", "document")
INSTANT = datetime(2026, 2, 28, 12, 30, 15, 123456, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")


def thing(**values: Any) -> Thing:
    plain: dict[str, Any] = {
        "word": "word",
        "long": "long",
        "whole": 1,
        "flag": True,
        "money": Decimal("1.500000"),
        "ratio": 0.5,
        "day": date(2026, 2, 28),
        "moment": INSTANT,
        "key": UUID(int=1),
        "colour": Colour.RED,
        "document": {},
    }
    return Thing(**plain | {f"{name}_or_none": None for name in plain} | values)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.build({"values": (Thing,)})


@pytest.fixture(scope="session")
def places(catalog: Catalog) -> Iterator[Places]:
    made = Places(catalog)
    yield made
    made.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def things(place: str, places: Places) -> Iterator[Any]:
    with places(place) as made:
        yield made.open(Bound("acme"))(Thing)[0]


REFUSED = object()
NAN, INFINITE = float("nan"), float("inf")

ODD: dict[str, list[tuple[Any, Any]]] = {
    "word": [
        ("", ""),
        (" ", " "),
        ("abc ", "abc "),
        ("ABC", "ABC"),
        ("\\'\"`%_", "\\'\"`%_"),
        ("\n\r\t\x1b", "\n\r\t\x1b"),
        ("é", "é"),
        ("e\u0301", "e\u0301"),
        ("\ufeff\u202e\u200b", "\ufeff\u202e\u200b"),
        ("💥" * 8, "💥" * 8),
        ("💥" * 9, REFUSED),
        ("x" * 9, REFUSED),
        ("a\x00b", REFUSED),
        ("\ud800", REFUSED),
        (Words("abc"), "abc"),
        (Shout.LOUD, "loud"),
        (b"abc", REFUSED),
        (["a"], REFUSED),
        (5, REFUSED),
        (True, REFUSED),
    ],
    "long": [("x" * 100_000, "x" * 100_000), ("\x00", REFUSED), (b"x", REFUSED), (5, REFUSED)],
    "whole": [
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, REFUSED),
        (-(2**63) - 1, REFUSED),
        (10**30, REFUSED),
        (True, REFUSED),
        (1.0, REFUSED),
        (1.5, REFUSED),
        (NAN, REFUSED),
        (Decimal(1), REFUSED),
        ("1", REFUSED),
        ("abc", REFUSED),
        (b"1", REFUSED),
    ],
    "flag": [(False, False), *((value, REFUSED) for value in (1, 0, 5, 1.0, "true", "", [], Decimal(1)))],
    "money": [
        (Decimal("0.000001"), Decimal("0.000001")),
        (Decimal("999999999999.999999"), Decimal("999999999999.999999")),
        (Decimal("-999999999999.999999"), Decimal("-999999999999.999999")),
        (Decimal("1E+2"), Decimal("100.000000")),
        (Decimal("-0"), Decimal("0.000000")),
        (Decimal("-0.000000"), Decimal("0.000000")),
        (5, Decimal("5.000000")),
        (Decimal("0.0000001"), REFUSED),
        (Decimal("1.0050001"), REFUSED),
        (Decimal("1E+12"), REFUSED),
        (Decimal("1000000000000.000000"), REFUSED),
        (Decimal("-1000000000000.000000"), REFUSED),
        (Decimal("1E+40"), REFUSED),
        (Decimal("NaN"), REFUSED),
        (Decimal("sNaN"), REFUSED),
        (Decimal("Infinity"), REFUSED),
        (1.5, REFUSED),
        ("1.5", REFUSED),
        (True, REFUSED),
    ],
    "ratio": [
        (0.1, 0.1),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (5e-324, 5e-324),
        (-0.0, 0.0),
        (5, 5.0),
        (2**53, 2.0**53),
        (2**53 + 1, REFUSED),
        (2**70, REFUSED),
        (10**400, REFUSED),
        (NAN, REFUSED),
        (INFINITE, REFUSED),
        (-INFINITE, REFUSED),
        (Decimal("1.5"), REFUSED),
        ("1.5", REFUSED),
        (True, REFUSED),
    ],
    "day": [
        (date(1, 1, 1), date(1, 1, 1)),
        (date(999, 12, 31), date(999, 12, 31)),
        (date(1582, 10, 10), date(1582, 10, 10)),
        (date(9999, 12, 31), date(9999, 12, 31)),
        (datetime(2020, 1, 1, 12), REFUSED),  # noqa: DTZ001  that is the point
        (datetime(2020, 1, 1, 12, tzinfo=UTC), REFUSED),
        ("2020-01-01", REFUSED),
        (5, REFUSED),
    ],
    "moment": [
        (datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)),
        (datetime(999, 1, 1, tzinfo=UTC), datetime(999, 1, 1, tzinfo=UTC)),
        (datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
        (INSTANT.replace(tzinfo=timezone(timedelta(hours=5))), INSTANT - timedelta(hours=5)),
        (INSTANT.replace(tzinfo=dt.timezone(timedelta(0))), INSTANT),
        (datetime(2020, 3, 29, 2, 30, tzinfo=VIENNA), datetime(2020, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2020, 10, 25, 2, 30, tzinfo=VIENNA), datetime(2020, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=VIENNA), datetime(2020, 10, 25, 1, 30, tzinfo=UTC)),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), REFUSED),
        (datetime(2020, 1, 1), REFUSED),  # noqa: DTZ001  that is the point
        (date(2020, 1, 1), REFUSED),
        ("2020-01-01T00:00:00Z", REFUSED),
        (5, REFUSED),
    ],
    "key": [
        (UUID(int=0), UUID(int=0)),
        (UUID(int=2**128 - 1), UUID(int=2**128 - 1)),
        ("00000000-0000-0000-0000-000000000001", REFUSED),
        (b"x" * 16, REFUSED),
        (5, REFUSED),
    ],
    "colour": [(Colour.GREEN, Colour.GREEN), ("red", Colour.RED), ("blue", REFUSED), (Shout.LOUD, REFUSED), (5, REFUSED)],
    "document": [
        ({}, {}),
        ({"": "", "a": None, "b": [[], {}]}, {"": "", "a": None, "b": [[], {}]}),
        ({"b": 1, "a": 2}, {"b": 1, "a": 2}),
        ({"a": 0.1, "b": 1.0, "c": 5e-324}, {"a": 0.1, "b": 1.0, "c": 5e-324}),
        ({"a": "\x00 é 💥 \u2028"}, {"a": "\x00 é 💥 \u2028"}),
        ({"a": 10**30, "b": -(2**64), "c": None}, {"a": 10**30, "b": -(2**64), "c": None}),
        ({"é": 1, "e\u0301": 2}, {"é": 1, "e\u0301": 2}),
        ({"a": "null", "b": 1e300}, {"a": "null", "b": 1e300}),
        ({"a": (1, None)}, {"a": [1, None]}),
        ({"a": NAN}, REFUSED),
        ({"a": [None, {"b": -INFINITE}]}, REFUSED),
        ({"a": "\ud800"}, REFUSED),
        ({"a": object()}, REFUSED),
        (object(), REFUSED),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_values_are_kept_exactly_or_refused(things: Any, name: str) -> None:
    """In fields that must have a value, in those that may be empty, on inserting and on changing."""
    for column in (name, f"{name}_or_none"):
        for value, expected in ODD[name]:
            if column == "money_or_none" and isinstance(value, Decimal):
                continue  # it has other digits
            shown = f"{column}: {value!r}"[:80]
            new, old = thing(**{column: value}), things.save(thing(whole=7, flag_or_none=False))
            same = type(value) is not type(getattr(old, column)) and value == getattr(old, column)
            setattr(old, column, value)
            if expected is REFUSED:
                writes = [lambda new=new: things.save(new), lambda old=old: things.update(old)]
                for write in writes[:1] if same else writes:  # to Python, 1 is no change of True
                    with pytest.raises(ValidationFailed) as caught:
                        write()
                    assert [error.field for error in caught.value.errors] == [column], shown
                with pytest.raises(ValidationFailed):
                    things.save_many([thing(), new])
                assert (new.version, old.version) == (0, 1)
                continue
            things.save(new)
            things.update(old)
            for entity in (new, old):
                read = getattr(things.get_by_id(entity.id), column)
                if column != "money_or_none":
                    assert (type(read), read, repr(read)) == (type(expected), expected, repr(expected)), shown
                # What was given is taken as stored: it is no change.
                assert things.update(entity).version == entity.version


@pytest.mark.parametrize("name", KINDS)
def test_an_empty_value_is_none_or_refused(things: Any, name: str) -> None:
    """None is a value only where the field says so."""
    with pytest.raises(ValidationFailed) as caught:
        things.save(thing(**{name: None}))
    assert [(error.field, error.code) for error in caught.value.errors] == [(name, "required")]
    assert getattr(things.get_by_id(things.save(thing()).id), f"{name}_or_none") is None


def test_a_document_changes_by_what_json_tells_apart(things: Any) -> None:
    """1, 1.0 and true are three values there, and the order of keys is none."""
    entity = things.save(thing(document={"a": [1, {"b": 0}], "c": None}))
    for version, value in enumerate([True, 1.0, 1, "1"], 2):
        entity.document["a"][0] = value
        assert things.update(entity).version == version
        assert repr(things.get_by_id(entity.id).document["a"][0]) == repr(value)
    entity.document = {"c": None, "a": ["1", {"b": 0}]}
    assert things.update(entity).version == 5


def test_values_of_children_are_kept_exactly_or_refused(things: Any) -> None:
    """They go the same road."""
    for word, whole in (("x" * 9, 1), (5, 1), ("a", True), ("a", 2**63), (None, 1)):
        with pytest.raises(ValidationFailed) as caught:
            things.save(thing(parts=[Part(word="a", whole=1), Part(word=word, whole=whole)]))
        assert [error.field.rpartition(".")[0] for error in caught.value.errors] == ["parts.1"]
    new = things.save(thing(parts=[Part(word=Words("ab "), whole=-(2**63))]))
    (part,) = things.get_by_id(new.id).parts
    assert (type(part.word), part.word, part.whole) == (str, "ab ", -(2**63))


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
INSTANTS = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0)) | st.sampled_from(
    [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
DOCUMENTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)  # fmt: skip
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "word": TEXTS,
    "long": TEXTS | st.text("a\U0001f4a5", min_size=300, max_size=400),
    "whole": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**63 - 1, -(2**63)]),
    "flag": st.booleans(),
    "money": st.decimals(-(10**12) + 1, 10**12 - 1, places=6),
    "ratio": st.floats(allow_nan=False, allow_infinity=False),
    "day": st.dates() | st.sampled_from([date.min, date.max]),
    "moment": INSTANTS,
    "key": st.uuids(),
    "colour": st.sampled_from(list(Colour)),
    "document": DOCUMENTS,
}
OPTIONAL = VALUES | {"money": st.integers(-(10**18) + 1, 10**18 - 1).map(Decimal)}
THINGS = st.builds(
    thing,
    **VALUES,
    **{f"{name}_or_none": st.none() | values for name, values in OPTIONAL.items()},
    parts=st.lists(st.builds(Part, word=TEXTS, whole=VALUES["whole"]), max_size=3),
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given_things=st.lists(THINGS, min_size=1, max_size=8))
def test_every_value_that_a_field_takes_comes_back_exactly(things: Any, given_things: list[Any]) -> None:
    """By id, by its own value, and in the order of values, which is Python's."""
    for batch in things.stream():
        for entity in batch:
            things.delete(entity)
    spec = things.spec
    for entity in given_things:
        for declared in spec.fields:
            setattr(entity, declared.name, check_for(declared)(getattr(entity, declared.name)))
    half = len(given_things) // 2
    things.save_many(given_things[:half])
    for entity in given_things[half:]:
        things.save(entity)
    found = things.get_many(entity.id for entity in given_things)
    for entity in given_things:
        assert repr(found[entity.id]) == repr(entity)
    plain = [declared for declared in spec.fields if declared.kind in SORTABLE]
    for declared, entity in zip(plain, itertools.cycle(given_things), strict=False):
        value = getattr(entity, declared.name)
        for operator in ("eq", "ne", "gt", "lte"):
            term = Compare(declared.name, operator, value)
            expected = {e.id for e in given_things if matcher(spec, term)(e)}
            assert {e.id for e in things.list(Page(limit=100), term).items} == expected, term
        page = Page(limit=100, sort=(f"-{declared.name}" if len(given_things) % 2 else declared.name,))
        expected_order = [e.id for e in in_order(given_things, sort_keys(spec, page))]
        assert [e.id for e in things.list(page).items] == expected_order, page.sort
