from datetime import UTC, datetime
from decimal import Decimal

import pytest

from prefiq.contracts import All, Any_, Compare
from prefiq.web.errors import Malformed, QueryRefused
from prefiq.web.query import QueryReader, split_query

NOTHING = frozenset()


@pytest.fixture
def reader(app):
    return QueryReader(app.catalog["projects.Project"], app.catalog)


@pytest.fixture
def refused(reader):
    def read(query):
        with pytest.raises(QueryRefused) as caught:
            reader.read(query)
        return {error.field: error.code for error in caught.value.errors}

    return read


def criteria(reader, query):
    return reader.criteria(reader.read(query), NOTHING)


def test_parameters_are_decoded():
    """Percent signs and plus signs mean what they mean in forms; empty parts are nothing."""
    assert split_query(b"a=1&b=&&c") == [("a", "1"), ("b", ""), ("c", "")]
    assert split_query(b"a=x+y%26&%62=%C3%A9") == [("a", "x y&"), ("b", "é")]
    assert split_query("a=é".encode()) == [("a", "é")]


@pytest.mark.parametrize("query", [b"a=%FF", b"a=\xff"])
def test_a_query_is_utf_8(query):
    """Bytes that are no text cannot be parsed."""
    with pytest.raises(Malformed):
        split_query(query)


@pytest.mark.parametrize(
    ("query", "term"),
    [
        (b"code=A-1", Compare("code", "eq", "A-1")),
        (b"code.eq=A-1", Compare("code", "eq", "A-1")),
        (b"code.in=A,B", Compare("code", "in", ("A", "B"))),
        (b"code.startswith=A%25", Compare("code", "startswith", "A%")),
        (b"budget.gte=10.50", Compare("budget", "gte", Decimal("10.50"))),
        (b"budget.isnull=true", Compare("budget", "isnull", True)),
        (b"effort.lt=-3", Compare("effort", "lt", -3)),
        (b"urgent=true", Compare("urgent", "eq", True)),
        (b"due.gt=2026-01-01T00:00:00Z", Compare("due", "gt", datetime(2026, 1, 1, tzinfo=UTC))),
        (b"stage.ne=draft", Compare("stage", "ne", "draft")),
        (b"ratio.gt=1.5e1", Compare("ratio", "gt", 15.0)),
        (b"note.icontains=x", Compare("note", "icontains", "x")),
    ],
)
def test_filters_are_typed(reader, query, term):
    """A filter's value has its field's type before any service sees it."""
    assert criteria(reader, query) == term


def test_filters_hold_together(reader):
    """Several filters must all be true."""
    assert criteria(reader, b"code=A&effort.gt=1") == All(
        (Compare("code", "eq", "A"), Compare("effort", "gt", 1))
    )


def test_no_filter_is_no_criteria(reader):
    """A list without filters asks for nothing."""
    assert criteria(reader, b"limit=5") is None


def test_search_looks_into_readable_fields_alone(reader):
    """A field that the actor may not read must not answer a search: that would tell what is in it."""
    wanted = reader.read(b"q=roof")
    name, note = Compare("name", "icontains", "roof"), Compare("note", "icontains", "roof")
    assert reader.criteria(wanted, NOTHING) == Any_((name, note))
    assert reader.criteria(wanted, frozenset({"note"})) == Any_((name,))
    assert reader.criteria(wanted, frozenset({"note", "name"})) == Any_(())


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        (b"foo=1", {"foo": "unknown"}),
        (b"name=x", {"name": "unknown"}),
        (b"secret_rank=7", {"secret_rank": "unknown"}),
        (b"secret_rank.gt=7", {"secret_rank.gt": "unknown"}),
        (b"tenant_id=globex", {"tenant_id": "unknown"}),
        (b"project.tenant_id=globex", {"project.tenant_id": "unknown"}),
        (b"code.regex=x", {"code.regex": "unknown"}),
        (b"effort.contains=1", {"effort.contains": "unknown"}),
        (b"effort.isnull=true", {"effort.isnull": "unknown"}),
        (b"code[ne]=1", {"code[ne]": "unknown"}),
        (b"limit=0", {"limit": "range"}),
        (b"limit=201", {"limit": "range"}),
        (b"limit=-1", {"limit": "range"}),
        (b"limit=1e2", {"limit": "range"}),
        (b"limit=NaN", {"limit": "range"}),
        (b"limit=%D9%A3", {"limit": "range"}),
        (b"limit=", {"limit": "range"}),
        (b"limit=1%0A", {"limit": "range"}),
        (b"offset=10001", {"offset": "range"}),
        (b"offset=9223372036854775808", {"offset": "range"}),
        (b"count=yes", {"count": "enum"}),
        (b"sort=name", {"sort": "enum"}),
        (b"sort=secret_rank", {"sort": "enum"}),
        (b"sort=code;DROP", {"sort": "enum"}),
        (b"sort=code,-code", {"sort": "sort"}),
        (b"sort=", {"sort": "enum"}),
        (b"fields=secret_rank", {"fields": "enum"}),
        (b"fields=", {"fields": "enum"}),
        (b"fields=code,code", {"fields": "enum"}),
        (b"include=owner", {"include": "unknown"}),
        (b"effort=1.0", {"effort": "type"}),
        (b"effort=%D9%A3", {"effort": "type"}),
        (b"effort=9223372036854775808", {"effort": "range"}),
        (b"effort=", {"effort": "type"}),
        (b"budget=1.005", {"budget": "scale"}),
        (b"budget=1_0", {"budget": "type"}),
        (b"due=2026-01-01T00:00:00", {"due": "timezone"}),
        (b"due=yesterday", {"due": "type"}),
        (b"starts=2026-1-1", {"starts": "type"}),
        (b"starts=2026-02-30", {"starts": "type"}),
        (b"urgent=1", {"urgent": "type"}),
        (b"stage=open", {"stage": "enum"}),
        (b"ratio=inf", {"ratio": "type"}),
        (b"ratio=1e999", {"ratio": "finite"}),
        (b"code=%00", {"code": "text"}),
        (b"code=" + b"x" * 201, {"code": "max_length"}),
        (b"q=", {"q": "min_length"}),
        (b"id=1", {"id": "type"}),
        (b"id.in=" + b",".join([b"x"] * 201), {"id.in": "max_items"}),
        (b"budget.isnull=maybe", {"budget.isnull": "type"}),
        (b"limit=1&limit=2", {"limit": "duplicate"}),
        (b"cursor=", {"cursor": "cursor"}),
        (b"cursor=x&offset=1", {"offset": "conflict"}),
        (b"foo=1&limit=0&effort=x", {"foo": "unknown", "limit": "range", "effort": "type"}),
    ],
)
def test_what_is_not_declared_is_refused_with_its_parameter(refused, query, faults):
    """Unknown, hidden, undeclared, twice given or badly formed: all at once, none ignored."""
    assert refused(query) == faults


def test_too_many_parameters_are_refused(refused):
    """A hundred parameters are enough for anybody."""
    assert refused(b"&".join(b"code=%d" % n for n in range(101))) == {"": "max_items"}


def test_the_digest_is_of_filters_alone(reader):
    """Order of the filters, limit and fields do not change what a cursor is good for; values and search do."""
    digest = reader.read(b"code=A&effort=1").filters
    assert reader.read(b"effort=1&limit=3&code=A&fields=code").filters == digest
    assert (
        len(
            {
                digest,
                reader.read(b"code=A&effort=2").filters,
                reader.read(b"q=A").filters,
                reader.read(b"").filters,
            }
        )
        == 4
    )
