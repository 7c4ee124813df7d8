"""One model over HTTP: the five verbs, actions, history, lists, conditions."""

import uuid

import pytest

from prefiq.web import create_asgi


def test_create(api):
    """201 with the place, the tag and what was written; defaults and system's fields are filled."""
    answer = api.post(
        "/projects", {"code": "A-1", "name": "Roof", "budget": "10.5", "due": "2026-05-01T02:00:00+02:00"}
    )
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/projects/projects/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (body["version"], body["stage"], body["budget"]) == (1, "draft", "10.50")
    assert body["due"] == "2026-05-01T00:00:00Z"
    assert body["created_at"].endswith("Z")
    assert "secret_rank" not in body
    assert api.get(answer.headers["location"]).json() == body


def test_every_fault_of_a_body_is_told(api, faults):
    """With pointers, and nothing is stored."""
    answer = api.post(
        "/projects",
        {"code": "lower case", "name": "x" * 201, "budget": "-1", "effort": "1", "stage": "closed"},
    )
    assert answer.status_code == 422
    assert faults(answer) == {
        "#/code": "pattern",
        "#/name": "max_length",
        "#/budget": "ge",
        "#/effort": "type",
        "#/stage": "unknown",
    }
    assert answer.json()["errors"][1]["params"] == {"limit": 200}
    assert api.codes("") == []


def test_faults_that_the_service_finds_have_the_same_form(api, faults):
    """Limits, rules over the whole entity and what hooks refuse."""
    assert faults(api.post("/projects", {"code": "A", "name": ""} | {"budget": "10.005"})) == {
        "#/budget": "scale"
    }
    wrong = api.post(
        "/projects", {"code": "A", "name": "n", "starts": "2026-05-02", "due": "2026-05-01T00:00:00Z"}
    )
    assert (wrong.status_code, faults(wrong)) == (422, {"#/due": "refused"})
    unlucky = api.post("/projects", {"code": "A", "name": "unlucky"})
    assert (unlucky.status_code, faults(unlucky)) == (422, {"#/name": "refused"})
    sunday = api.post("/projects", {"code": "A", "name": "sunday"})
    assert (sunday.status_code, sunday.json()["detail"]) == (409, "not on a Sunday")


def test_a_value_that_is_taken_is_a_conflict_at_its_pointer(api, faults):
    """409 with the field; another tenant's value is not in the way."""
    api.project("A-1")
    api.project("A-1", tenant="globex")
    answer = api.post("/projects", {"code": "A-1", "name": "n"})
    assert (answer.status_code, faults(answer)) == (409, {"#/code": "unique"})


def test_a_foreign_row_is_answered_as_a_missing_one(api):
    """Read, change, delete, act and history: the same status and the same words."""
    mine = api.project()["id"]
    missing = str(uuid.uuid4())
    for method, suffix, body in (
        ("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/activate", None),
        ("GET", "/history", None),
    ):  # fmt: skip
        foreign, absent = (
            api.request(method, f"/projects/{key}{suffix}", json=body, tenant="globex")
            for key in (mine, missing)
        )
        assert foreign.status_code == absent.status_code == 404
        assert foreign.json() | {"instance": ""} == absent.json() | {"instance": ""}
    assert api.get(f"/projects/{mine}").json()["version"] == 1


@pytest.mark.parametrize(
    "key",
    [
        "1",
        "nothing",
        "{01890000-0000-7000-8000-000000000001}",
        "01890000000070008000000000000001",
        "0" * 36,
        "\u0661" * 36,
    ],
)
def test_an_id_that_is_no_uuid_is_the_id_of_nothing(api, key):
    """404, and no error of a driver."""
    for method in ("GET", "DELETE"):
        answer = api.request(method, f"/projects/{key}")
        assert (answer.status_code, answer.json()["code"]) == (404, "PFQ510")


def test_rows_that_a_policy_hides_are_missing(api):
    """What the actor may not see is not there, in reads, changes and lists."""
    urgent = api.project("U-1", urgent=True)["id"]
    api.project("A-1")
    assert api.get(f"/projects/{urgent}", actor="trainee").status_code == 404
    assert api.patch(f"/projects/{urgent}", {"name": "x"}, actor="trainee").status_code == 404
    assert api.codes("", actor="trainee") == ["A-1"]


