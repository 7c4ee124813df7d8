"""Values that were typed for rows that exist."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.unit.migrations.kit import child, model

from prefiq.errors import Faults
from prefiq.lowcode import Catalog, ModelSpec, Status, children, field, transition
from prefiq.lowcode.field import NOW
from prefiq.migrations import fills_from_texts
from prefiq.migrations.errors import BadFill


class Stage(Status):
    DRAFT = "draft"
    DONE = "done"


@pytest.fixture(scope="module")
def specs() -> tuple[ModelSpec, ...]:
    line = child("Line", {"amount": int})
    thing = model(
        "Thing",
        {
            "code": (str, field(max_length=4)),
            "notes": (str, field(text=True)),
            "size": int,
            "active": bool,
            "price": (Decimal, field(precision=6, scale=2)),
            "weight": float,
            "day": date,
            "at": datetime,
            "token": UUID,
            "stage": (Stage, field(default=Stage.DRAFT)),
            "data": dict[str, Any],
            "lines": (list[line], children(line)),  # type: ignore[valid-type]
        },
        actions={"finish": transition(Stage.DRAFT, to=Stage.DONE)},
    )
    return tuple(Catalog.build({"shop": [thing]}).of_module("shop"))


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("Thing.code", "5", "5"),
        ("shop.Thing.notes", "a = b", "a = b"),
        ("Thing.size", "5", 5),
        ("Thing.active", "true", True),
        ("Thing.price", "1.25", Decimal("1.25")),
        ("Thing.weight", "0.5", 0.5),
        ("Thing.day", "2026-01-31", date(2026, 1, 31)),
        ("Thing.day", "now", NOW),
        ("Thing.at", "2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("Thing.at", "now", NOW),
        ("Thing.code", "now", "now"),
        ("Thing.token", "00000000-0000-0000-0000-000000000007", UUID(int=7)),
        ("Thing.stage", "done", "done"),
        ("Thing.data", '{"a": [1]}', {"a": [1]}),
        ("Line.amount", "2", 2),
    ],
)
def test_text_becomes_a_value_of_the_field(
    specs: tuple[ModelSpec, ...], path: str, text: str, value: object
) -> None:
    """Of every kind; the module's name may stand before the model's."""
    assert fills_from_texts(specs, {path: text}) == {path.removeprefix("shop."): value}


def test_what_is_no_value_is_told_at_once(specs: tuple[ModelSpec, ...]) -> None:
    """Unknown fields, texts of another kind, values beyond the limits."""
    texts = {
        "Thing.cod": "x",
        "Thing.size": "many",
        "Thing.code": "too long",
        "Thing.data": "{",
        "Thing.stage": "gone",
    }
    with pytest.raises(Faults) as caught:
        fills_from_texts(specs, texts)
    assert [
        (fault.where, fault.what.removeprefix("The value cannot be used: ")) for fault in faults_of(caught)
    ] == [
        ("--fill Thing.cod", "there is no such field"),
        ("--fill Thing.size", "the text is no int"),
        ("--fill Thing.code", "its value must have at most 4 characters"),
        ("--fill Thing.data", "the text is no json"),
        ("--fill Thing.stage", "its value must be one of draft, done"),
    ]
    assert faults_of(caught)[0].fix == "did you mean Thing.code?"


def faults_of(caught: pytest.ExceptionInfo[Faults]) -> list[BadFill]:
    return [fault for fault in caught.value.exceptions if isinstance(fault, BadFill)]
