"""Every kind of value is stored exactly, in the form that sorts as it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite as lite

from prefiq.sql import FieldType
from prefiq.sql.dialects import DatabaseEngine, engine_for, served_engines
from prefiq.sql.errors import EngineNotServed
from prefiq.sql.generated import make_function

ENGINE = engine_for("sqlite")
ENGINES = [engine_for(name) for name in served_engines()]
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)


class Colour(StrEnum):
    RED = "red"


MONEY = FieldType("decimal", precision=18, scale=4)
VALUES: dict[str, tuple[FieldType, Any, Any]] = {
    "uuid": (FieldType("uuid"), UUID(int=2**128 - 1), b"\xff" * 16),
    "decimal": (MONEY, Decimal("-12345678901234.5678"), -123456789012345678),
    "decimal without scale": (FieldType("decimal", precision=5, scale=0), Decimal(12), 12),
    "datetime": (
        FieldType("datetime"), datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006Z",
    ),
    "early datetime": (FieldType("datetime"), datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    "date": (FieldType("date"), date(33, 1, 2), "0033-01-02"),
    "bool": (FieldType("bool"), True, 1),
    "enum": (FieldType("enum", enum=Colour), Colour.RED, "red"),
    "str": (FieldType("str", length=9), "Ünï \U0001f600", "Ünï \U0001f600"),
    "int": (FieldType("int"), -(2**63), -(2**63)),
    "float": (FieldType("float"), 0.1, 0.1),
    "json": (FieldType("json"), {"a": [1, 2.5, None, True, "x"]}, '{"a":[1,2.5,null,true,"x"]}'),
}  # fmt: skip


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.mark.parametrize("name", VALUES)
def test_value_is_stored_as_it_should_be(connection: sa.Connection, name: str) -> None:
    """By statements of Core, and the same by generated code."""
    type_, value, raw = VALUES[name]
    table = sa.Table("t", sa.MetaData(), sa.Column("a", type_), sa.Column("b", type_))
    table.create(connection)
    connection.execute(table.insert(), [{"a": value, "b": None}])
    assert connection.exec_driver_sql("SELECT a, b FROM t").one() == (raw, None)
    row = connection.execute(sa.select(table).where(table.c.a == value)).one()
    assert row == (value, None)
    assert type(row.a) is type(value)
    codec = ENGINE.codec(type_)
    dump = make_function(f"def made(v):\n    return {codec.dump_source.replace('{v}', 'v')}", codec.names)
    load = make_function(f"def made(v):\n    return {codec.load_source.replace('{v}', 'v')}", codec.names)
    assert dump(value) == codec.dump(value) == raw
    assert load(raw) == codec.load(raw) == value
    assert type(load(raw)) is type(value)


@each_engine
@pytest.mark.parametrize("name", VALUES)
def test_generated_code_converts_alike(engine: DatabaseEngine, name: str) -> None:
    """A plan gives the driver what a statement of Core gives it, and reads what it reads."""
    type_, value, _ = VALUES[name]
    codec = engine.codec(type_)
    dump = make_function(f"def made(v):\n    return {codec.dump_source.replace('{v}', 'v')}", codec.names)
    load = make_function(f"def made(v):\n    return {codec.load_source.replace('{v}', 'v')}", codec.names)
    raw = dump(value)
    assert (raw, type(raw)) == (codec.dump(value), type(codec.dump(value)))
    assert load(raw) == codec.load(raw) == value


SURE: dict[str, tuple[FieldType, st.SearchStrategy[Any]]] = {
    "decimal": (MONEY, st.decimals(Decimal("-99999999999999.9999"), Decimal("99999999999999.9999"), places=4)),
    "decimal without scale": (FieldType("decimal", precision=18, scale=0), st.decimals(-(10**17), 10**17, places=0)),
    "datetime": (
        FieldType("datetime"),
        st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=st.just(UTC)).map(lambda m: m.replace(microsecond=0)),
    ),
    "date": (FieldType("date"), st.dates()),
    "float": (FieldType("float"), st.floats(allow_nan=False, allow_infinity=False)),
    "uuid": (FieldType("uuid"), st.uuids(allow_nil=True)),
}  # fmt: skip


@each_engine
@pytest.mark.parametrize("name", SURE)
@given(data=st.data(), precision=st.integers(1, 28))
def test_shorter_code_for_values_of_the_very_type_converts_alike(
    engine: DatabaseEngine, name: str, data: st.DataObject, precision: int
) -> None:
    """Whatever the caller calculates with; where a type has one."""
    type_, values = SURE[name]
    value, codec = data.draw(values), engine.codec(type_)
    source = (codec.sure or codec.dump_source).replace("{v}", "v")
    with localcontext(prec=precision):
        raw = make_function(f"def made(v):\n    return {source}", codec.names)(value)
    assert (raw, type(raw)) == (codec.dump(value), type(codec.dump(value)))


@each_engine
@given(st.decimals(-(10**13), 10**13, places=4), st.integers(1, 5))
def test_decimals_are_exact_in_any_context(engine: DatabaseEngine, value: Decimal, precision: int) -> None:
    """What precision the caller calculates with changes nothing."""
    codec = engine.codec(MONEY)
    with localcontext(prec=precision):
        assert codec.load(codec.dump(value)) == value


@each_engine
@pytest.mark.parametrize("value", ["0.00001", "NaN"])
def test_decimal_that_does_not_fit_is_refused(engine: DatabaseEngine, value: str) -> None:
    """It is never cut."""
    with pytest.raises(ValueError, match=r"more than 4 digits|NaN"):
        engine.codec(MONEY).dump(Decimal(value))


@each_engine
def test_instant_without_zone_is_refused(engine: DatabaseEngine) -> None:
    """It is never taken for local time."""
    with pytest.raises(ValueError, match="time zone"):
        engine.codec(FieldType("datetime")).dump(datetime(2026, 1, 1))  # noqa: DTZ001


@each_engine
@given(
    st.lists(
        st.datetimes(
            datetime(2, 1, 1),  # noqa: DTZ001
            datetime(9998, 1, 1),  # noqa: DTZ001
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]),
        ),
        min_size=2,
        max_size=5,
    )
)
def test_stored_instants_sort_as_instants(engine: DatabaseEngine, moments: list[datetime]) -> None:
    """Whatever their zones."""
    dump = engine.codec(FieldType("datetime")).dump
    assert sorted(map(dump, moments)) == [dump(moment) for moment in sorted(moments)]


def test_expressions_keep_the_scale(connection: sa.Connection) -> None:
    """Sums, comparisons and whole factors of a decimal column are right."""
    table = sa.Table("t", sa.MetaData(), sa.Column("a", MONEY), sa.Column("n", FieldType("int")))
    table.create(connection)
    connection.execute(table.insert(), [{"a": Decimal("1.5"), "n": 2}, {"a": Decimal("2.25"), "n": 3}])
    assert connection.scalar(sa.select(sa.func.sum(table.c.a))) == Decimal("3.75")
    assert connection.scalar(sa.select(sa.func.max(table.c.a))) == Decimal("2.25")
    assert connection.scalar(sa.select(table.c.a + Decimal("0.5")).limit(1)) == Decimal("2.0")
    assert connection.scalar(sa.select(table.c.a * 3).limit(1)) == Decimal("4.5")
    assert connection.scalar(sa.select(3 * table.c.a).limit(1)) == Decimal("4.5")
    assert set(connection.scalars(sa.select(table.c.n * table.c.a))) == {Decimal(3), Decimal("6.75")}
    assert connection.scalar(sa.select(sa.func.count()).where(table.c.a.between(Decimal(1), Decimal(2)))) == 1
    connection.execute(sa.update(table).values(a=table.c.a - Decimal("0.25")))
    assert set(connection.scalars(sa.select(table.c.a))) == {Decimal("1.25"), Decimal(2)}


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a * Decimal("0.5"),
        lambda a: a * 1.5,
        lambda a: a * True,
        lambda a: a / 2,
        lambda a: a // 2,
        lambda a: a % 2,
        lambda a: 2 / a,
    ],
)
def test_factor_that_engines_would_round_is_refused(make: Callable[[Any], Any]) -> None:
    """SQLite keeps decimals as whole numbers: these would be other numbers there."""
    with pytest.raises(TypeError, match="whole number"):
        make(sa.column("a", MONEY))


def test_values_are_never_written_into_a_text() -> None:
    """A statement with literal values cannot be made."""
    with pytest.raises(sa.exc.CompileError):
        sa.select(sa.literal("x", FieldType("str"))).compile(
            dialect=lite.dialect(), compile_kwargs={"literal_binds": True}
        )


def test_an_engine_that_is_none() -> None:
    """The error names those that are."""
    assert served_engines() == ("sqlite", "postgres", "mariadb")
    with pytest.raises(EngineNotServed, match='There is no engine "oracle"'):
        engine_for("oracle")