# ---- conditions


def test_a_known_version_is_not_sent_again(api):
    """304 with the tag, and no body; a change ends it."""
    one = f"/projects/{api.project()['id']}"
    tag = api.get(one).headers["etag"]
    for field in (tag, f"W/{tag}", f'"9", {tag}', "*"):
        answer = api.get(one, headers={"If-None-Match": field})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    api.patch(one, {"name": "new"})
    assert api.get(one, headers={"If-None-Match": tag}).status_code == 200


def test_a_stale_change_is_refused_and_nothing_is_written(api):
    """PATCH, DELETE and actions honour If-Match; without it they do not ask for it."""
    one = f"/projects/{api.project()['id']}"
    api.patch(one, {"name": "second"})
    for stale in ('"1"', 'W/"2"', '"x"'):
        for answer in (
            api.patch(one, {"name": "third"}, headers={"If-Match": stale}),
            api.post(f"{one}/activate", headers={"If-Match": stale}),
            api.delete(one, headers={"If-Match": stale}),
        ):
            assert answer.status_code == 412
    assert api.get(one).json()["name"] == "second"
    assert api.patch(one, {"name": "third"}, headers={"If-Match": '"1", "2"'}).headers["etag"] == '"3"'
    assert api.post(f"{one}/activate", headers={"If-Match": '"3"'}).headers["etag"] == '"4"'
    assert api.patch(one, {"name": "fourth"}, headers={"If-Match": "*"}).status_code == 200
    assert api.delete(one, headers={"If-Match": '"1", "5"'}).status_code == 204
    for answer in (api.delete(one, headers={"If-Match": "*"}), api.delete(one, headers={"If-Match": '"1"'})):
        assert answer.status_code == 404


def test_a_bad_body_comes_before_a_stale_condition(api, faults):
    """A condition counts only where the answer would otherwise be good (RFC 9110, section 13.2.1)."""
    one = f"/projects/{api.project(starts='2026-05-02')['id']}"
    stale = {"If-Match": '"9"'}
    assert faults(api.patch(one, {"code": "x"}, headers=stale)) == {"#/code": "pattern"}
    assert faults(api.patch(one, {"due": "2026-01-01T00:00:00Z"}, headers=stale)) == {"#/due": "refused"}
    assert faults(api.post(f"{one}/close", {"reason": 1}, headers=stale)) == {"#/reason": "type"}


def test_who_loses_a_race_without_a_condition_gets_a_conflict(api):
    """409 without If-Match, 412 with it."""
    one = f"/projects/{api.project()['id']}"
    assert api.patch(one, {"name": "race"}).status_code == 409
    assert api.patch(one, {"name": "race"}, headers={"If-Match": '"1"'}).status_code == 412


def test_a_change_between_the_condition_and_the_action_is_noticed(api):
    """What If-Match was compared with is what the action runs on, or nothing is."""
    from starlette.testclient import TestClient

    from prefiq import IDomainService, Services

    project = api.app.catalog["projects.Project"].cls

    class Racing(Services[project]):
        def get(self, id, /):
            entity = super().get(id)
            again = self.repository.get_by_id(id)
            again.note = "somebody was faster"
            self.repository.update(again)
            return entity

    one = f"/projects/{api.project()['id']}"
    with TestClient(create_asgi(api.app.fork({IDomainService[project]: Racing}))) as client:
        headers = {"Authorization": f"Bearer {api.token()}", "If-Match": '"1"'}
        answer = client.post(f"/api/projects{one}/rename", json={"name": "mine"}, headers=headers)
    assert answer.status_code == 412
    assert api.get(one).json()["name"] == "Name of A-1"


# ---- changes


def test_a_patch_changes_what_it_mentions(api):
    """Null empties, what is absent stays, documents are merged, and the answer is what was written."""
    created = api.project(budget="5", effort=3, details={"a": {"b": 1, "c": 2}, "d": [1]})
    one = f"/projects/{created['id']}"
    answer = api.patch(one, {"budget": None, "details": {"a": {"b": None}, "d": [2]}})
    assert answer.json() == created | {"version": 2, "budget": None, "details": {"a": {"c": 2}, "d": [2]}}
    assert api.get(one).json() == answer.json()
    assert api.patch(one, {"details": None}).json()["details"] is None


