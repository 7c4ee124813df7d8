"""SQL and memory take the same rows for the same criteria, NULLs and odd values included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import servers
from tests.servers import ENGINES

from prefiq.contracts import All, Any_, Bound, Compare, Criteria, Not, Page, Scope, where
from prefiq.foundation.criteria_memory import in_order, is_behind, matcher
from prefiq.foundation.entity import Entity
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog, field
from prefiq.sql import ConnectionManager, CriteriaError, Executor, Tables, criteria_expression
from prefiq.sql.criteria_values import sort_keys

pytestmark = pytest.mark.parametrize("engine", ENGINES, scope="session")


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Thing(Entity):
    word: str | None = None
    whole: int | None = None
    money: Decimal | None = field(default=None, precision=18, scale=2)
    ratio: float | None = None
    flag: bool | None = None
    day: date | None = None
    moment: datetime | None = None
    key: UUID | None = None
    colour: Colour | None = None
    data: dict[str, Any] | None = None


CATALOG = Catalog.build({"test": (Thing,)})
SPEC = CATALOG[Thing]

# Few values, so that criteria hit rows, and those on which engines and languages differ.
words = st.sampled_from(
    ["", "a", "A", "b", "ab", "aB", "%", "_", "a%b", "*", "[a]", "ä", "Ä", "ß", "İ", "\U0001f600", "\\"]
)
wholes = st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)])
moneys = st.sampled_from(
    [Decimal(n) for n in ("0", "0.01", "-0.01", "1", "1.5", "-1.5", "9999999999999999.99")]
)
ratios = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1e300, 1.0])
days = st.sampled_from([date(1, 1, 1), date(2026, 1, 1), date(2026, 1, 2), date(9999, 12, 31)])
zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]
moments = st.builds(
    lambda base, zone: base.astimezone(zone),
    st.sampled_from(
        [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=n) for n in (0, 1, 999_999, 1_000_000)]
    ),
    st.sampled_from(zones),
)
keys = st.sampled_from([UUID(int=n) for n in (0, 1, 2**127, 2**128 - 1)])
colours = st.sampled_from(list(Colour))
stored: dict[str, Any] = {
    "word": words, "whole": wholes, "money": moneys, "ratio": ratios, "flag": st.booleans(), "day": days,
    "moment": moments.map(lambda m: m.astimezone(UTC)), "key": keys, "colour": colours,
}  # fmt: skip
# What a caller may compare with goes beyond what a column holds.
asked: dict[str, Any] = stored | {
    "whole": wholes | st.sampled_from([2**63, -(2**63) - 1, 2**70]),
    "money": moneys
    | wholes
    | st.sampled_from(
        [Decimal(n) for n in ("0.005", "-0.005", "1.499", "1.501", "1e30", "-1e30", "92233720368547758.08")]
    ),
    "ratio": ratios | st.sampled_from([0, 1, -1]),
    "moment": moments,
    "colour": colours | words,
}

things = st.builds(Thing, **{name: st.none() | values for name, values in stored.items()})


@st.composite
def comparisons(draw: Any) -> Criteria:
    name = draw(st.sampled_from([*asked, "data"]))
    if name == "data" or draw(st.integers(0, 9)) == 0:
        return Compare(name, "isnull", draw(st.booleans()))
    values = asked[name] | st.none()
    operators = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    if name in {"word", "colour"}:
        operators += ["contains", "icontains", "startswith"]
    operator = draw(st.sampled_from(operators))
    if operator in {"in", "nin"}:
        return Compare(name, operator, tuple(draw(st.lists(values, max_size=3))))
    return Compare(name, operator, draw(words | st.none() if operator in operators[8:] else values))


criteria = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda terms: All(tuple(terms))),
        st.lists(inner, max_size=3).map(lambda terms: Any_(tuple(terms))),
        inner.map(Not),
    ),
    max_leaves=5,
)
sorts = st.lists(
    st.sampled_from([sign + name for name in [*stored, "id", "version"] for sign in ("", "-")]), max_size=3
).map(tuple)


@pytest.fixture(scope="module")
def store(engine: str) -> Iterator[RepositoryQuery[Thing]]:
    tables = Tables(CATALOG)
    with servers.database(engine) as database:
        manager = ConnectionManager([database.config()], tables)
        with manager.schema_connection() as connection:
            tables.create_all(connection)
        with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
            yield RepositoryQuery.of(Thing)(Executor(manager, scope, tables), tables)
        manager.close()


class Undo(Exception):
    """Ends the transaction of an example."""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(things, max_size=8), asked=st.lists(criteria, min_size=1, max_size=6))
def test_sql_and_memory_agree(
    store: RepositoryQuery[Thing], rows: list[Thing], asked: list[Criteria]
) -> None:
    """On random rows and criteria: lists, counts and hand-written statements alike."""
    with pytest.raises(Undo), store._executor.tx():  # noqa: PT012
        store.save_many(rows)
        for term in asked:
            matches = matcher(SPEC, term)
            expected = {row.id for row in rows if matches(row)}
            assert {row.id for row in store.list(Page(limit=100), term).items} == expected
            assert store.count(term) == len(expected)
            statement = store.select().where(
                criteria_expression(SPEC, term, store.table, store._executor.kind)
            )
            assert {row.id for row in store.query(statement)} == expected
        raise Undo


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(things, max_size=8), sort=sorts, limit=st.integers(1, 4))
def test_orders_and_keysets_agree(
    store: RepositoryQuery[Thing], rows: list[Thing], sort: tuple[str, ...], limit: int
) -> None:
    """On random rows: the same order, and the same rows behind each of them."""
    with pytest.raises(Undo), store._executor.tx():  # noqa: PT012
        store.save_many(rows)
        keys_ = sort_keys(SPEC, Page(sort=sort))
        expected = in_order(rows, keys_)
        assert store.list(Page(limit=100, sort=sort)).items == expected
        seen: list[Thing] = []
        page = store.list(Page(limit=limit, sort=sort))
        while True:
            seen.extend(page.items)
            if page.next is None:
                break
            behind = [row for row in expected if is_behind(row, keys_, page.next)]
            assert behind == expected[len(seen) :]
            page = store.list(Page(limit=limit, sort=sort, after=page.next))
        assert seen == expected
        raise Undo


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (where(whole=1), True),
        (where(whole__ne=1), False),
        (where(word=None), None),
        (where(day__gt=date(2026, 1, 1)), None),
        (~where(day__gt=date(2026, 1, 1)), None),
        (where(day__isnull=True), True),
        (where(day__in=()), False),
        (where(day__nin=()), True),
        (where(whole__in=(2, None)), None),
        (where(whole__in=(1, None)), True),
        (where(whole__nin=(2, None)), None),
        (where(whole=1) & where(day=date(2026, 1, 1)), None),
        (where(whole=2) & where(day=date(2026, 1, 1)), False),
        (where(whole=1) | where(day=date(2026, 1, 1)), True),
        (where(whole=2) | where(day=date(2026, 1, 1)), None),
        (All(()), True),
        (Any_(()), False),
        (where(word__contains="b"), True),
        (where(word__contains="B"), False),
        (where(word__icontains="B"), True),
        (where(word__startswith="a%"), True),
        (where(word__startswith="a_"), False),
        (where(money__gt=Decimal("1.499")), True),
        (where(money__lt=Decimal("1.501")), True),
        (where(money=Decimal("1.501")), False),
        (where(money__lte=Decimal("1e30")), True),
        (where(whole__gt=2**70), False),
    ],
)
def test_three_valued_logic(store: RepositoryQuery[Thing], term: Criteria, expected: bool | None) -> None:
    """A row is taken where the criteria is true, by its negation where it is false, and by neither where unknown."""
    with pytest.raises(Undo), store._executor.tx():  # noqa: PT012
        thing = store.save(Thing(word="a%b", whole=1, money=Decimal("1.5")))
        taken = (store.count(term) == 1, store.count(~term) == 1)
        assert taken == (expected is True, expected is False)
        assert matcher(SPEC, term)(thing) is (expected is True)
        assert matcher(SPEC, ~term)(thing) is (expected is False)
        raise Undo


def nested(depth: int) -> Criteria:
    """A comparison that is negated many times."""
    term = where(whole=1)
    for _ in range(depth):
        term = Not(term)
    return term


@pytest.mark.parametrize(
    "term",
    [
        where(nothing=1),
        where(tenant_id="globex"),
        where(deleted_at__isnull=True),
        where(word=1),
        where(whole="1"),
        where(whole=True),
        where(whole=1.5),
        where(flag=1),
        where(money=1.5),
        where(money=Decimal("NaN")),
        where(ratio=float("inf")),
        where(ratio=10**400),
        where(day=datetime(2026, 1, 1, tzinfo=UTC)),
        where(moment=datetime(2026, 1, 1)),  # noqa: DTZ001
        where(moment=date(2026, 1, 1)),
        where(key="x"),
        where(word="\x00"),
        where(word="\ud800"),
        where(data={}),
        where(word__isnull=None),
        where(word__in="abc"),
        where(whole__in=(1, "2")),
        where(whole__in=tuple(range(10_001))),
        where(whole__contains="1"),
        Compare("word", "matches", "x"),  # type: ignore[arg-type]
        All((where(whole=1), Not(where(nothing=1)))),
        All((where(whole=1),) * 600),
        nested(60),
    ],
    ids=lambda term: str(term)[:60],
)
def test_what_does_not_fit_is_refused_alike(store: RepositoryQuery[Thing], term: Criteria) -> None:
    """The same error from SQL and memory, and never the value in its text."""
    with pytest.raises(CriteriaError) as by_sql:
        store.count(term)
    with pytest.raises(CriteriaError) as by_memory:
        matcher(SPEC, term)
    assert str(by_sql.value) == str(by_memory.value)


def test_what_is_just_allowed_is_taken(store: RepositoryQuery[Thing]) -> None:
    """Ten thousand values, hundreds of terms, fifty levels."""
    assert store.count(All((where(whole=1),) * 499)) == store.count(nested(49)) == 0
    assert store.count(where(whole__in=tuple(range(10_000)))) == 0
