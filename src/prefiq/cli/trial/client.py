"""A client of the API as anybody could write one: the standard library, JSON, a bearer token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

__all__ = ["Answer", "Client"]

TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered.

    Args:
        status: The status code.
        headers: Names in lower case.
        body: Decoded JSON; None where there is no body, or another type.
        text: The body as text.
    """

    status: int
    headers: dict[str, str]
    body: Any
    text: str


class Client:
    """Calls one server, over one connection that is kept.

    Args:
        host: Where it listens.
        port: On which port.
        token: Sent as bearer token; none where empty.
    """

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self._host = host
        self._port = port
        self._token = token
        self._connection = HTTPConnection(host, port, timeout=TIMEOUT)

    def using(self, token: str) -> Client:
        """Another client of the same server with another token."""
        return Client(self._host, self._port, token)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request and read the whole answer.

        Args:
            method: ``"GET"`` and so on.
            path: With its query.
            body: Encoded as JSON; None sends none.
            headers: Further header fields, ``if_match`` for ``If-Match``.
        """
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            fields.setdefault("content-type", kind)
        if self._token:
            fields.setdefault("authorization", f"Bearer {self._token}")
        self._connection.request(method, path, data, fields)
        response = self._connection.getresponse()
        text = response.read().decode()
        named = {name.lower(): value for name, value in response.getheaders()}
        is_json = "json" in named.get("content-type", "") and text
        return Answer(response.status, named, json.loads(text) if is_json else None, text)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