def test_a_patch_that_changes_nothing_writes_nothing(api):
    """The version stays, and so does the tag."""
    created = api.project()
    answer = api.patch(f"/projects/{created['id']}", {"name": created["name"]})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')


def test_null_where_a_value_is_required(api, faults):
    """A field that cannot be empty is not emptied."""
    one = f"/projects/{api.project()['id']}"
    assert faults(api.patch(one, {"name": None, "effort": None})) == {
        "#/name": "required",
        "#/effort": "required",
    }


def test_rows_of_a_parent(api, faults):
    """Rows are written with their parent; one that is named keeps what is not mentioned, one that is absent is gone."""
    task = api.post("/tasks", {"title": "T", "steps": [{"title": "a", "hours": 1.25}, {"title": "b"}]}).json()
    first, second = task["steps"]
    assert set(first) == {"id", "title", "hours", "done", "checked_by"}
    assert (first["hours"], first["checked_by"]) == ("1.25", "nobody")
    one = f"/tasks/{task['id']}"
    changed = api.patch(one, {"steps": [{"title": "new"}, {"id": first["id"], "done": True}]}).json()
    assert [step["title"] for step in changed["steps"]] == ["new", "a"]
    assert changed["steps"][1] == first | {"done": True}
    assert changed["version"] == 2
    assert api.get(one).json() == changed
    strange = api.patch(one, {"steps": [{"id": second["id"]}, {"id": first["id"]}, {"id": first["id"]}]})
    assert (strange.status_code, faults(strange)) == (
        422,
        {"#/steps/0/id": "unknown", "#/steps/2/id": "unknown"},
    )
    late = api.patch(one, {"steps": [{"title": "x" * 81, "hours": "1.005"}]}, headers={"If-Match": '"1"'})
    assert faults(late) == {"#/steps/0/title": "max_length", "#/steps/0/hours": "scale"}
    assert faults(api.post("/tasks", {"title": "T", "steps": [{"id": first["id"], "title": "x"}]})) == {
        "#/steps/0/id": "unknown"
    }


def test_references_to_foreign_and_missing_rows_are_one_fault(api, faults):
    """A wrong value of the field, whether the row is another tenant's or nobody's."""
    foreign = api.project(tenant="globex")["id"]
    answers = [api.post("/tasks", {"title": "T", "project_id": key}) for key in (foreign, str(uuid.uuid4()))]
    for answer in answers:
        assert (answer.status_code, faults(answer)) == (422, {"#/project_id": "reference"})
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


def test_a_row_that_others_refer_to_stays(api):
    """Deleting it is a conflict."""
    project = api.project()["id"]
    api.post("/tasks", {"title": "T", "project_id": project})
    answer = api.delete(f"/projects/{project}")
    assert (answer.status_code, answer.json()["code"]) == (409, "PFQ517")


def test_delete(api):
    """204 and nothing; then it is missing."""
    one = f"/projects/{api.project()['id']}"
    answer = api.delete(one)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.delete(one).status_code == 404


# ---- actions


def test_actions_take_their_parameters_from_the_body(api, faults):
    """The answer is what was written; parameters are typed, unknown ones refused, defaults may be left out."""
    one = f"/projects/{api.project()['id']}"
    activated = api.post(f"{one}/activate")
    assert (activated.status_code, activated.json()["stage"], activated.headers["etag"]) == (
        200,
        "active",
        '"2"',
    )
    assert faults(api.post(f"{one}/close", {"reason": 3, "when": "x", "why": 1})) == {
        "#/reason": "type",
        "#/when": "type",
        "#/why": "unknown",
    }
    assert faults(api.post(f"{one}/close", {})) == {"#/reason": "required"}
    closed = api.post(f"{one}/close", {"reason": "done", "when": "2026-03-01"})
    assert (closed.json()["stage"], closed.json()["note"]) == ("closed", "done 2026-03-01")
    assert api.post(f"{one}/rename").json()["name"] == "renamed"
    assert api.post(f"{one}/rename", {"name": "again"}).json()["name"] == "again"


