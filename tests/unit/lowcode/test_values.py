"""The gate in front of every driver: what passes is stored exactly, on every engine."""

import decimal
import math
import time
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefiq.lowcode import FieldSpec, Status
from prefiq.lowcode.values import BadValue, check_for


class Stage(Status):
    OPEN = "open"
    DONE = "done"


class Other(StrEnum):
    OPEN = "open"


class Mixed(str, Enum):  # noqa: UP042  the older form, whose str() is not its value
    RED = "red"


class Number(IntEnum):
    ONE = 1


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


TYPES: dict[str, Any] = {
    "str": str, "text": str, "int": int, "bool": bool, "decimal": Decimal, "float": float, "date": date,
    "datetime": datetime, "uuid": UUID, "enum": Stage, "json": object,
}  # fmt: skip

E_COMPOSED, E_DECOMPOSED = "\u00e9", "e\u0301"
PLUS5 = timezone(timedelta(hours=5))


def check(kind: str, value: Any, **options: Any) -> Any:
    more: dict[str, Any] = {"decimal": {"precision": 12, "scale": 2}, "str": {"max_length": 50}}.get(kind, {})
    spec = FieldSpec("x", kind, options.pop("type", TYPES[kind]), **{**more, **options})
    return check_for(spec)(value)


def passed(kind: str, value: Any, *codes: str) -> Any:
    """The normal value, or None for one that is refused with one of these codes."""
    try:
        return check(kind, value)
    except BadValue as bad:
        if bad.code not in codes:
            raise
        return None


REFUSED = [
    ("str", 5, "type"),
    ("str", b"abc", "type"),
    ("str", [1], "type"),
    ("str", True, "type"),
    ("str", 1.0, "type"),
    ("str", None, "required"),
    ("str", "a\x00b", "text"),
    ("str", "\ud800", "text"),
    ("str", "a\udfffb", "text"),
    ("str", "x" * 51, "max_length"),
    ("text", "x" * 1_000_001, "max_length"),
    ("int", "abc", "type"),
    ("int", "5", "type"),
    ("int", 1.5, "type"),
    ("int", 1.0, "type"),
    ("int", True, "type"),
    ("int", Number.ONE, "type"),
    ("int", Decimal(1), "type"),
    ("int", 2**63, "range"),
    ("int", -(2**63) - 1, "range"),
    ("int", float("nan"), "type"),
    ("bool", 1, "type"),
    ("bool", "true", "type"),
    ("bool", 0, "type"),
    ("float", "1.5", "type"),
    ("float", True, "type"),
    ("float", Decimal("1.5"), "type"),
    ("float", math.nan, "finite"),
    ("float", math.inf, "finite"),
    ("float", -math.inf, "finite"),
    ("float", 10**400, "range"),
    ("float", 2**53 + 1, "range"),
    ("decimal", 1.5, "type"),
    ("decimal", "1.5", "type"),
    ("decimal", True, "type"),
    ("decimal", Decimal("NaN"), "finite"),
    ("decimal", Decimal("sNaN"), "finite"),
    ("decimal", Decimal("Infinity"), "finite"),
    ("decimal", Decimal("1.005"), "scale"),
    ("decimal", Decimal("1e-1000000"), "scale"),
    ("decimal", Decimal("1e1000000"), "precision"),
    ("decimal", Decimal(10000000000), "precision"),
    ("decimal", 10**10, "precision"),
    ("decimal", Decimal("1." + "0" * 60 + "1"), "scale"),
    ("decimal", Decimal("9999999999.995"), "scale"),
    ("date", datetime(2026, 1, 1, tzinfo=UTC), "type"),
    ("date", "2026-01-01", "type"),
    ("datetime", datetime(2026, 1, 1), "timezone"),  # noqa: DTZ001
    ("datetime", date(2026, 1, 1), "type"),
    ("datetime", "2026-01-01T00:00:00Z", "type"),
    ("datetime", 0, "type"),
    ("datetime", datetime(1, 1, 1, tzinfo=PLUS5), "range"),
    ("datetime", datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5))), "range"),
    ("uuid", "00000000-0000-0000-0000-000000000001", "type"),
    ("uuid", 1, "type"),
    ("enum", "shut", "enum"),
    ("enum", 1, "enum"),
    ("enum", [], "enum"),
    ("enum", {}, "enum"),
    ("json", {1, 2}, "type"),
    ("json", Decimal(1), "type"),
    ("json", b"x", "type"),
    ("json", {1: 2}, "type"),
    ("json", [math.nan], "finite"),
    ("json", {"a": math.inf}, "finite"),
    ("json", 2**63, "range"),
    ("json", {"a\x00": 1}, "text"),
    ("json", ["\ud800"], "text"),
    ("json", {E_COMPOSED: 1, E_DECOMPOSED: 2}, "duplicate"),
]


