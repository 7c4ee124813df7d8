"""What is public where ``DOCS`` allows it: the OpenAPI document, the reference page, a page for each error."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from prefiq.web.answers import DOCUMENT, Answer
from prefiq.web.openapi import build_openapi
from prefiq.web.preconditions import is_fresh
from prefiq.web.reference import PAGE_POLICY, reference_style, render_reference
from prefiq.web.workers import in_thread

if TYPE_CHECKING:
    from prefiq.web.served import Served
    from prefiq.web.workers import Workers

__all__ = ["documents"]

Made = tuple[bytes, bytes]
"""A document and its tag."""


def documents(
    app: Served, workers: Workers, routes: Iterable[tuple[str, Any]]
) -> dict[str, Callable[[Mapping[bytes, bytes]], Awaitable[Answer]]]:
    """Path → what answers it.  Each document is made once, in a thread, when it is first asked for.

    Args:
        app: Whose declarations are described.
        workers: Where documents are made.
        routes: Module and route, for those that are written by hand.
    """
    listed = tuple(routes)

    def openapi() -> bytes:
        document = build_openapi(app.catalog, listed, body_limit=app.settings.body_limit)
        return msgspec.json.encode(document)

    made: dict[str, tuple[bytes, Callable[[], bytes], bytes]] = {
        "/openapi.json": (b"application/json", openapi, b"default-src 'none'; frame-ancestors 'none'"),
        "/docs": (b"text/html; charset=utf-8", lambda: render_reference(app.catalog), PAGE_POLICY),
        "/docs/reference.css": (b"text/css; charset=utf-8", reference_style, PAGE_POLICY),
    }
    return {path: _answering(workers, *parts) for path, parts in made.items()}


def _answering(
    workers: Workers, kind: bytes, make: Callable[[], bytes], policy: bytes
) -> Callable[[Mapping[bytes, bytes]], Awaitable[Answer]]:
    @cache
    def once() -> Made:
        body = make()
        return body, b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()

    async def answer(headers: Mapping[bytes, bytes]) -> Answer:
        if once.cache_info().currsize:
            body, tag = once()
        else:
            body, tag = await workers.run(lambda _: in_thread(once), None)
        shared = [*DOCUMENT, (b"etag", tag), (b"content-security-policy", policy)]
        known = headers.get(b"if-none-match")
        if known is not None and is_fresh(known, tag):
            return 304, shared, b""
        return 200, [(b"content-type", kind), *shared], body

    return answer