def test_a_body_that_is_needed_must_be_there(api):
    """An action with a required parameter does not take an empty request."""
    one = f"/projects/{api.project()['id']}"
    assert api.post(f"{one}/close").status_code == 415
    assert api.send("POST", f"{one}/rename", b"[]").status_code == 422
    assert api.request("POST", f"{one}/rename", content=b"{}").status_code == 415


def test_an_action_says_no(api, faults):
    """About a parameter 422 at its pointer; about the state 409; in the wrong state 409 with what is possible."""
    early = api.post(f"/projects/{api.project('B')['id']}/close", {"reason": "x"})
    assert (early.status_code, early.json()["allowed"]) == (409, ["activate", "rename"])
    one = f"/projects/{api.project(effort=2000)['id']}"
    api.post(f"{one}/activate")
    empty = api.post(f"{one}/close", {"reason": " "})
    assert (empty.status_code, faults(empty)) == (422, {"#/reason": "refused"})
    much = api.post(f"{one}/close", {"reason": "x"})
    assert (much.status_code, faults(much)) == (409, {"#/effort": "refused"})
    assert api.get(one).json()["stage"] == "active"


# ---- history


def test_who_may_act_and_not_read_is_shown_no_values(api):
    """An answer to a write is a read as well: without that permission it holds id and version alone."""
    created = api.post("/projects", {"code": "A-1", "name": "x"}, can=("projects.project.create",))
    assert set(created.json()) == {"id", "version"}
    path = f"/projects/{created.json()['id']}"
    acted = api.post(f"{path}/rename", {"name": "y"}, can=("projects.project.rename",))
    assert acted.status_code == 200
    assert set(acted.json()) == {"id", "version"}
    assert acted.headers["etag"] == '"2"'
    seen = api.post(f"{path}/rename", {"name": "z"}, can=("projects.project.rename", "projects.project.read"))
    assert seen.json()["name"] == "z"


def test_an_argument_named_like_an_unreadable_field_is_not_told(api):
    """What ``rename(name)`` was given is the field's value, for who may not read the field."""
    path = f"/projects/{api.project()['id']}"
    api.post(f"{path}/rename", {"name": "secret"})
    assert api.get(f"{path}/history").json()["items"][-1]["arguments"] == {"name": "secret"}
    assert "secret" not in api.get(f"{path}/history", actor="blind").text


def test_history_tells_who_did_what(api):
    """Oldest first, with values before and after; hidden and unreadable fields are left out."""
    one = f"/projects/{api.project(budget='1')['id']}"
    api.patch(one, {"budget": "2", "name": "new"}, actor="ben")
    api.post(f"{one}/rename", {"name": "newer"})
    entries = api.get(f"{one}/history").json()["items"]
    assert [(e["actor"], e["action"], e["version"]) for e in entries] == [
        ("ann", "created", 1),
        ("ben", "updated", 2),
        ("ann", "rename", 3),
    ]
    assert entries[1]["changes"] == {"budget": ["1.00", "2.00"], "name": ["Name of A-1", "new"]}
    assert entries[2]["arguments"] == {"name": "newer"}
    assert all("secret_rank" not in entry["changes"] for entry in entries)
    assert api.get(f"{one}/history", actor="clerk").json()["items"][1]["changes"].keys() == {"name"}
    assert api.get("/ranks/nothing/history").status_code == 404


# ---- lists


