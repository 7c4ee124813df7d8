"""Every value comes back from MariaDB as it was given; the tests are PostgreSQL's, but for the letters' cases."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Shop, Thing, Unit
from tests.engines.postgres.test_types import (
    test_core_writes_what_plans_read,
    test_criteria_of_every_shape,
    test_texts_are_ordered_by_code_point,
    test_values_come_back,
    test_values_that_the_column_would_change_are_refused,
)

from prefiq.contracts import Compare, UniqueViolation

__all__ = [
    "test_core_writes_what_plans_read",
    "test_criteria_of_every_shape",
    "test_texts_are_ordered_by_code_point",
    "test_values_come_back",
    "test_values_that_the_column_would_change_are_refused",
]


def test_searching_texts(shop: Shop) -> None:
    """Case counts but for icontains; wildcards are plain characters.

    Small letters are Python's, but for a Greek sigma at the end of a word, which MariaDB takes for any other,
    and for letters that Unicode has had since release 6.
    """
    words = [
        "Straße",
        "STRASSE",
        "ÄRGER",
        "ärger",
        "100%",
        "a_b",
        "a|b",
        "İstanbul",
        "ΟΔΟΣ",
        "ЖУК",
        "Ⱥ",
        None,
    ]

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many([Thing(code=f"{n:02}", word=word) for n, word in enumerate(words)])

        def found(operator: Any, value: str) -> list[str | None]:
            return [t.word for t in unit.things.list(where=Compare("word", operator, value)).items]

        present = [word for word in words if word is not None]
        for needle in [
            "Straß",
            "ä",
            "Ä",
            "%",
            "_",
            "|",
            "a|",
            "s",
            "S",
            "İ",
            "i̇",
            "ß",
            "ẞ",
            "жу",
            "ⱥ",
            "\\",
            "",
        ]:
            assert found("contains", needle) == [w for w in present if needle in w]
            assert found("icontains", needle) == [w for w in present if needle.lower() in w.lower()], needle
            assert found("startswith", needle) == [w for w in present if w.startswith(needle)]
        assert found("eq", "ärger") == ["ärger"]
        assert found("icontains", "οσ") == ["ΟΔΟΣ"]
        assert found("icontains", "ος") == []

    shop.in_scope(use)


def test_uniqueness_is_by_code_point(shop: Shop) -> None:
    """Neither case nor accents nor spaces at the end make two texts one."""

    def use(unit: Unit) -> None:
        codes = ["a", "A", "ä", "a ", "a\t", "a\N{COMBINING DIAERESIS}", "ss", "ß", ""]
        for code in codes:
            unit.things.save(Thing(code=code))
        assert unit.things.count() == len(codes)
        for code in codes:
            with pytest.raises(UniqueViolation):
                unit.things.save(Thing(code=code))
            assert unit.executor.scalar(sa.select(sa.func.count()).where(unit.thing.c.code == code)) == 1

    shop.in_scope(use)


def test_values_in_expressions_keep_their_types(shop: Shop) -> None:
    """Literals have types of their own: COALESCE and CASE give an instant, not its text."""

    def use(unit: Unit) -> None:
        unit.things.save(Thing(code="a"))
        thing = unit.thing.c
        values = {
            thing.seen: datetime(2026, 1, 1, 0, 0, 0, 5, UTC),
            thing.due: date(2026, 1, 1),
            thing.price: Decimal("1.5"),
            thing.share: 0.1,
            thing.number: -(2**63),
            thing.word: "it's \\ %s",
        }
        for column, value in values.items():
            chosen = sa.func.coalesce(column, sa.literal(value, column.type), type_=column.type)
            assert unit.executor.scalar(sa.select(chosen)) == value
            assert unit.executor.query(sa.select(thing.code).where(chosen == value)) == [("a",)]

    shop.in_scope(use)


def test_what_the_column_cannot_hold_is_refused(shop: Shop) -> None:
    """The session is strict: nothing is cut off, rounded or made zero."""

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        table = unit.thing
        for column, value in (
            (table.c.word, "x" * 81),
            (table.c.whole, 2**63),
            (table.c.price, Decimal("1000000.000")),
        ):
            with pytest.raises(Exception, match="MariaDB error"):
                unit.executor.exec(sa.update(table).values({column: value}))
        assert unit.things.get_by_id(thing.id) == thing

    shop.in_scope(use)
