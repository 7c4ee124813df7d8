"""An HTTP client of an application in the same process, signed in as an actor of a tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from prefiq.contracts import Actor
from prefiq.web import create_asgi, make_token

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["Client", "client_for"]

Client = TestClient


@contextmanager
def client_for(app: Application, *, tenant: str, actor: Actor) -> Iterator[TestClient]:
    """A client whose requests carry a token of this actor.

    Args:
        app: The application, or a fork of it.
        tenant: Whose rows it sees.
        actor: Who it is, and what it may do.
    """
    token = make_token(app.settings, tenant=tenant, actor=actor.id, permissions=actor.permissions)
    with TestClient(
        create_asgi(app),
        base_url="http://testserver",
        headers={"Authorization": f"Bearer {token}"},
        raise_server_exceptions=False,
    ) as client:
        yield client
