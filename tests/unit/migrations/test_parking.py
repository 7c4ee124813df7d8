"""Values that no row has, while rows hand unique values to each other."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from tests import servers

from prefiq.lowcode import Kind
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.parking import parking_of
from prefiq.sql.types import FieldType


def table_of(*columns: sa.Column[Any]) -> sa.Table:
    """A table in which these columns are unique together."""
    table = sa.Table("thing", sa.MetaData(), sa.Column("id", FieldType("uuid")), *columns)
    sa.Index("uq_thing", *(table.c[column.name] for column in columns), unique=True)
    return table


def column_of(kind: Kind, **more: Any) -> sa.Column[Any]:
    return sa.Column("value", FieldType(kind, **more), nullable=False)


def dialect_of(engine: str) -> sa.Dialect:
    return renderer_for(engine).dialect


@pytest.mark.parametrize("engine", servers.ENGINES)
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("str", {"length": 1}),
        ("str", {"length": 200}),
        ("text", {}),
        ("int", {}),
        ("float", {}),
        ("decimal", {"precision": 3, "scale": 1}),
        ("date", {}),
        ("datetime", {}),
        ("uuid", {}),
    ],
)
def test_values_are_different_and_nobodys(engine: str, kind: Kind, more: dict[str, Any]) -> None:
    """Of every type that can be unique; none is one that a row has or shall have."""
    table, dialect = table_of(column_of(kind, **more)), dialect_of(engine)
    first = parking_of(table, dialect, 10, lambda _: ())
    assert first is not None
    taken = [row[0].upper() if isinstance(row[0], str) else row[0] for row in first.rows]
    second = parking_of(table, dialect, 10, lambda _: taken)
    assert second is not None
    values = [row[0] for row in second.rows]
    assert len({repr(value) for value in values}) == 10
    if kind != "uuid":  # never the same ones
        folded = {str(value).casefold() for value in taken}
        assert not folded & {str(value).casefold() for value in values}


def test_no_value_is_the_first_choice() -> None:
    """Rows without a value are not alike, whatever the type."""
    nothing = sa.Column("maybe", FieldType("bool"), nullable=True)
    parking = parking_of(table_of(column_of("str", length=3), nothing), dialect_of("sqlite"), 2, lambda _: ())
    assert parking is not None
    assert (parking.columns, parking.rows) == (("maybe",), ((None,), (None,)))


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        (column_of("bool"), 1),
        (column_of("str", length=1), 37),
        (column_of("decimal", precision=1, scale=0), 10),
    ],
)
def test_what_has_no_room_is_not_parked(column: sa.Column[Any], rows: int) -> None:
    """A type with fewer values than rows is told, and nothing is made up."""
    assert parking_of(table_of(column), dialect_of("sqlite"), rows, lambda _: ()) is None
