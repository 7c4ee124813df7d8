"""A corpus of bad input at every place that takes any: a problem with its pointer, never a 500, nothing half-written."""

import pytest

ON_SERVERS = [pytest.param(f"{engine}-async", marks=pytest.mark.full) for engine in ("postgres", "mariadb")]
pytestmark = [
    pytest.mark.usefixtures("place"),
    pytest.mark.parametrize("place", ["sqlite-sync", *ON_SERVERS], indirect=True),
]

UUID = "01890000-0000-7000-8000-000000000001"

BODIES = [
    b"", b"{", b"}", b"nul", b"[]", b"[[[[", b'"text"', b"1e999", b"\xff\xfe", b"\x00", b"{} {}", b"{'a': 1}", b'{"a": 1,}',
    b'{"code": "A", "code": "B"}', b'{"code": NaN}', b'{"code": Infinity}', b'{"effort": ' + b"9" * 10_000 + b"}",
    b'{"details": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", b'{"details": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
    b'{"code": "\\ud800"}', b'{"code": "a\\u0000b"}', "\ufeff{}".encode(), "{}".encode("utf-16"), b'{"__class__": "os"}',
    b'{"constructor": {"prototype": {}}}', b'{"code": {"$ne": 1}}', b'{"steps": null}', b'{"": 1}', b'{"\\u0000": 1}',
]  # fmt: skip

VALUES = [
    None, True, 0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, "", " ", "a" * 300, "a" * 70_000, "\u0000", "\ud7ff",
    "e\u0301", "\u202e", "\u200b", "😀", "'; DROP TABLE projects_project; --", "%", "_", "../../etc/passwd", "\r\nX: y",
    "{{7*7}}", "<script>", [], {}, [[]], {"a": {"b": {"c": None}}}, "2026-02-30", "0000-01-01", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "2026-01-01T25:00:00Z", "2026-06-30T23:59:60Z", "NaN", "Infinity", "1e5", "1_000", "٣", "0x10",
    UUID, UUID.upper(), "{" + UUID + "}",
]  # fmt: skip

FIELDS = [
    "code",
    "name",
    "budget",
    "starts",
    "due",
    "effort",
    "ratio",
    "urgent",
    "details",
    "note",
    "stage",
    "created_at",
    "id",
    "version",
    "zz",
]


def check(answer):
    """A good answer or a problem; never the server's fault."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_bodies_that_are_none(api, number):
    """At every path that takes a body, the row stays as it was."""
    created = api.project()
    one = f"/projects/{created['id']}"
    for method, path in (
        ("POST", "/projects"),
        ("PATCH", one),
        ("POST", f"{one}/close"),
        ("POST", f"{one}/activate"),
    ):
        answer = api.send(method, path, BODIES[number])
        check(answer)
        if BODIES[number]:
            assert answer.status_code in {400, 422}
    if BODIES[number]:
        assert api.get(one).json() == created
        assert api.codes("") == ["A-1"]


@pytest.mark.parametrize("field", FIELDS)
def test_values_of_every_kind_in_every_field(api, field):
    """Each is stored exactly or refused at its pointer, alike in creating and changing."""
    import json

    one = f"/projects/{api.project('ONE')['id']}"
    for number, value in enumerate(VALUES):
        body = json.dumps({"code": f"C-{number}", "name": "n"} | {field: value})
        created = api.send("POST", "/projects", body)
        check(created)
        changed = api.send("PATCH", one, json.dumps({field: value}))
        check(changed)
        assert (created.status_code in {400, 422}) == (changed.status_code in {400, 422}), (
            value,
            created.text,
            changed.text,
        )
        if created.status_code == 422:
            assert {entry["pointer"].split("/")[1] for entry in created.json()["errors"]} == {field}
        if created.status_code == 201:
            found = api.get(created.headers["location"]).json()
            assert found == created.json()


PARAMETERS = [
    "code", "code.contains", "code.in", "budget.gt", "starts", "due.lte", "effort", "ratio", "urgent", "stage",
    "note.startswith", "id", "id.in", "limit", "offset", "cursor", "sort", "fields", "count", "q", "zz", "budget.isnull",
]  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_values_of_every_kind_in_the_query(api, name):
    """Filters, paging, sort and search take what they declare and refuse the rest."""
    api.project()
    for value in VALUES:
        if isinstance(value, str) and len(value) < 1000:
            check(api.get("/projects", params={name: value}))
            check(api.get("/tasks", params={"include": value, name: value}))


ODD_PARTS = ["%00", "%ff", "..%2f..", "%2e%2e", "*", "a b", UUID + "%0a", "%F0%9F%98%80", "'", '"', "<x>"]


def test_paths_of_every_kind(api):
    """What is no id is the id of nothing, wherever it stands."""
    for value in ODD_PARTS:
        for path in (
            f"/projects/{value}",
            f"/projects/{value}/history",
            f"/{value}",
            f"/projects/{UUID}/{value}",
        ):
            for method in ("GET", "POST", "PATCH", "DELETE"):
                answer = api.request(method, path)
                check(answer)
                assert answer.status_code in {403, 404, 405, 415}


ODD_FIELDS = [
    "",
    " ",
    "*",
    '"',
    '""',
    '"1',
    "W/",
    ",,,",
    '"' + "9" * 400 + '"',
    "\x7f",
    "é",
    "a" * 8200,
    "Bearer",
    "null",
]


@pytest.mark.parametrize(
    "name", ["If-Match", "If-None-Match", "Prefiq-Tenant", "X-Request-Id", "Content-Type", "Authorization"]
)
def test_header_fields_of_every_kind(api, name):
    """Odd values of fields that mean something."""
    one = f"/projects/{api.project()['id']}"
    for value in ODD_FIELDS:
        headers = {"Content-Type": "application/json", name: value.encode("utf-8")}
        for method, path, body in (
            ("GET", one, None),
            ("PATCH", one, b"{}"),
            ("DELETE", f"/projects/{UUID}", None),
        ):
            check(api.request(method, path, headers=headers, content=body))
