"""One request on its way, and what a path and a method were compiled to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from prefiq.web.answers import Answer, no_content

if TYPE_CHECKING:
    from prefiq.contracts import Scope
    from prefiq.web.auth import Identity

__all__ = ["JSON_TYPES", "MERGE_TYPES", "Call", "Level", "Plan"]

JSON_TYPES = (b"application/json",)
MERGE_TYPES = (b"application/merge-patch+json", b"application/json")


NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Call:
    """A request as the endpoint hands it on.

    What most requests leave as it is stands on the class: setting it for each would cost more than reading it.

    Args:
        request_id: A UUID.
        headers: Header fields, names in lower case.
        path: Below the root path.
        query: The query string as it came.
        started: Monotonic seconds of its arrival.
    """

    root: str = ""
    token: bytes = b""
    identity: Identity | None = None
    named: bytes | None = None
    tenant: str = ""
    key: str = ""
    params: Mapping[str, str] = NO_PARAMS
    body: bytes = b""
    error: Exception | None = None
    logged: bool = False
    plan: Plan

    def __init__(
        self, request_id: str, headers: Mapping[bytes, bytes], path: str, query: bytes, started: float
    ) -> None:
        self.request_id = request_id
        self.headers = headers
        self.path = path
        self.query = query
        self.started = started


Handler = Callable[[Call, "Scope"], Answer]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a method of a path does.

    Args:
        permission: What the actor needs; empty where being someone is enough.
        handle: Does it, inside the scope.
        accepts: Content types of its body; empty where none is read.
        optional: Whether the body may be left out.
        members: Names of the body's members.
    """

    permission: str
    handle: Handler
    accepts: tuple[bytes, ...] = ()
    optional: bool = False
    members: frozenset[str] = frozenset()


class Level:
    """The methods of one kind of path.

    Args:
        plans: By method; HEAD follows GET, OPTIONS is added.
        more: Further header fields of OPTIONS.
    """

    __slots__ = ("allow", "plans")

    def __init__(self, plans: Mapping[str, Plan], more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.plans = dict(plans)
        if "GET" in plans:
            self.plans["HEAD"] = plans["GET"]
        self.allow = ", ".join(sorted({*self.plans, "OPTIONS"}))
        headers = [(b"allow", self.allow.encode()), *more]
        self.plans["OPTIONS"] = Plan("", lambda _call, _scope: no_content(headers))


def _nothing(_call: Call, _scope: Any) -> Answer:
    raise AssertionError("an unmatched request has no handler")


Call.plan = Plan("", _nothing)