@pytest.mark.parametrize(("kind", "value", "code"), REFUSED, ids=range(len(REFUSED)))
def test_a_value_that_some_engine_would_change_is_refused(kind, value, code):
    """With a stable code, whatever the value; never a bare Python error."""
    with pytest.raises(BadValue) as caught:
        check(kind, value)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("str", "", ""),
        ("str", "a ", "a "),
        ("str", E_DECOMPOSED, E_COMPOSED),
        ("str", E_DECOMPOSED * 50, E_COMPOSED * 50),
        ("str", "😀" * 50, "😀" * 50),
        ("str", Stage.OPEN, "open"),
        ("str", Mixed.RED, "red"),
        ("str", Loud("quiet"), "quiet"),
        ("text", "x" * 1_000_000, "x" * 1_000_000),
        ("int", 2**63 - 1, 2**63 - 1),
        ("int", -(2**63), -(2**63)),
        ("bool", False, False),
        ("float", 3, 3.0),
        ("float", 2**53, float(2**53)),
        ("float", 5e-324, 5e-324),
        ("decimal", 5, Decimal("5.00")),
        ("decimal", Decimal("1E+3"), Decimal("1000.00")),
        ("decimal", Decimal("1.10000"), Decimal("1.10")),
        ("decimal", Decimal("-9999999999.99"), Decimal("-9999999999.99")),
        ("date", date(1, 1, 1), date(1, 1, 1)),
        ("datetime", datetime(2026, 1, 1, tzinfo=PLUS5), datetime(2025, 12, 31, 19, tzinfo=UTC)),
        ("datetime", datetime(2026, 1, 1, 0, 0, 0, 123456, UTC), datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)),
        ("enum", "done", Stage.DONE),
        ("enum", Other.OPEN, Stage.OPEN),
        ("json", (1, [None, True]), [1, [None, True]]),
        ("json", {E_DECOMPOSED: E_DECOMPOSED}, {E_COMPOSED: E_COMPOSED}),
    ],
)  # fmt: skip
def test_a_sound_value_becomes_normal(kind, value, normal):
    """One form of each value, of exactly the declared type."""
    result = check(kind, value)
    assert result == normal
    assert type(result) is type(normal)
    assert str(result) == str(normal)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_none_passes_only_where_it_is_a_value(kind):
    """Nullable or not, alike for every kind."""
    assert check(kind, None, nullable=True) is None
    with pytest.raises(BadValue, match="a value is required"):
        check(kind, None)


def test_zero_has_no_sign():
    """-0.0 and -0 come back as 0 from some engines and not from others."""
    assert math.copysign(1, check("float", -0.0)) == 1
    assert math.copysign(1, check("json", [-0.0])[0]) == 1
    assert str(check("decimal", Decimal("-0"))) == "0.00"


def test_the_instant_of_a_repeated_hour_is_kept():
    """The second 02:30 of the night in autumn is another instant than the first."""
    first = datetime(2025, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert check("datetime", first) == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert check("datetime", first.replace(fold=1)) == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("traps", [[], [decimal.Inexact, decimal.Rounded, decimal.InvalidOperation]])
def test_a_threads_decimal_context_changes_nothing(traps):
    """Code that computes with six digits still stores eighteen."""
    with decimal.localcontext(decimal.Context(prec=6, traps=traps)):
        result = check("decimal", Decimal("1234567890123456.78"), precision=18)
        assert str(result) == "1234567890123456.78"
        with pytest.raises(BadValue) as caught:
            check("decimal", Decimal("1.005"))
        assert caught.value.code == "scale"


def test_json_is_at_most_64_levels_deep():
    """Deeper ones end in a RecursionError in one encoder or another."""

    def nest(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    assert check("json", nest(64)) == nest(64)
    with pytest.raises(BadValue) as caught:
        check("json", nest(65))
    assert caught.value.code == "depth"
    with pytest.raises(BadValue):
        check("json", nest(5000))


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (dict, {"a": 1}, [1]),
        (list, [1], {"a": 1}),
        (list[str], ["a"], ["a", 1]),
        (dict[str, int], {"a": 1}, {"a": "1"}),
        (dict[str, list[bool | None]], {"a": [True, None]}, {"a": [1]}),
        (list[int], [1], [True]),
    ],
)
def test_json_has_the_shape_that_is_annotated(shape, good, bad):
    """A list of texts holds texts: what is typed so in code is so in the database."""
    assert check("json", good, type=shape) == good
    with pytest.raises(BadValue) as caught:
        check("json", bad, type=shape)
    assert caught.value.code == "type"
    assert caught.value.message == f"must be {shape.__name__ if shape in {dict, list} else shape}"


