from decimal import Decimal

import pytest
from msgspec import Raw

from prefiq.contracts import ValidationFailed
from prefiq.lowcode.values import BadValue
from prefiq.web.bodies import exact, merged
from prefiq.web.errors import Malformed


@pytest.fixture
def shape(app):
    from prefiq.web.bodies import create_shape

    return create_shape(app.catalog["projects.Project"])


@pytest.fixture
def task_shape(app):
    from prefiq.web.bodies import create_shape

    return create_shape(app.catalog["projects.Task"])


def errors_of(shape, body):
    with pytest.raises(ValidationFailed) as caught:
        shape.read(body)
    return {error.pointer: error.code for error in caught.value.errors}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.10", "1.10"),
        (b'"1.10"', "1.10"),
        (b"-0.3", "-0.3"),
        (b"1e2", "1E+2"),
        (b"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_decimals_keep_every_digit(text, value):
    """A JSON number never goes through a float, and a text is taken just as well."""
    assert str(exact(Raw(text))) == value


@pytest.mark.parametrize(
    "text",
    [
        b'"1_000"',
        '"\u0663"'.encode(),
        b'"NaN"',
        b'" 1"',
        b'""',
        b'"."',
        b'"1."',
        b'"0x1"',
        b"true",
        b"[1]",
        b'"1e5"',
        b'"' + b"1" * 101 + b'"',
        b'"' + b"1" * 60 + b"." + b"1" * 60 + b'"',
    ],
)
def test_what_is_no_decimal_is_refused(text):
    """Underscores, other digits than ASCII ones, and names of numbers are no decimals."""
    with pytest.raises(BadValue):
        exact(Raw(text))


def test_null_is_no_decimal_but_a_value():
    """Null is left to the field, which knows whether it may be empty."""
    assert exact(Raw(b"null")) is None


def test_every_fault_is_found_at_once(shape):
    """Unknown, missing and wrong members, and values beyond their limits, each with its pointer."""
    body = b'{"name": 3, "budget": [], "starts": "2026-02-30", "effort": 1.0, "due": "2026-01-01T00:00:00", "ratio": "1", "urgent": 1, "a/b~": 0}'
    assert errors_of(shape, body) == {
        "#/a~1b~0": "unknown",
        "#/code": "required",
        "#/name": "type",
        "#/budget": "type",
        "#/starts": "type",
        "#/effort": "type",
        "#/due": "timezone",
        "#/ratio": "type",
        "#/urgent": "type",
    }


def test_limits_are_reported_beside_faults_of_type(shape):
    """A fault of type in one field does not keep the limits of another from being reported."""
    assert errors_of(shape, b'{"code": "lower", "name": null, "budget": "1.005", "effort": true}') == {
        "#/code": "pattern",
        "#/name": "required",
        "#/budget": "scale",
        "#/effort": "type",
    }


@pytest.mark.parametrize("name", ["id", "version", "tenant_id", "stage", "created_at", "secret_rank"])
def test_what_code_sets_is_unknown(shape, name):
    """Id, version, tenant, status, read-only and hidden fields are not taken, and not ignored either."""
    assert errors_of(shape, f'{{"code": "A", "name": "n", "{name}": 1}}'.encode()) == {f"#/{name}": "unknown"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stage", "is changed by actions alone: activate, close"),
        ("created_at", "is read-only"),
        ("secret_rank", "is not a field that can be given"),
        ("colour", "is not a field that can be given"),
    ],
)
def test_what_code_sets_says_how(api, name, message):
    """A status names the actions that change it; a hidden field is as one that is not there."""
    project = api.project()
    for answer in (
        api.patch(f"/projects/{project['id']}", {name: "active"}),
        api.post("/projects", {"code": "B", "name": "n", name: "active"}),
    ):
        (fault,) = answer.json()["errors"]
        assert (fault["pointer"], fault["code"], fault["detail"]) == (f"#/{name}", "unknown", message)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"3"])
def test_a_body_is_an_object(shape, body):
    """Whatever else is one fault about the whole."""
    assert errors_of(shape, body) == {"#": "type"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"code": "A", "code": "B"}',
        b'{"code": 1, "code": 2}',
        b'{"effort": ' + b"9" * 5000 + b"}",
        b'{"effort": NaN}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"effort": "x", "name": "\\ud800"}',
        b'{"zz": "\\ud800"}',
        b'{"zz": "\xff"}',
        b'{"details": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"details": {"a": 1, "a": 2}}',
        b'{"zz": {"a": 1, "a": 2}}',
        b'{"name": "x", "zz": ' + b"[" * 70 + b"]" * 70 + b"}",
    ],
)
def test_what_cannot_be_parsed_is_malformed_not_invalid(shape, body):
    """Faults of the text come before faults of the values, wherever they stand."""
    with pytest.raises(Malformed):
        shape.read(body)


def test_numbers_beyond_64_bits_are_values_of_no_field(shape):
    """A whole number that no field can hold is refused with its pointer."""
    assert errors_of(shape, b'{"code": "A", "name": "n", "effort": 9223372036854775808, "zz": 1}') == {
        "#/effort": "range",
        "#/zz": "unknown",
    }


def test_faults_in_rows_carry_their_place(task_shape):
    """A row's fault names the row and the field."""
    body = b'{"title": "t", "steps": [{"title": "a"}, {"hours": "x", "id": 1}, 3], "project_id": "no"}'
    assert errors_of(task_shape, body) == {
        "#/project_id": "type",
        "#/steps/1/hours": "type",
        "#/steps/1/id": "unknown",
        "#/steps/1/title": "required",
        "#/steps/2": "type",
    }


def test_a_bad_body_of_thousands_of_faults_is_answered_shortly(task_shape):
    """At most a hundred faults are listed."""
    body = b'{"title": "t", "steps": [' + b",".join([b"1"] * 5000) + b"]}"
    assert len(errors_of(task_shape, body)) == 100


@pytest.mark.parametrize("row", [b"{}", b'{"title": "a"}', b"1"])
def test_a_body_has_no_endless_rows(task_shape, row):
    """Ten thousand children in a body; more are one fault, and not looked at."""
    body = b'{"title": "t", "steps": [' + b",".join([row] * 10_001) + b"]}"
    assert errors_of(task_shape, body) == {"#/steps": "max_items"}


def test_good_values_have_their_types(shape):
    """What is decoded has the types that fields want."""
    members = shape.read(b'{"code": "A", "name": "n", "budget": 1.10, "due": "2026-01-01T00:00:00+02:00"}')
    assert members["budget"] == Decimal("1.10")
    assert members["due"].utcoffset() is not None
    assert shape.check(members) == []
    assert members["due"].isoformat() == "2025-12-31T22:00:00+00:00"


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({"a": {"b": 1, "c": 1}}, {"a": {"b": None}}, {"a": {"c": 1}}),
        ({"a": "x"}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        (["a"], {"b": 1}, {"b": 1}),
        ({"a": 1}, ["x"], ["x"]),
        (None, {"a": None}, {}),
    ],
)
def test_documents_are_merged(target, patch, result):
    """The examples of RFC 7396, appendix A."""
    assert merged(target, patch) == result
