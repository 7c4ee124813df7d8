"""A request has so much time; on an event loop it is ended where it waits, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests import servers
from web_sample import MastersProvider, Project, ProjectsProvider

from prefiq import IDomainService, ProviderBase
from prefiq.bridge import await_
from prefiq.cli.lifespan import OpenedByServer
from prefiq.cli.session import Session
from prefiq.contracts import ITransactions
from prefiq.testing import make_application
from prefiq.web import ApiRoute, create_asgi, make_token

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("place"),
    pytest.mark.parametrize("place", [f"{engine}-async" for engine in servers.ENGINES], indirect=True),
]


reached = threading.Event()


def for_ever(_: Any, scope: Any) -> None:
    """Write, and wait in the middle of the transaction for what does not come."""
    with scope[ITransactions].tx():
        scope[IDomainService[Project]].create(Project(code="HALF-1", name="Half done"))
        reached.set()
        await_(asyncio.Event().wait())


class WaitingProvider(ProviderBase):
    """Brings a route that never ends."""

    name = "waiting"

    def routes(self) -> Any:
        return [ApiRoute("/for_ever", for_ever, methods=("POST",))]


@pytest.fixture
def client(tmp_path: Any, place: str) -> Iterator[TestClient]:
    """A client of an application with one connection and a second for each request."""
    engine, _, mode = place.partition("-")
    limits = {"request_timeout": "1", "db_pool_size": "1", "concurrency": "2"}
    modules = [ProjectsProvider, MastersProvider, WaitingProvider]
    with (
        servers.database(engine, mode, folder=tmp_path) as database,
        make_application(tmp_path, modules=modules, **limits, **database.variables()) as app,
        TestClient(OpenedByServer(app, Session(), create_asgi), raise_server_exceptions=False) as client,
    ):
        client.headers["Authorization"] = f"Bearer {make_token(app.settings, 'acme')}"
        yield client


def test_a_request_whose_time_is_over_is_undone(client: TestClient) -> None:
    """504 for the caller; its row is not there, and the one connection serves the next."""
    for _ in range(2):
        answer = client.post("/api/waiting/for_ever", json={})
        assert (answer.status_code, answer.json()["code"]) == (504, "PFQ719")
        assert client.get("/api/projects/projects?count=exact").json()["total"] == 0
    assert client.post("/api/projects/projects", json={"code": "A-1", "name": "n"}).status_code == 201


def test_others_are_answered_meanwhile(client: TestClient) -> None:
    """The loop is free while a request waits."""
    reached.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, "/api/waiting/for_ever", json={})
        assert reached.wait(20)
        assert client.get("/livez").status_code == 200
        assert client.options("/api/projects/projects").status_code == 204
        assert not waiting.done()
        assert waiting.result().status_code == 504
