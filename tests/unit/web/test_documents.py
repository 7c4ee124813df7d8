import json
import re
from html.parser import HTMLParser

import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from prefiq import Entity, ModelMeta, Settings, field
from prefiq.lowcode import Catalog
from prefiq.testing import make_application
from prefiq.web import ApiRoute, create_asgi
from prefiq.web.openapi import build_openapi


@pytest.fixture
def document(app):
    return build_openapi(app.catalog)


def test_the_document_is_valid_openapi(document):
    """OpenAPI 3.1, by its own schema."""
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_operations_have_names_that_generated_clients_can_use(document):
    """Every operation has its own, an identifier."""
    names = [
        op["operationId"]
        for path in document["paths"].values()
        for m, op in path.items()
        if m != "parameters"
    ]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)
    assert {"list_projects", "get_project", "create_project", "update_project", "delete_project", "project_close",
            "project_history", "list_countries", "get_me"} <= set(names)  # fmt: skip


def test_what_is_served_is_what_is_documented(app, document):
    """Every generated path and method, and no other."""
    from prefiq.web.asgi import build_table

    table = build_table(app)
    served = dict(table.exact.items())
    served |= {f"{path}/{{id}}": level for path, level in table.items.items()}
    served |= {f"{path}/{{id}}/{name}": level for (path, name), level in table.actions.items()}
    documented = {
        path: {method.upper() for method in operations if method != "parameters"}
        for path, operations in document["paths"].items()
        if path.startswith("/api/")
    }
    assert documented == {path: {*level.plans} - {"HEAD", "OPTIONS"} for path, level in served.items()}


def test_what_code_sets_cannot_be_written(document):
    """Status, read-only and hidden fields stand in no request; hidden ones in no answer either."""
    schemas = document["components"]["schemas"]
    for name in ("ProjectCreate", "ProjectPatch"):
        assert not {"id", "version", "stage", "created_at", "secret_rank"} & set(schemas[name]["properties"])
        assert schemas[name]["additionalProperties"] is False
    read = schemas["Project"]["properties"]
    assert "secret_rank" not in read
    assert read["stage"]["readOnly"]
    assert schemas["ProjectCreate"]["required"] == ["code", "name"]
    assert "required" not in schemas["ProjectPatch"]


def test_types(document):
    """As clients need them: formats, enums with a type, null as one more type, patterns that ECMAScript reads."""
    schemas = document["components"]["schemas"]
    read, write = schemas["Project"]["properties"], schemas["ProjectCreate"]["properties"]
    assert read["budget"] == {
        "type": ["string", "null"],
        "format": "decimal",
        "pattern": r"^-?[0-9]{1,10}\.[0-9]{2}$",
    }
    assert write["budget"]["type"] == ["string", "number", "null"]
    assert write["budget"]["minimum"] == 0
    assert write["code"] == {"type": "string", "maxLength": 32, "pattern": "^(?:[A-Z0-9-]+)$"}
    assert read["stage"] == {"type": "string", "enum": ["draft", "active", "closed"], "readOnly": True}
    assert read["due"] == {"type": ["string", "null"], "format": "date-time"}
    assert write["effort"]["default"] == 0
    assert schemas["Task"]["properties"]["steps"]["items"]["properties"]["hours"]["format"] == "decimal"
    assert "secret_note" not in schemas["Task"]["properties"]["steps"]["items"]["properties"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("1.25", True),
        ("0001.2500", True),
        ("-1", False),
        ("1.", False),
        ("1.255", False),
        ("12345678901", False),
        (".5", False),
        ("", False),
    ],
)
def test_the_pattern_of_a_decimal_says_what_is_accepted(api, document, text, fits):
    """Schema and decoder agree."""
    pattern = document["components"]["schemas"]["ProjectCreate"]["properties"]["budget"]["pattern"]
    assert bool(re.search(pattern, text)) is fits
    status = api.post("/projects", {"code": "A", "name": "n", "budget": text}).status_code
    assert status == (201 if fits else 422)


def test_every_filter_is_a_typed_parameter(app, document):
    """What the query reader takes is what is documented."""
    from prefiq.web.query import QueryReader

    reader = QueryReader(app.catalog["projects.Task"], app.catalog)
    parameters = document["paths"]["/api/projects/tasks"]["get"]["parameters"]
    documented = {p["name"] for p in parameters if "name" in p}
    assert documented == {*reader._takes, *reader._filters}