@pytest.mark.parametrize(
    ("kind", "options", "good", "bad", "code"),
    [
        ("int", {"gt": 3}, 4, 3, "gt"),
        ("int", {"ge": 3}, 3, 2, "ge"),
        ("float", {"lt": 3}, 2.9, 3.0, "lt"),
        ("decimal", {"le": 3}, Decimal("3.00"), Decimal("3.01"), "le"),
        ("date", {"ge": date(2000, 1, 1)}, date(2000, 1, 1), date(1999, 12, 31), "ge"),
        ("str", {"min_length": 2}, "ab", "a", "min_length"),
        ("str", {"max_length": 2}, "ab", "abc", "max_length"),
        ("str", {"pattern": "[a-z]+"}, "ab", "ab\n", "pattern"),
        ("str", {"pattern": r"\d+"}, "12", "١٢", "pattern"),
    ],
)
def test_limits_include_what_they_say(kind, options, good, bad, code):
    """The last value inside and the first one outside."""
    assert check(kind, good, **options) == good
    with pytest.raises(BadValue) as caught:
        check(kind, bad, **options)
    assert caught.value.code == code


def test_the_text_holds_no_value():
    """Logs keep texts, and a value may be a secret."""
    for kind, value, _ in REFUSED:
        if isinstance(value, str) and len(value) == 3:
            with pytest.raises(BadValue) as caught:
                check(kind, value)
            assert value not in caught.value.message


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.uuids()
    | st.sampled_from([*Stage, *Mixed, *Number, Loud("x")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", sorted(TYPES))
@settings(deadline=None)
@given(value=ANYTHING)
def test_what_passes_once_passes_again_unchanged(kind, value):
    """Any object at all is refused with a BadValue, or becomes a value that the gate leaves alone."""
    try:
        once = check(kind, value)
    except BadValue:
        return
    twice = check(kind, once)
    assert twice == once
    assert type(twice) is type(once)
    assert repr(twice) == repr(once)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_text_that_passes_is_normal_and_has_no_nul_or_surrogate(value):
    """Form C, encodable, and no longer than its limit in code points."""
    text = passed("str", value, "text", "max_length")
    if text is None:
        return
    assert unicodedata.is_normalized("NFC", text)
    assert "\x00" not in text
    assert len(text) <= 50
    assert text.encode().decode() == text


@settings(deadline=None)
@given(
    st.decimals(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**14), 10**14).map(lambda n: Decimal(n) / 100)
)
def test_a_decimal_that_passes_is_exact(value):
    """Never rounded: equal to what was given, with the declared digits."""
    exact = passed("decimal", value, "scale", "precision")
    if exact is None:
        return
    assert exact == value
    assert exact.as_tuple().exponent == -2
    assert len(exact.as_tuple().digits) <= 12 + 1


@settings(deadline=None)
@given(st.datetimes(timezones=st.timezones()))
def test_a_datetime_that_passes_is_the_same_instant_in_utc(value):
    """The zone is gone, the instant is not."""
    instant = passed("datetime", value, "range")
    if instant is None:
        return
    assert instant.tzinfo is UTC
    assert instant - datetime(1970, 1, 1, tzinfo=UTC) == value.astimezone(UTC) - datetime(
        1970, 1, 1, tzinfo=UTC
    )


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_that_passes_is_the_same_number(value):
    """Bit for bit, but for the sign of zero."""
    assert check("float", value) == value


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0344", "\u0f73"])
def test_marks_without_end_are_refused_before_they_are_ordered(marks):
    """To order n combining marks takes n² steps, in which no other thread runs: no more than 30 stand in a row."""
    before = time.process_time()
    for kind in ("text", "json"):
        with pytest.raises(BadValue) as caught:
            check(kind, "a" + marks * 400_000)
        assert caught.value.code == "text"
    assert time.process_time() - before < 2  # without the limit minutes
    assert check("text", "a" + "\u0300" * 30) == "\u00e0" + "\u0300" * 29
