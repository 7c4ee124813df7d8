"""Two packages extend the projects of a third: over HTTP, in the documents, and when one of them goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from prefiq.application import Application
from prefiq.migrations import apply, check_models, drift, parts_of, plan
from prefiq.settings import Settings
from prefiq.sql import ConnectionManager
from prefiq.testing import can, client_for

ALL = ("projects", "timesheets", "billing")
PROJECTS = "/api/projects/projects"


class Site:
    """One database, served with whichever modules are listed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app: Application

    def serve(self, *apps: str) -> Iterator[TestClient]:
        """Migrated by the modules' own files."""
        with Application.boot(Settings.for_test(self.folder, APPS=list(apps), DOCS=True)) as self.app:
            connections = self.app.container.resolve(None, ConnectionManager)
            parts = parts_of(self.app)
            assert check_models(parts, self.app.catalog) == []
            with connections.schema_connection() as connection:
                apply(plan(parts, connection), connection)
                assert drift(connection, plan(parts, connection).present) == []
            if not self.app.tenants.is_active("acme"):
                self.app.tenants.create("acme")
            with client_for(self.app, tenant="acme", actor=can("*")) as client:
                yield client


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    yield from site.serve(*ALL)


@pytest.fixture
def project(client: TestClient) -> dict[str, Any]:
    return created(client, code="A-1", billing={"rate": "90"}, timesheets={"budget_hours": 40})


def created(client: TestClient, **values: Any) -> dict[str, Any]:
    answer = client.post(PROJECTS, json={"name": "Roof", **values})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def codes(client: TestClient, query: str) -> list[str]:
    answer = client.get(f"{PROJECTS}?{query}")
    assert answer.status_code == 200, answer.text
    return [item["code"] for item in answer.json()["items"]]


def test_each_module_has_its_member(client: TestClient, project: dict[str, Any]) -> None:
    """In what is written and in what is read, behind the model's own."""
    assert project["billing"] == {"rate": "90.00", "cap": None, "billed": "0.00", "agreed_id": None}
    assert project["timesheets"] == {"budget_hours": "40.00", "spent_hours": "0.00", "confidential": False}
    assert client.get(f"{PROJECTS}/{project['id']}").json() == project
    assert client.get(PROJECTS).json()["items"] == [project]
    assert list(project)[-2:] == ["timesheets", "billing"]


