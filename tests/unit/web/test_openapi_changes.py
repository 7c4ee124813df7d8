"""``breaking_changes``: what a client of an older document can no longer rely on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from prefiq.web import breaking_changes

Document = dict[str, Any]

REF = "#/components/schemas/"
OLD: Document = {
    "openapi": "3.1.1",
    "paths": {
        "/api/shop/items": {
            "get": {
                "parameters": [{"in": "query", "name": "q"}, {"$ref": "#/components/parameters/limit"}],
                "responses": {"200": {"schema": {"$ref": f"{REF}Item"}}},
            },
            "post": {"requestBody": {"required": True, "schema": {"$ref": f"{REF}ItemCreate"}}},
        },
        "/api/shop/items/{id}/close": {"post": {}},
    },
    "components": {
        "parameters": {"limit": {"in": "query", "name": "limit"}},
        "schemas": {
            "Item": {
                "properties": {"name": {"type": "string"}, "state": {"enum": ["a", "b"]}},
                "required": ["name"],
            },
            "ItemCreate": {
                "properties": {
                    "name": {"type": ["string", "null"], "maxLength": 40},
                    "state": {"enum": ["a", "b"]},
                    "lines": {"type": "array", "items": {"properties": {"text": {"type": "string"}}}},
                },
                "required": ["name"],
            },
        },
    },
}


def changed(change: Callable[[Document, Document, Document], object]) -> list[str]:
    """What a change of the paths, the answer's or the request's schema breaks."""
    new = copy.deepcopy(OLD)
    change(new["paths"], *new["components"]["schemas"].values())
    return breaking_changes(OLD, new)


ITEMS = "/api/shop/items"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p, a, r: p.pop(ITEMS), f"the path {ITEMS} is gone"),
        (lambda p, a, r: p[ITEMS].pop("post"), f"POST {ITEMS} is gone"),
        (
            lambda p, a, r: p[ITEMS]["get"]["parameters"].pop(0),
            f"GET {ITEMS} takes no query parameter q any more",
        ),
        (
            lambda p, a, r: p[ITEMS]["get"]["parameters"].append(
                {"in": "query", "name": "year", "required": True}
            ),
            f"GET {ITEMS} needs the query parameter year now",
        ),
        (
            lambda p, a, r: p[f"{ITEMS}/{{id}}/close"]["post"].update(requestBody={"required": True}),
            f"POST {ITEMS}/{{id}}/close needs a body now",
        ),
        (lambda p, a, r: a["properties"].pop("state"), "the field Item.state is gone"),
        (lambda p, a, r: a.update(required=[]), "the field Item.name may be left out of an answer now"),
        (
            lambda p, a, r: a["properties"]["name"].update(type=["string", "null"]),
            "the field Item.name may be null now",
        ),
        (lambda p, a, r: r["required"].append("state"), "the field ItemCreate.state has to be given now"),
        (
            lambda p, a, r: r["properties"]["name"].update(type="string"),
            "the field ItemCreate.name no longer takes null",
        ),
        (
            lambda p, a, r: r["properties"]["name"].update(maxLength=39),
            "the field ItemCreate.name has a narrower maxLength: 39",
        ),
        (
            lambda p, a, r: r["properties"]["state"]["enum"].pop(),
            "the field ItemCreate.state no longer takes b",
        ),
        (
            lambda p, a, r: r["properties"]["lines"]["items"]["properties"].pop("text"),
            "the field ItemCreate.lines[].text is gone",
        ),
    ],
)
def test_a_breaking_change_is_told_by_name(change: Any, told: str) -> None:
    """Each kind of change that fails a client is one sentence that names the path or field."""
    assert told in changed(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda p, a, r: p.update({"/api/shop/shelves": {"get": {}}}),
        lambda p, a, r: p[ITEMS]["get"]["parameters"].append({"in": "query", "name": "year"}),
        lambda p, a, r: a["properties"].update(price={"type": "string"}),
        lambda p, a, r: a["required"].append("state"),
        lambda p, a, r: r["properties"].update(price={"type": "string"}),
        lambda p, a, r: r["properties"]["name"].update(maxLength=41),
        lambda p, a, r: r["required"].remove("name"),
        lambda p, a, r: r["properties"]["state"]["enum"].append("c"),
    ],
)
def test_what_is_added_breaks_nobody(change: Any) -> None:
    """A wider request, a fuller answer and new paths are no news for a client."""
    assert changed(change) == []


def test_a_document_of_nonsense_is_compared_calmly() -> None:
    """Whatever stands where, the comparison ends without an error."""
    odd = {"openapi": "3.1.0", "paths": {"/a": 1, "/b": {"get": {}}}, "components": [1]}
    assert breaking_changes(odd, OLD) == ["the path /a is gone", "the path /b is gone"]
