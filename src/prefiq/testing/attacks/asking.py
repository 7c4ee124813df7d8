"""Requests to the API in this process, without a network and without an HTTP library."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefiq.bridge import await_, in_bridge
from prefiq.contracts import Actor
from prefiq.web.auth import Identity

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["Answered", "Asker", "asking"]

FOREVER = 2.0**40
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OF_THE_REQUEST = frozenset({"x-request-id", "date"})


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer.

    Args:
        status: Its status.
        headers: Its header fields.
        body: Its body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> tuple[Any, ...]:
        """All that it tells, but for the request's own id and for links, which are signed."""
        headers = {k: v for k, v in self.headers.items() if k not in _OF_THE_REQUEST and k != "link"}
        return self.status, tuple(sorted(headers.items())), self._without(r"urn:uuid:" + _ID.pattern)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What it tells, whatever id was asked for."""
        headers = {k: v for k, v in self.headers.items() if k not in _OF_THE_REQUEST}
        return self.status, tuple(sorted(headers.items())), self._without(_ID.pattern)

    @property
    def next(self) -> str:
        """Path of the following page, or empty."""
        link = self.headers.get("link", "")
        return link[1 : link.index(">")] if 'rel="next"' in link else ""

    def _without(self, pattern: str) -> str:
        return re.sub(pattern, "*", self.body.decode("utf-8", "replace"))


class _Known:
    """Knows whose a token is: the token names the tenants."""

    def recall(self, token: bytes) -> Identity:
        tenants = tuple(token.decode().split(","))
        return Identity(Actor("attacker", ("*",)), tenants, tenants[0], FOREVER)

    def authenticate(self, token: bytes) -> Identity:
        return self.recall(token)


class Asker:
    """Asks one application.

    Args:
        asgi: The application's ASGI app.
        wait: Runs a coroutine to its end.
    """

    def __init__(self, asgi: Any, wait: Callable[[Any], Any]) -> None:
        self._asgi = asgi
        self._wait = wait

    def __call__(
        self, tenant: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """The answer to a request with a token of a tenant."""
        given = {"host": "attacks.invalid", "authorization": f"Bearer {tenant}", **(headers or {})}
        payload = b""
        if body is not None:
            payload = json.dumps(body, default=str).encode()
            given |= {"content-type": "application/json", "content-length": str(len(payload))}
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("attacks.invalid", 80),
        }
        answer: Answered = self._wait(_answer(self._asgi, scope, payload))
        return answer


async def _answer(asgi: Any, scope: dict[str, Any], payload: bytes) -> Answered:
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": payload, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await asgi(scope, receive, send)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in messages[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answered(messages[0]["status"], headers, body)


@contextmanager
def asking(app: Application) -> Iterator[Asker]:
    """Serve an application to one who asks, in the mode of its database."""
    from prefiq.web import create_asgi
    from prefiq.web.asgi import workers_of

    workers = workers_of(app.settings)
    asgi = create_asgi(app, authenticator=_Known(), workers=workers)
    if in_bridge():
        try:
            yield Asker(asgi, await_)
        finally:
            await_(workers.close())
        return
    with asyncio.Runner() as runner:
        try:
            yield Asker(asgi, runner.run)
        finally:
            runner.run(workers.close())
