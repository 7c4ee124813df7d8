"""What the documents say of models that other modules extend is what the API does, with good and with bad data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from tests.api.test_schemathesis import drive, is_expected

from prefiq.application import Application
from prefiq.testing import Client, can, client_for, make_application
from prefiq.web import create_asgi

pytestmark = pytest.mark.slow

PROJECTS = "/api/projects/projects"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with make_application(tmp_path, ["projects", "timesheets", "billing"], DOCS=True) as app:
        yield app


@pytest.fixture
def client(app: Application) -> Iterator[Client]:
    with client_for(app, tenant="acme", actor=can("*")) as client:
        yield client


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_extended_operations_do_what_their_document_says(app: Application, client: Client, mode: Any) -> None:
    """Nested members, their limits, and filters by qualified names."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_asgi(app))
    operations = [result.ok() for result in schema.get_all_operations()]
    seen = set()
    for operation in operations:
        if not operation.path.startswith(PROJECTS):
            continue

        def check(operation: Any, case: Any) -> None:
            if "id" in case.path_parameters and mode is schemathesis.GenerationMode.POSITIVE:
                made = client.post(
                    PROJECTS, json={"code": uuid.uuid4().hex.upper(), "name": "n", "billing": {"rate": 1}}
                )
                case.path_parameters["id"] = made.json()["id"]
            response = case.call(headers=dict(client.headers))
            seen.add((operation.method, response.status_code))
            left_out = [positive_data_acceptance]
            if response.status_code == 414:
                left_out.append(negative_data_rejection)
            case.validate_response(response, headers=dict(client.headers), excluded_checks=left_out)
            if mode is schemathesis.GenerationMode.POSITIVE and response.status_code in {400, 422}:
                for entry in response.json()["errors"]:
                    # A limit of a decimal that is written as text is beyond a schema.
                    assert entry["code"] in {"gt", "ge", "lt", "le"} or is_expected(case, entry), entry

        drive(operation, mode, check)
    assert {
        ("get", 200),
        ("post", 201),
        ("patch", 200),
    } <= seen or mode is schemathesis.GenerationMode.NEGATIVE
