"""One line in the log for each request: what was asked, how it was answered, and for whom."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefiq.web.call import Call

__all__ = ["Counted", "log_call", "log_request", "logs_requests"]

logger = logging.getLogger("prefiq.access")
LONGEST = 2048


logs_requests = logger.isEnabledFor
"""Whether anybody wants the lines of a level; asked at every request, so it is the logger's own method."""


def log_call(call: Call, method: str, status: int, size: int) -> None:
    """The line of a request to the API, with tenant and actor where they are known.

    Args:
        call: The request.
        method: Its method.
        status: What it was answered.
        size: Bytes of the answer's body.
    """
    tenant, actor = call.tenant, "" if call.identity is None else call.identity.actor.id
    log_request(method, call.path, status, size, call.started, call.request_id, tenant=tenant, actor=actor)


def log_request(
    method: str,
    path: str,
    status: int,
    size: int,
    started: float,
    request_id: str,
    *,
    level: int = logging.INFO,
    tenant: str = "",
    actor: str = "",
) -> None:
    """The line of any request; never with its query, which may hold anything.

    Args:
        method: Its method.
        path: Its path.
        status: What it was answered.
        size: Bytes of the answer's body.
        started: Monotonic seconds of its arrival.
        request_id: Its id.
        level: The record's level.
        tenant: The tenant, where it is known.
        actor: Who asked, where that is known.
    """
    milliseconds = round((time.monotonic() - started) * 1000, 2)
    context = {"request_id": request_id, "tenant": tenant, "actor": actor}
    extra = {"status": status, "ms": milliseconds, "bytes": size, **context}
    logger.log(level, "%s %s", method, path[:LONGEST], extra=extra)


class Counted:
    """Notes what an ASGI application answers; its status is 0 as long as nothing was.

    Args:
        send: Where it goes.
    """

    def __init__(self, send: Any) -> None:
        self._send = send
        self.status = 0
        self.size = 0

    async def __call__(self, message: dict[str, Any]) -> None:
        """Hand a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)