@pytest.fixture
def many(api):
    for number in range(7):
        api.project(
            f"P-{number}",
            effort=number % 3,
            budget=None if number == 4 else f"{number}.50",
            urgent=number == 6,
        )
    api.project("P-9", tenant="globex")
    return api


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("", "0123456"),
        ("sort=-code&limit=2", "65"),
        ("sort=effort,-code", "6304152"),
        ("effort=1", "14"),
        ("effort.in=0,2&code.ne=P-3", "0256"),
        ("budget.gte=5.5", "56"),
        ("budget.isnull=true", "4"),
        ("urgent=true", "6"),
        ("code.startswith=P-&code.gt=P-4", "56"),
        ("q=name%20of%20p-3", "3"),
        ("q=%25", ""),
        ("code.contains=_", ""),
        ("offset=5", "56"),
        ("stage=active", ""),
        ("created_at.isnull=false", None),
    ],
)
def test_filters_sorts_and_pages(many, query, codes):
    """What comes back is what was asked for, of this tenant alone."""
    if codes is None:
        assert many.get(f"/projects?{query}").status_code == 422
    else:
        assert many.codes(query) == [f"P-{each}" for each in codes]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sort=-effort",
        "sort=budget",
        "sort=-budget,effort",
        "sort=-id",
        "sort=effort,id",
        "effort.lt=2&q=name",
        "sort=-stage",
    ],
)
def test_cursors_visit_every_row_once(many, query):
    """Page by page, by `next` and by the Link header, through equal values and empty ones."""
    whole = many.codes(query)
    path, seen = f"/projects?{query}&limit=2", []
    while path:
        answer = many.get(path)
        assert answer.status_code == 200, answer.text
        seen += [item["code"] for item in answer.json()["items"]]
        cursor, link = answer.json()["next"], answer.headers.get("link")
        assert (cursor is None) == (link is None)
        if cursor is not None:
            assert link.endswith('; rel="next"')
            path = link[1 : link.index(">")]
            assert cursor in path
            assert "limit=2" in path
            assert path.count("cursor=") == 1
        else:
            path = None
    assert seen == whole


def test_a_cursor_is_good_for_its_list_alone(many, faults):
    """Not for another tenant, order, filter or model, and not forged."""
    cursor = many.get("/projects?limit=2&effort=0").json()["next"]
    assert many.get(f"/projects?effort=0&cursor={cursor}").status_code == 200
    for path, options in (
        (f"/projects?effort=0&cursor={cursor}", {"tenant": "globex"}),
        (f"/projects?cursor={cursor}", {}),
        (f"/projects?effort=1&cursor={cursor}", {}),
        (f"/projects?effort=0&sort=-code&cursor={cursor}", {}),
        (f"/tasks?cursor={cursor}", {}),
        (f"/projects?effort=0&cursor={cursor[:-2]}AA", {}),
        ("/projects?cursor=x", {}),
    ):
        answer = many.get(path, **options)
        assert (answer.status_code, faults(answer)) == (422, {"cursor": "cursor"})


def test_a_cursor_tells_no_hidden_value(api):
    """Where the order is secret, so is the place in it; the pages are right all the same."""
    import base64

    for name in "abcde":
        assert api.post("/rankeds", {"name": name}).status_code == 201
    path, seen = "/rankeds?limit=2", []
    while path:
        answer = api.get(path)
        seen += [item["name"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        path = cursor and f"/rankeds?limit=2&cursor={cursor}"
        if cursor:
            assert len(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))) == 16 + len(
                '["'
            ) + 36 + len('"]')
            kept = cursor
    assert sorted(seen) == list("abcde")
    gone = api.get("/rankeds?limit=4").json()["items"]
    for item in gone:
        api.delete(f"/rankeds/{item['id']}")
    assert api.get(f"/rankeds?limit=2&cursor={kept}").status_code == 422


def test_totals_are_counted_on_request(many):
    """`total` is there where it was asked for, and counts what matches."""
    assert "total" not in many.get("/projects?limit=1").json()
    assert many.get("/projects?limit=1&count=exact&effort=0").json()["total"] == 3


def test_fields(many):
    """Only what was asked for comes; id and version always do."""
    item = many.get("/projects?limit=1&fields=code,budget").json()["items"][0]
    assert set(item) == {"id", "version", "code", "budget"}
    one = many.get(f"/projects/{item['id']}?fields=code")
    assert set(one.json()) == {"id", "version", "code"}
    assert one.headers["etag"] == '"1"'


def test_unreadable_fields_are_left_out_everywhere(many, faults):
    """A policy's mask holds in reads, lists, answers to writes, and filters by such a field are refused."""
    item = many.get("/projects?limit=1", actor="clerk").json()["items"][0]
    assert "budget" not in item
    assert "note" not in item
    one = f"/projects/{item['id']}"
    assert "budget" not in many.get(one, actor="clerk").json()
    assert "budget" not in many.get(f"{one}?fields=budget", actor="clerk").json()
    assert "budget" not in many.patch(one, {"name": "x"}, actor="clerk").json()
    assert many.get("/projects?budget.gt=1", actor="clerk").status_code == 403
    assert many.get("/projects?sort=budget", actor="clerk").status_code == 403
    assert len(many.codes("q=name", actor="clerk")) == 6