def test_every_error_is_documented(document):
    """Each status that the pipeline can answer with."""
    responses = document["paths"]["/api/projects/projects"]["post"]["responses"]
    assert {
        "201",
        "400",
        "401",
        "403",
        "404",
        "405",
        "408",
        "409",
        "413",
        "414",
        "415",
        "422",
        "431",
        "500",
        "503",
        "504",
        "507",
    } <= set(responses)


def test_models_of_one_name_are_told_apart():
    """Two modules may have a model of the same name."""

    class Tag(Entity):
        text: str = field(max_length=5)

    first, second = Tag, type("Tag", (Tag,), {"__module__": __name__})
    document = build_openapi(Catalog.build({"a": (first,), "b_c": (second,)}))
    validate(document)
    assert {"ATag", "BCTag"} <= set(document["components"]["schemas"])
    assert document["paths"]["/api/b_c/tags"]["get"]["operationId"] == "list_b_c_tags"


def test_hand_written_routes_are_documented_where_they_say_how(app):
    """With the errors that every path has."""
    operation = {"operationId": "get_summary", "responses": {"200": {"description": "Numbers."}}}
    routes = [
        ("projects", ApiRoute("/summary", lambda *_: 1, operation=operation)),
        ("projects", ApiRoute("/x", lambda *_: 1)),
    ]
    document = build_openapi(app.catalog, routes)
    validate(document)
    assert "401" in document["paths"]["/api/projects/summary"]["get"]["responses"]
    assert "/api/projects/x" not in document["paths"]
    assert operation == {"operationId": "get_summary", "responses": {"200": {"description": "Numbers."}}}


def test_the_document_is_served_with_a_tag(api):
    """Public where DOCS allows it, made once, and not sent twice to who has it."""
    first = api.client.get("/openapi.json")
    assert first.headers["content-type"] == "application/json"
    assert json.loads(first.content)["openapi"] == "3.1.1"
    again = api.client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.client.head("/openapi.json").headers["content-length"] == str(len(first.content))


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.ids |= {given["id"]} if "id" in given else set()
        self.links += [given[name] for name in ("href", "src") if name in given]
        assert not {"style", "onclick"} & set(given)


def test_the_page_needs_nothing_but_its_own_style(api):
    """No script, no other host, and a policy that allows neither."""
    answer = api.client.get("/docs")
    page = Page(answer.text)
    assert not {"script", "style", "iframe", "img"} & set(page.tags)
    assert all(not link.startswith(("http", "//")) for link in page.links)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert api.client.get("/docs/reference.css").headers["content-type"] == "text/css; charset=utf-8"


def test_links_of_the_page_lead_somewhere(api):
    """Every link is an anchor of the page or a path that is served."""
    page = Page(api.client.get("/docs").text)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert api.client.get(f"/{link}").status_code == 200


def test_the_page_tells_what_is_declared(api):
    """Models, fields and limits, states and actions, permissions, errors, and lines to try; nothing hidden."""
    text = api.client.get("/docs").text
    for word in ("A piece of work with a budget and a life cycle.", "projects.close", "draft | active | closed", "End the work, and say why.", "PFQ512", "curl", "12 digits, 2 behind the point", "the id of a projects.Project"):  # fmt: skip
        assert word in text
    for word in ("secret_rank", "secret_note", "Ledger"):
        assert word not in text


def test_what_is_declared_is_shown_as_text(tmp_path):
    """A docstring with markup in it is no markup."""
    from prefiq.web.reference import render_reference

    class Odd(Entity):
        """<script>alert(1)</script>"""

        text: str = field(max_length=5, help="<b>")
        meta = ModelMeta(order_by="text")

    page = render_reference(Catalog.build({"odd": (Odd,)})).decode()
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


def test_nothing_is_public_where_docs_are_off(tmp_path):
    """Neither page nor document."""
    with make_application(tmp_path, docs=False) as app, TestClient(create_asgi(app)) as client:
        for path in ("/docs", "/docs/reference.css", "/openapi.json"):
            assert client.get(path).json()["code"] == "PFQ703"


def test_docs_are_off_in_production(tmp_path):
    """Unless asked for."""
    assert not Settings.for_test(
        tmp_path, ENV="production", JWT_SECRET_KEY="Zx9-qW3_vB7-mN1_kL5-hG8_fD2-sA4_"
    ).docs
