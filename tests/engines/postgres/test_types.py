"""Every value comes back from PostgreSQL as it was given, alike by plans and by statements of Core."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.engines.postgres.shop import Colour, Shop, Thing, Unit

from prefiq.contracts import All, Any_, Compare, Criteria, Not, Page
from prefiq.sql.criteria import criteria_expression

TEXTS = ["", " ", "a ", "A", "ä", "\u00e5\u0323", "\U0001f600", "%_\\", "'\";--", "\t\r\n", "\x7f", "ß", "İ"]
EXTREMES: dict[str, list[Any]] = {
    "long": [*TEXTS, "x" * 100_000],
    "whole": [0, 1, -1, 2**15, -(2**15), 2**31, -(2**31), 2**63 - 1, -(2**63)],
    "flag": [True, False],
    "money": [Decimal(0), Decimal("0.000001"), Decimal("-999999999999.999999"), Decimal("1E+3")],
    "ratio": [0.0, 0.1, 1e-320, sys.float_info.max, -sys.float_info.max, sys.float_info.min, 1 / 3],
    "day": [date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)],
    "moment": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
    "key": [UUID(int=0), UUID(int=2**128 - 1)],
    "colour": list(Colour),
    "document": [
        {},
        {"b": 1, "a": [None, True, 1.5, "ä\U0001f600"], "": {"deep": [[[]]]}},
        {"big": 2**63, "same": 1.0, "z": 0, "a": 0},
    ],
    "word": [*TEXTS, None],
    "number": [None, 2**63 - 1],
    "price": [None, Decimal("999999.999")],
    "share": [None, -0.5],
    "due": [None, date(1, 1, 1)],
    "seen": [None, datetime(2026, 1, 1, tzinfo=UTC)],
    "other": [None, UUID(int=1)],
    "tone": [None, Colour.GREEN],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_values_come_back(shop: Shop, name: str) -> None:
    """By plan and by Core, of the field's own type; an instant is in ``datetime.UTC`` itself."""

    def use(unit: Unit) -> None:
        for place, value in enumerate(EXTREMES[name]):
            made = unit.things.save(Thing(code=f"{place:02}", **{name: value}))
            found = unit.things.get_by_id(made.id)
            column = unit.thing.c[name]
            by_core = unit.executor.scalar(sa.select(column).where(unit.thing.c.id == made.id))
            for seen in (getattr(found, name), by_core):
                assert seen == value
                assert type(seen) is type(value)
                if isinstance(seen, datetime):
                    assert seen.tzinfo is UTC
            if isinstance(value, dict):
                assert list(found.document) == list(value)
                assert repr(found.document) == repr(value)
            if isinstance(value, Decimal):
                scale = 3 if name == "price" else 6
                assert found.__getattribute__(name).as_tuple().exponent == -scale

    shop.in_scope(use)


def test_core_writes_what_plans_read(shop: Shop) -> None:
    """An insert of Core goes through the same conversions."""

    def use(unit: Unit) -> None:
        values = {name: extremes[-1] for name, extremes in EXTREMES.items()}
        values |= {"id": UUID(int=5), "version": 1, "code": "core"}
        assert unit.executor.exec(sa.insert(unit.thing).values(values)) == 1
        found = unit.things.get_by_id(UUID(int=5))
        assert {name: getattr(found, name) for name in values} == values

    shop.in_scope(use)


def test_values_that_the_column_would_change_are_refused(shop: Shop) -> None:
    """A decimal with more digits is not rounded, and an instant without a zone is not guessed."""

    def use(unit: Unit) -> None:
        table = unit.thing
        for column, value in (
            (table.c.money, Decimal("0.0000001")),
            (table.c.money, Decimal("NaN")),
            (table.c.moment, datetime(2026, 1, 1)),  # noqa: DTZ001
        ):
            with pytest.raises(sa.exc.StatementError) as caught:
                unit.executor.exec(sa.update(table).values({column: value}))
            assert isinstance(caught.value.orig, ValueError)

    shop.in_scope(use)


