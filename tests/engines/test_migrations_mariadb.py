"""What MariaDB cannot keep, or change only by copying: found before, and said in words of the declaration."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.engines.migration_models import NAME, shop
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import PrefiqError
from prefiq.lowcode import field
from prefiq.migrations import raw
from prefiq.migrations.dialects.mariadb_changes import steps_of
from prefiq.migrations.dialects.mariadb_tables import create, physical
from prefiq.migrations.errors import BadOperation, RowsDoNotFit
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import CreateModel
from prefiq.migrations.snapshot import FieldState, IndexState, Schema
from prefiq.migrations.steps import Sql

KEY = (FieldState("tenant_id", "str", max_length=63), FieldState("id", "uuid"), FieldState("version", "int"))


@pytest.fixture(scope="session", params=["mariadb"])
def engine(request: pytest.FixtureRequest) -> str:
    """MariaDB alone."""
    name: str = request.param
    return name


def accepted(fields: list[FieldState], *indexes: IndexState) -> bool:
    """Whether Prefiq takes such a table for one that MariaDB can keep."""
    operation = CreateModel("Wide", "shop_wide", (*KEY, *fields), indexes)
    after = operation.change(Schema(), "shop")
    try:
        steps_of(Change("shop", operation, Schema(), after), None)  # type: ignore[arg-type]
    except BadOperation:
        return False
    return True


def kept(workshop: Workshop, fields: list[FieldState], *indexes: IndexState) -> bool:
    """Whether MariaDB keeps it."""
    operation = CreateModel("Wide", "shop_wide", (*KEY, *fields), indexes)
    (table,) = operation.change(Schema(), "shop").tables
    try:
        workshop.rows(create(physical(table)))
        workshop.rows("DROP TABLE shop_wide")
    except Exception:  # noqa: BLE001  the driver's
        return False
    return True


def many(count: int, kind: Any, **options: Any) -> list[FieldState]:
    return [FieldState(f"field_{number}", kind, **options) for number in range(count)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("str", {"max_length": 10}),
        ("str", {"max_length": 63}),
        ("str", {"max_length": 63, "nullable": True}),
        ("str", {"max_length": 64}),
        ("str", {"max_length": 255}),
        ("str", {"max_length": 600, "nullable": True}),
        ("text", {}),
        ("json", {"nullable": True}),
        ("int", {}),
        ("int", {"nullable": True}),
        ("uuid", {"nullable": True}),
        ("decimal", {"precision": 18, "scale": 4}),
        ("datetime", {"nullable": True}),
    ],
)
def test_a_row_is_as_wide_as_the_server_says(workshop: Workshop, kind: Any, options: dict[str, Any]) -> None:
    """The largest table that is taken is kept, and the next one is not: nothing is refused for no reason."""
    few, lots = 0, 1012
    while few < lots:
        middle = (few + lots + 1) // 2
        few, lots = (middle, lots) if accepted(many(middle, kind, **options)) else (few, middle - 1)
    assert kept(workshop, many(few, kind, **options))
    assert not kept(workshop, many(few + 1, kind, **options))


def test_mixed_rows_that_are_taken_are_kept(workshop: Workshop) -> None:
    """Texts of several lengths beside numbers."""
    fields = [
        FieldState(
            f"field_{number}", *(("str", number % 2 == 0, 1 + number * 7 % 600) if number % 3 else ("int",))
        )
        for number in range(400)
    ]
    few, lots = 0, 400
    while few < lots:
        middle = (few + lots + 1) // 2
        few, lots = (middle, lots) if accepted(fields[:middle]) else (few, middle - 1)
    assert kept(workshop, fields[:few])
    assert not kept(workshop, fields[: few + 1])


@pytest.mark.parametrize(("length", "fits"), [(705, True), (706, False)])
def test_a_key_is_as_long_as_the_server_says(workshop: Workshop, length: int, fits: bool) -> None:
    """In bytes, four for each code point, the tenant included."""
    fields = [FieldState("name", "str", nullable=True, max_length=length), FieldState("other", "bool")]
    by_name = IndexState("ix_name", ("tenant_id", "name"))
    if length <= 700:  # longer ones are kept as TEXT
        assert accepted(fields, by_name) == kept(workshop, fields, by_name) == fits
    pair = [FieldState("name", "str", max_length=600), FieldState("more", "str", max_length=length - 600)]
    assert accepted(pair, IndexState("ix_pair", ("tenant_id", "name", "more"))) == fits
    assert kept(workshop, pair, IndexState("ix_pair", ("tenant_id", "name", "more"))) == fits


@pytest.mark.parametrize(("count", "fits"), [(63, True), (64, False)])
def test_as_many_indexes_as_the_server_says(workshop: Workshop, count: int, fits: bool) -> None:
    """The primary key is one of them."""
    fields = many(70, "int")
    indexes = [IndexState(f"ix_{number}", ("tenant_id", f"field_{number}")) for number in range(count)]
    assert accepted(fields, *indexes) == kept(workshop, fields, *indexes) == fits


def test_what_is_too_wide_is_told_before_anything_is_done(workshop: Workshop) -> None:
    """With the model, the fields that it is because of, and the file; earlier migrations are not applied either."""
    shop(workshop, NAME)
    texts = {f"text_{number}": (str, field(max_length=600, default="")) for number in range(30)}
    workshop.declare("shop", model("Thing", NAME), model("Other", NAME))
    workshop.make("shop")
    workshop.declare("shop", model("Thing", NAME | texts), model("Other", NAME))
    workshop.make("shop")
    state = workshop.state()
    with pytest.raises(BadOperation) as caught:
        workshop.migrate()
    assert caught.value.what == (
        "Cannot add field Thing.text_27: a row of Thing takes up to 67,615 bytes, MariaDB takes 65,535: "
        "declare text_0 or text_1 or text_2 with text=True"
    )
    assert caught.value.where == "module shop, 0003_add_thing_text_0_and_more"
    assert workshop.state() == state


def test_digits_that_are_written_meanwhile_are_not_lost(workshop: Workshop) -> None:
    """MariaDB rounds without a word; so nobody writes between the last question and the change."""
    shop(workshop, {"price": (Decimal, field(precision=8, scale=2))})
    workshop.put("shop_thing", price=Decimal("1.50"))
    workshop.declare("shop", model("Thing", {"price": (Decimal, field(precision=8, scale=1))}))
    workshop.make("shop")
    run, written = raw.run, []

    def meanwhile(connection: Any, text: str) -> Any:
        # The first question is answered; somebody writes just then.
        found = run(connection, text)
        if "round" in text and not written:
            written.append(workshop.put("shop_thing", price=Decimal("1.25")))
        return found

    raw.run = meanwhile
    try:
        with pytest.raises(RowsDoNotFit, match="1 row does not fit: price has more than 1 digits"):
            workshop.migrate()
    finally:
        raw.run = run
    assert sorted(workshop.get("shop_thing", "price")) == [Decimal("1.25"), Decimal("1.50")]
    with pytest.raises(PrefiqError):
        workshop.migrate()


def test_statements_say_what_they_need() -> None:
    """A table that is dropped and made anew is never part of a change."""
    fields = (*KEY, FieldState("name", "str", max_length=20))
    operation = CreateModel("Thing", "shop_thing", fields)
    after = operation.change(Schema(), "shop")
    (step,) = steps_of(Change("shop", operation, Schema(), after), None)  # type: ignore[arg-type]
    assert isinstance(step, Sql)
    assert (step.tables, step.defines, step.unchecked) == (("shop_thing",), True, False)