def test_include_follows_references_in_one_query(api):
    """The row that is referred to stands under its name, or null; there is no tag for it."""
    project = api.project()
    api.post("/tasks", {"title": "with", "project_id": project["id"]})
    other = api.project("B-1")
    api.post("/tasks", {"title": "with another", "project_id": other["id"]})
    api.post("/tasks", {"title": "without"})
    items = api.get("/tasks?include=project").json()["items"]
    assert [item["project"] for item in items] == [project, other, None]
    one = api.get(f"/tasks/{items[0]['id']}?include=project&fields=title")
    assert one.json() == {"id": items[0]["id"], "version": 1, "title": "with", "project": project}
    assert "etag" not in one.headers


def test_included_rows_obey_their_own_permission_and_policy(api):
    """Through its own service: who may not read projects gets none, and a mask holds."""
    project = api.project(budget="1")["id"]
    assert api.get("/tasks?include=project", can=("projects.task.*",)).status_code == 403
    task = api.post("/tasks", {"title": "with", "project_id": project}).json()["id"]
    assert api.get("/tasks?include=project", can=("projects.task.*",)).status_code == 403
    ben = api.get(f"/tasks/{task}?include=project", actor="clerk").json()
    assert "project" not in ben  # who may not read the reference does not follow it
    assert "project_id" not in ben
    mask = api.get(f"/tasks/{task}?include=project", actor="auditor").json()["project"]
    assert "budget" not in mask
    api.patch(f"/projects/{project}", {"urgent": True})
    assert api.get(f"/tasks/{task}?include=project", actor="trainee").json()["project"] is None


def test_paths_without_parameters_take_none(api, faults):
    """A parameter is never ignored, wherever it stands."""
    one = f"/projects/{api.project()['id']}"
    for answer in (
        api.post("/projects?dry=1", {"code": "B", "name": "n"}),
        api.patch(f"{one}?dry=1", {}),
        api.delete(f"{one}?dry=1"),
        api.post(f"{one}/activate?dry=1"),
        api.get(f"{one}/history?dry=1"),
        api.get(f"{one}?dry=1"),
        api.get("/api/me?dry=1"),
    ):
        assert (answer.status_code, faults(answer)) == (422, {"dry": "unknown"})
    assert api.codes("") == ["A-1"]


def test_shared_rows_are_read_by_every_tenant_and_written_by_none(api):
    """Over HTTP there is nothing but reading."""
    from prefiq import IDomainService

    country = api.app.catalog["masters.Country"].cls
    with api.app.scope(as_system="test") as scope:
        created = scope[IDomainService[country]].create(country(code="XK"))
    for tenant in ("acme", "globex"):
        assert api.get("/api/masters/countries", tenant=tenant).json()["items"][0]["code"] == "XK"
        assert api.get(f"/api/masters/countries/{created.id}", tenant=tenant).status_code == 200
    for method in ("PATCH", "DELETE"):
        assert api.request(method, f"/api/masters/countries/{created.id}").status_code == 405


def test_me(api):
    """Who the token speaks for, and every permission that its patterns cover."""
    body = api.get("/api/me", can=("projects.task.*", "projects.close")).json()
    assert body["actor"] == {"id": "ann", "name": "ann"}
    assert body["tenant"] == "acme"
    assert body["permissions"] == ["projects.task.*", "projects.close"]
    assert body["allowed"] == [
        "projects.close",
        *(f"projects.task.{v}" for v in ("create", "delete", "read", "update")),
    ]


def test_the_table_does_not_depend_on_the_number_of_models(app):
    """Every path is found by look-ups, whatever else is served."""
    from prefiq.web.asgi import build_table

    table = build_table(app)
    assert set(table.items) == {spec.path for spec in app.catalog if spec.remote}
    assert ("/api/projects/projects", "close") in table.actions
    assert create_asgi(app).routes[0].prefix == "/api"