ORDERED = [None, "", " ", "10", "9", "A", "Z", "a", "a b", "a-b", "ab", "z", "ä", "\U0001f600", "\uffee"]


def test_texts_are_ordered_by_code_point(shop: Shop) -> None:
    """Whatever the database's own collation is; NULL is the smallest, in both directions and across pages."""
    expected = [None, *sorted(text for text in ORDERED if text is not None)]

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many([Thing(code=str(n), word=word) for n, word in enumerate(ORDERED)])
        for sort, want in (("word", expected), ("-word", expected[::-1])):
            page = unit.things.list(page=Page(sort=(sort,), limit=len(ORDERED)))
            assert [thing.word for thing in page.items] == want
            seen: list[str | None] = []
            after = None
            while True:
                page = unit.things.list(page=Page(sort=(sort,), limit=4, after=after))
                seen += [thing.word for thing in page.items]
                after = page.next
                if after is None:
                    break
            assert seen == want

    shop.in_scope(use)


def test_searching_texts(shop: Shop) -> None:
    """Case counts but for icontains, which folds as Python does; wildcards are plain characters."""
    words = ["Straße", "STRASSE", "ÄRGER", "ärger", "100%", "a_b", "İstanbul", "ΟΔΟΣ", None]

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many([Thing(code=str(n), word=word) for n, word in enumerate(words)])

        def found(operator: Any, value: str) -> list[str | None]:
            return [t.word for t in unit.things.list(where=Compare("word", operator, value)).items]

        for needle in ["Straß", "ä", "Ä", "%", "_", "s", "S", "İ", "i̇", "ος", "ΟΣ", ""]:
            present = [word for word in words if word is not None]
            assert found("contains", needle) == [w for w in present if needle in w]
            assert found("icontains", needle) == [w for w in present if needle.lower() in w.lower()]
            assert found("startswith", needle) == [w for w in present if w.startswith(needle)]
        assert found("eq", "ärger") == ["ärger"]

    shop.in_scope(use)


def test_criteria_of_every_shape(shop: Shop) -> None:
    """Plans and expressions of Core find the same rows."""
    cases: list[tuple[Criteria, set[str]]] = [
        (Compare("number", "eq", None), set()),
        (Compare("number", "isnull", True), {"0"}),
        (Compare("number", "in", (1, None, 3)), {"1", "3"}),
        (Compare("number", "nin", (1,)), {"2", "3"}),
        (Not(Compare("number", "eq", 1)), {"2", "3"}),
        (Compare("number", "lt", 2**70), {"1", "2", "3"}),
        (Compare("money", "gt", Decimal("1.00000001")), {"2", "3"}),
        (Compare("flag", "eq", True), {"0", "2"}),
        (Compare("colour", "eq", Colour.RED), {"0", "1", "2", "3"}),
        (Compare("moment", "gte", datetime(2026, 1, 2, tzinfo=UTC)), {"0", "1", "2", "3"}),
        (Compare("key", "eq", UUID(int=7)), {"0", "1", "2", "3"}),
        (Any_((Compare("code", "eq", "1"), Compare("code", "startswith", "2"))), {"1", "2"}),
        (All(()), {"0", "1", "2", "3"}),
        (Any_(()), set()),
    ]

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many(
                [Thing(code=str(n), number=n or None, money=Decimal(n), flag=n % 2 == 0) for n in range(4)]
            )
        spec = unit.things.spec
        for criteria, codes in cases:
            page = unit.things.list(Page(count=True), criteria)
            assert {thing.code for thing in page.items} == codes, criteria
            assert page.total == len(codes)
            where = criteria_expression(spec, criteria, unit.thing, unit.executor.kind)
            rows = unit.executor.query(sa.select(unit.thing.c.code).where(where))
            assert {code for (code,) in rows} == codes

    shop.in_scope(use)
