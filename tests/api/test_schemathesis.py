"""Schemathesis drives every generated operation by the OpenAPI document, with good and with bad data."""

import uuid

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from prefiq.web import create_asgi, make_token

pytestmark = pytest.mark.slow

EXAMPLES = 25
GOOD_AND_REFUSED = {
    "cursor",  # a cursor is what a list gave: no schema can describe it
    "conflict",  # cursor and offset exclude each other
    "sort",  # a field may stand once, whatever its direction
    "scale",  # a JSON number with more digits than the field has; a schema cannot count them
    "reference",  # an id that leads to no row
    "unknown",  # an id of a child that is no row of its parent
    "refused",  # a rule of the domain
}
IN_DOCUMENTS = {"text", "range", "depth"}  # NUL, numbers beyond 64 bits and depth inside of free JSON


@pytest.fixture
def operations(app):
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_asgi(app))
    return [result.ok() for result in schema.get_all_operations()]


@pytest.fixture
def headers(app):
    token = make_token(app.settings, "acme", "ann", seconds=3600)
    return {"Authorization": f"Bearer {token}", "Prefiq-Tenant": "acme"}


def drive(operation, mode, check):
    """Run one operation with examples of a mode, the same ones each time."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        check(operation, case)

    run()


def existing(operation, api):
    """The id of a row that the operation can be tried at."""
    kind = operation.path.split("/")[3]
    bodies = {
        "projects": {"code": uuid.uuid4().hex.upper(), "name": "n"},
        "tasks": {"title": "t", "steps": [{"title": "s"}]},
        "rankeds": {"name": "n"},
    }
    return api.post(f"/{kind}", bodies[kind]).json()["id"] if kind in bodies else None


def is_expected(case, entry):
    """Whether good data may be refused for this reason, which no schema can state."""
    pointer = entry.get("pointer", "")
    if entry["code"] in GOOD_AND_REFUSED or (pointer == "#/details" and entry["code"] in IN_DOCUMENTS):
        return True
    value = case.body
    for step in pointer.removeprefix("#/").split("/"):
        value = value[int(step) if isinstance(value, list) else step]
    # A whole number written with a point is an integer for JSON Schema, and not for us.
    return entry["code"] == "type" and isinstance(value, float) and value.is_integer()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_does_what_its_document_says(operations, headers, api, mode):
    """Statuses, content types, headers and bodies are documented; bad data is refused, good data is taken."""
    seen = set()
    for operation in operations:
        if mode is schemathesis.GenerationMode.NEGATIVE and "security" in operation.definition.raw:
            continue  # a public path without parameters: nothing can be wrong

        def check(operation, case):
            if "id" in case.path_parameters and mode is schemathesis.GenerationMode.POSITIVE:
                case.path_parameters["id"] = existing(operation, api) or case.path_parameters["id"]
            response = case.call(headers=headers)
            seen.add((operation.method, response.status_code))
            left_out = [positive_data_acceptance]
            if response.status_code in {413, 414}:
                left_out.append(negative_data_rejection)  # too long a body or query is refused as such
            case.validate_response(response, headers=headers, excluded_checks=left_out)
            if mode is schemathesis.GenerationMode.POSITIVE and response.status_code in {400, 422}:
                for entry in response.json()["errors"]:
                    assert is_expected(case, entry), entry

        drive(operation, mode, check)
    wanted = (
        {("get", 200), ("post", 201), ("post", 200), ("patch", 200), ("delete", 204)}
        if mode is schemathesis.GenerationMode.POSITIVE
        else {("get", 422), ("post", 422), ("patch", 422), ("post", 400)}
    )
    assert wanted <= seen