def test_a_merge_patch_reaches_inside(client: TestClient, project: dict[str, Any]) -> None:
    """What is absent stays, null empties, the version rises, and a stale one is refused."""
    path = f"{PROJECTS}/{project['id']}"
    answer = client.patch(path, json={"billing": {"cap": "100"}}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert answer.json()["billing"] == project["billing"] | {"cap": "100.00"}
    assert client.patch(path, json={"billing": {"cap": None}}).json()["billing"] == project["billing"]
    stale = client.patch(path, json={"billing": {"cap": "1"}}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert client.patch(path, json={"billing": {}}).json()["version"] == 3


def test_every_fault_has_its_pointer(client: TestClient, project: dict[str, Any]) -> None:
    """Types, limits, unknown and read-only members, rules over the whole; all of a body together."""
    answer = client.post(
        PROJECTS,
        json={
            "name": "x" * 101,
            "billing": {"rate": "x", "cap": -1, "billed": 1, "foo": 1},
            "timesheets": "many",
        },
    )
    assert answer.status_code == 422
    assert {error["pointer"]: error["code"] for error in answer.json()["errors"]} == {
        "#/code": "required",
        "#/name": "max_length",
        "#/billing/rate": "type",
        "#/billing/cap": "ge",
        "#/billing/billed": "unknown",
        "#/billing/foo": "unknown",
        "#/timesheets": "type",
    }
    for body, pointer, code in (
        ({"billing": None}, "#/billing", "type"),
        ({"billing": {"rate": None}}, "#/billing/rate", "required"),
        ({"billing": {"cap": "5"}, "budget": "1"}, "#/billing/cap", "refused"),
        ({"billing": {"agreed_id": project["id"]}}, "#/billing/agreed_id", "reference"),
    ):
        answer = client.patch(f"{PROJECTS}/{project['id']}", json=body)
        assert answer.status_code == 422, answer.text
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    text = '{"code": "B", "name": "b", "billing": {"rate": 1, "rate": 2}}'
    twice = client.post(PROJECTS, content=text, headers={"content-type": "application/json"})
    assert twice.status_code == 400


def test_lists_filter_and_sort(client: TestClient) -> None:
    """By fields of both, with members chosen and pages turned."""
    for number in range(5):
        created(
            client,
            code=f"P-{number}",
            billing={"rate": f"{number * 10}"},
            timesheets={"budget_hours": 9 - number},
        )
    assert codes(client, "billing.rate.gte=20&sort=-billing.rate") == ["P-4", "P-3", "P-2"]
    assert codes(client, "billing.rate=0") == ["P-0"]
    assert codes(client, "billing.rate.in=10,30&timesheets.budget_hours.lt=7") == ["P-3"]
    assert codes(client, "timesheets.budget_hours.isnull=true") == []
    found = client.get(f"{PROJECTS}?fields=code,billing&limit=1").json()["items"][0]
    assert set(found) == {"id", "version", "code", "billing"}
    path, seen = f"{PROJECTS}?sort=-timesheets.budget_hours&limit=2", []
    while path:
        answer = client.get(path)
        seen += [item["code"] for item in answer.json()["items"]]
        link = answer.headers.get("link", "")
        path = link[1 : link.index(">")] if link else ""
    assert seen == ["P-0", "P-1", "P-2", "P-3", "P-4"]
    for query in (
        "billing.cap=1",
        "billing.foo=1",
        "sort=billing.cap",
        "fields=billing.rate",
        "billing.rate=x",
    ):
        assert client.get(f"{PROJECTS}?{query}").status_code == 422, query


def test_references_of_an_extension_are_followed(client: TestClient) -> None:
    """Into the member of the module, also where that member was not asked for."""
    rate = client.post("/api/billing/rates", json={"code": "STD", "name": "Standard", "amount": "80"}).json()
    made = created(client, code="A-1", billing={"agreed_id": rate["id"]})
    path = f"{PROJECTS}/{made['id']}"
    assert client.get(f"{path}?include=billing.agreed").json()["billing"] == made["billing"] | {
        "agreed": rate
    }
    assert client.get(f"{PROJECTS}?include=billing.agreed&fields=code").json()["items"] == [
        {"id": made["id"], "version": 1, "code": "A-1", "billing": {"agreed": rate}}
    ]
    assert client.get(f"{path}?include=agreed").status_code == 422
    properties = client.get("/openapi.json").json()["components"]["schemas"]["Project"]["properties"]
    assert {"$ref": "#/components/schemas/Rate"} in properties["billing"]["properties"]["agreed"]["anyOf"]


def test_actions_and_history_are_the_projects(client: TestClient, project: dict[str, Any]) -> None:
    """With their hooks and rules; every change by its qualified name."""
    path = f"{PROJECTS}/{project['id']}"
    assert client.post(f"{path}/bill", json={"amount": "5"}).status_code == 409  # a draft
    client.post(f"{path}/activate")
    assert client.post(f"{path}/bill", json={}).status_code == 422
    assert client.post(f"{path}/bill", json={"amount": "5"}).json()["billing"]["billed"] == "5.00"
    assert client.post(f"{path}/close", json={"reason": "done"}).status_code == 409  # no hours were spent
    entry = {"project_id": project["id"], "person": "ann", "date": "2026-01-01", "hours": "8"}
    assert client.post("/api/timesheets/entries", json=entry).status_code == 201
    assert client.get(path).json()["timesheets"]["spent_hours"] == "8.00"
    assert client.post(f"{path}/close", json={"reason": "done"}).status_code == 200
    assert client.post("/api/timesheets/entries", json=entry).status_code == 422
    history = client.get(f"{path}/history").json()["items"]
    assert [item["action"] for item in history] == ["created", "activate", "bill", "close"]
    assert history[0]["changes"]["billing.rate"] == [None, "90.00"]
    assert history[2]["changes"] == {"billing.billed": ["0.00", "5.00"]}


def test_the_documents_describe_them(client: TestClient) -> None:
    """OpenAPI with schemas, parameters and tuned limits; the page of the reference."""
    document = client.get("/openapi.json").json()
    validate(document)
    schemas = document["components"]["schemas"]
    assert set(schemas["ProjectCreate"]["properties"]["billing"]["properties"]) == {
        "rate",
        "cap",
        "agreed_id",
    }
    assert schemas["ProjectPatch"]["properties"]["billing"]["additionalProperties"] is False
    assert schemas["Project"]["properties"]["billing"]["properties"]["billed"]["readOnly"] is True
    name = schemas["ProjectCreate"]["properties"]["name"]
    assert (name["title"], name["maxLength"]) == ("Title", 100)
    parameters = {p.get("name") for p in document["paths"][PROJECTS]["get"]["parameters"]}
    assert {"billing.rate", "billing.rate.gte", "timesheets.budget_hours.isnull"} <= parameters
    assert f"{PROJECTS}/{{id}}/bill" in document["paths"]
    page = client.get("/docs").text
    assert "billing.rate" in page
    assert "extend_budget" in page


def test_permissions_of_both_are_listed(client: TestClient) -> None:
    """Where a client asks what its token may do."""
    allowed = client.get("/api/me").json()["allowed"]
    assert {"billing.project.bill", "timesheets.project.extend_budget"} <= set(allowed)


def test_the_base_works_without_an_extender(site: Site) -> None:
    """Unlisted, its columns keep their values; listed again, they are there, and new rows have the defaults."""
    for client in site.serve(*ALL):
        first = created(
            client, code="A-1", billing={"rate": "90", "cap": "500"}, timesheets={"budget_hours": 40}
        )
    for client in site.serve("projects", "timesheets"):
        found = client.get(f"{PROJECTS}/{first['id']}").json()
        assert "billing" not in found
        assert found["timesheets"] == first["timesheets"]
        assert client.get(f"{PROJECTS}?billing.rate=90").status_code == 422
        assert client.patch(f"{PROJECTS}/{first['id']}", json={"billing": {"rate": "1"}}).status_code == 422
        assert client.patch(f"{PROJECTS}/{first['id']}", json={"name": "x" * 150}).status_code == 200
        created(client, code="B-1")
    for client in site.serve("projects"):
        found = client.get(f"{PROJECTS}/{first['id']}").json()
        assert not {"billing", "timesheets"} & set(found)
        created(client, code="C-1")
        doomed = created(client, code="D-1")
        assert client.delete(f"{PROJECTS}/{doomed['id']}").status_code == 204
    for client in site.serve(*ALL):
        found = client.get(f"{PROJECTS}/{first['id']}").json()
        assert found["billing"] == first["billing"]
        assert found["timesheets"] == first["timesheets"]
        assert codes(client, "billing.rate=0&sort=code") == ["B-1", "C-1"]
        assert codes(client, "billing.rate.gt=0") == ["A-1"]
        bare = client.get(f"{PROJECTS}?code=C-1").json()["items"][0]
        assert bare["billing"] == {"rate": "0.00", "cap": None, "billed": "0.00", "agreed_id": None}
        assert client.patch(f"{PROJECTS}/{bare['id']}", json={"billing": {"rate": "5"}}).status_code == 200
