"""The generated API: one ASGI endpoint, compiled at boot, whose cost does not grow with the number of models.

The order is fixed: limits → authenticate → tenant → match → authorise → decode → service → encode.  What can
be found out without waiting is found out at once; everything else happens in one hop to a thread, or in one
greenlet on the event loop.
A fault found on the loop is carried along and answered after authentication, so that nobody learns from an
answer what a token would have been needed for.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from logging import INFO
from typing import Any

from prefiq.contracts import Forbidden, IPermissions, Scope
from prefiq.errors import PrefiqError
from prefiq.web.access import Counted, log_call, logs_requests
from prefiq.web.answers import Answer
from prefiq.web.auth import TOKEN_LIMIT, IAuthenticator, bearer_token
from prefiq.web.call import JSON_TYPES, Call, Level, Plan
from prefiq.web.errors import (
    BodyTimeout,
    BodyTooLarge,
    HeadersTooLarge,
    Malformed,
    MethodNotAllowed,
    NoSuchPath,
    Overloaded,
    UnsupportedMediaType,
    UrlTooLong,
)
from prefiq.web.problems import problem_answer
from prefiq.web.request_id import request_ids, usable_id
from prefiq.web.routes import SCOPE_KEY
from prefiq.web.served import Served
from prefiq.web.tenant_hints import TENANT_KEY, compile_hint
from prefiq.web.workers import Workers

__all__ = ["ASGI", "Limits", "Table", "compile_endpoint", "send_answer"]

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

PATH_LIMIT = 2048
QUERY_LIMIT = 8192
HEADER_LIMIT = 100
CALL_KEY = "prefiq.call"
"""Where Starlette's routes and handlers find the request as the endpoint knows it."""
BODILESS = frozenset({204, 304})
"""Statuses without a body; a length of 0 would speak of what the caller has."""
HSTS = (b"strict-transport-security", b"max-age=31536000")

# Two of these would let a proxy and us read one request differently.
_ALONE = frozenset(
    {
        b"authorization",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"prefiq-tenant",
        b"host",
        b"if-match",
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take.

    Args:
        body: Bytes.
        seconds: From its arrival to the start of its work, and for its body to arrive.
    """

    body: int
    seconds: float


@dataclass(slots=True)
class Table:
    """Paths and what they lead to; three look-ups at most, however many there are.

    Args:
        exact: Whole path → its methods.
        items: Path without its last segment, which is an id.
        actions: ``(path without its last two segments, last segment)``.
        patterns: By module, hand-written paths with parameters.
        routers: By module, its Starlette routes.
    """

    exact: dict[str, Level] = field(default_factory=dict)
    items: dict[str, Level] = field(default_factory=dict)
    actions: dict[tuple[str, str], Level] = field(default_factory=dict)
    patterns: dict[str, list[tuple[re.Pattern[str], Level]]] = field(default_factory=dict)
    routers: dict[str, ASGI] = field(default_factory=dict)

    def match(self, call: Call, method: str) -> Plan:
        """The plan for a path and a method; puts the id into the call.

        Raises:
            NoSuchPath: Nothing is served there.
            MethodNotAllowed: Something is, by other methods.
        """
        path = call.path
        level = self.exact.get(path)
        if level is None:
            head, _, last = path.rpartition("/")
            level = self.items.get(head)
            if level is not None and last:
                call.key = last
            else:
                stem, _, call.key = head.rpartition("/")
                level = self.actions.get((stem, last))
                if level is None or not call.key:
                    level = self._written(call)
        plan = level.plans.get(method)
        if plan is None:
            raise MethodNotAllowed(level.allow)
        return plan

    def _written(self, call: Call) -> Level:
        module = call.path.split("/", 3)[2:3]
        for pattern, level in self.patterns.get(module[0], ()) if module else ():
            found = pattern.fullmatch(call.path)
            if found is not None:
                call.params = found.groupdict()
                return level
        raise NoSuchPath

    def router(self, call: Call) -> ASGI | None:
        """The Starlette routes of the module that a path belongs to."""
        module = call.path.split("/", 3)[2:3]
        return self.routers.get(module[0]) if module else None


def compile_endpoint(
    app: Served, table: Table, authenticator: IAuthenticator, workers: Workers, limits: Limits
) -> ASGI:
    """The endpoint as one ASGI callable.

    Args:
        app: Opens the scopes.
        table: What is served.
        authenticator: Knows who asks.
        workers: Where the part runs that waits.
        limits: What a request may take.
    """
    new_id, monotonic = request_ids(), time.monotonic
    recall, match, run, logged = authenticator.recall, table.match, workers.run, logs_requests
    serve = compile_serve(app, authenticator, limits)
    admit = compile_admit(app, authenticator)

    async def endpoint(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        fields = scope["headers"]
        headers = dict(fields)
        path = scope["path"]
        root = scope.get("root_path")
        if root:
            path = path.removeprefix(root)
        given = headers.get(b"x-request-id")
        call = Call(
            (usable_id(given) if given else None) or new_id(),
            headers,
            path,
            scope["query_string"],
            monotonic(),
        )
        if root:
            call.root = root
            call.named = scope.get(TENANT_KEY)
        method = scope["method"]
        hand_on: ASGI | None = None
        try:
            if len(headers) != len(fields):
                _check_repeated(fields)
            if len(path) > PATH_LIMIT or len(call.query) > QUERY_LIMIT or len(fields) > HEADER_LIMIT:
                _refuse_size(path, call.query)
            given = headers.get(b"authorization")
            if given is not None and given[:7] == b"Bearer " and len(given) < TOKEN_LIMIT:
                token = given[7:]
            else:
                token = bearer_token(given)
            call.token = token
            call.identity = recall(token)
            try:
                call.plan = plan = match(call, method)
                if plan.accepts:
                    call.body = await read_body(call, plan, receive, limits)
            except PrefiqError as error:
                call.error = error
                if isinstance(error, NoSuchPath) and (router := table.router(call)) is not None:
                    scope[SCOPE_KEY] = await run(admit, call)
                    hand_on = router
            if hand_on is None:
                status, answer_headers, body = await run(serve, call)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer and the log gets the error
            hand_on = None
            status, answer_headers, body = problem_answer(error, call.request_id)
        if hand_on is not None:  # outside the `try`: what is raised there is Starlette's to answer
            counted = Counted(send)
            scope[CALL_KEY] = call
            try:
                await hand_on(scope, _limited(receive, limits.body), counted)
            finally:
                if counted.status and not call.logged and logged(INFO):
                    log_call(call, method, counted.status, counted.size)
            return
        more = [(b"content-length", b"%d" % len(body)), (b"x-request-id", call.request_id.encode())]
        if scope.get("scheme") == "https":
            more.append(HSTS)
        if not body and status in BODILESS:
            del more[0]
        if method == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": [*answer_headers, *more]})
        await send({"type": "http.response.body", "body": body})
        if logged(INFO):
            log_call(call, method, status, len(body))

    return endpoint


def compile_serve(app: Served, authenticator: IAuthenticator, limits: Limits) -> Callable[[Call], Answer]:
    """The part of the pipeline that may wait, as one function; it never raises an ``Exception``."""
    open_scope, authenticate = app.scope, authenticator.authenticate
    permissions: Any = IPermissions
    seconds, monotonic, deadline = limits.seconds, time.monotonic, deadlines(limits.seconds)
    hint, has_hosts = compile_hint(app), bool(app.settings.tenant_domain)

    def serve(call: Call) -> Answer:
        plan = call.plan
        try:
            now = monotonic()
            if now - call.started > seconds:
                raise Overloaded  # noqa: TRY301  one road to a problem; whoever asked has stopped waiting
            identity = call.identity
            if identity is None:
                identity = call.identity = authenticate(call.token)
            if has_hosts or call.named is not None:
                tenant = identity.tenant(hint(call))
            else:
                tenant = identity.tenant(call.headers.get(b"prefiq-tenant"))
            call.tenant = tenant
            with open_scope(
                tenant,
                identity.actor,
                deadline=deadline(now),
                request_id=call.request_id,
            ) as scope:
                if call.error is not None:
                    raise call.error  # noqa: TRY301
                if plan.permission and not scope[permissions].allows(plan.permission):
                    raise Forbidden(plan.permission)  # noqa: TRY301
                return plan.handle(call, scope)
        except (Exception, SystemExit) as error:  # noqa: BLE001  nor may a handler end the server
            condition = b"if-match" in call.headers
            return problem_answer(error, call.request_id, members=plan.members, precondition=condition)

    return serve


def compile_admit(app: Served, authenticator: IAuthenticator) -> Callable[[Call], Callable[[], Scope]]:
    """Authentication and tenant alone, for Starlette routes; what it returns opens the request's scope."""
    hint = compile_hint(app)

    def admit(call: Call) -> Callable[[], Scope]:
        identity = call.identity or authenticator.authenticate(call.token)
        call.identity = identity
        tenant = call.tenant = identity.tenant(hint(call))

        def open_scope() -> Scope:
            return app.scope(tenant, identity.actor, request_id=call.request_id)

        with open_scope():  # refuses a tenant that is not served
            return open_scope

    return admit


def deadlines(seconds: float) -> Callable[[float], datetime]:
    """A source of instants that many seconds ahead, at most 50 ms too early; reading the clock costs more."""
    span, until, instant = timedelta(seconds=seconds), 0.0, datetime.min.replace(tzinfo=UTC)

    def deadline(now: float) -> datetime:
        nonlocal until, instant
        if now >= until:
            instant, until = datetime.now(UTC) + span, now + 0.05
        return instant

    return deadline


async def read_body(call: Call, plan: Plan, receive: Receive, limits: Limits) -> bytes:
    """The whole body.

    Raises:
        UnsupportedMediaType: It is not what the path takes.
        BodyTooLarge: It is longer than the limit; no more than that was read.
        BodyTimeout: It did not arrive in time.
    """
    headers = call.headers
    kind = headers.get(b"content-type")
    if kind not in plan.accepts and not (kind is None and plan.optional):
        _check_type(kind, plan.accepts)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType(_names(plan.accepts))
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limits.body:
        raise BodyTooLarge(limits.body)
    body = await receive_all(receive, limits)
    if kind is None and body:
        raise UnsupportedMediaType(_names(plan.accepts))
    return body


async def receive_all(receive: Receive, limits: Limits) -> bytes:
    """The whole body, within size and time.

    Raises:
        BodyTooLarge: It is longer than the limit; no more than that was read.
        BodyTimeout: It did not arrive in time.
    """
    rest = _gather(receive, limits.body)
    try:
        pending = rest.send(None)
    except StopIteration as done:  # the usual case: it is here already, and no timer (8 µs) is needed
        body: bytes = done.value
        return body
    try:
        async with asyncio.timeout(limits.seconds):
            return await _Resumed(pending, rest)
    except TimeoutError:
        raise BodyTimeout from None


def _limited(receive: Receive, limit: int) -> Receive:
    """The same body for code of others, which may read it whole: what is beyond the limit is an error."""
    size = 0

    async def next_message() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise BodyTooLarge(limit)
        return message

    return next_message


class _Resumed:
    """Awaits the rest of a coroutine that was begun by hand.

    Args:
        pending: What it yielded.
        rest: The coroutine.
    """

    def __init__(self, pending: Any, rest: Coroutine[Any, Any, bytes]) -> None:
        self._pending = pending
        self._rest = rest

    def __await__(self) -> Generator[Any, Any, bytes]:
        yield self._pending
        return (yield from self._rest.__await__())


async def _gather(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("The body ended early")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_type(kind: bytes | None, accepts: tuple[bytes, ...]) -> None:
    name, _, parameters = (kind or b"").lower().partition(b";")
    charset = parameters.strip().replace(b'"', b"") or b"charset=utf-8"
    if name.strip() not in accepts or charset not in {b"charset=utf-8", b"charset=utf8"}:
        raise UnsupportedMediaType(_names(accepts))


def _names(accepts: tuple[bytes, ...]) -> str:
    return " or ".join(kind.decode() for kind in accepts or JSON_TYPES)


def _check_repeated(fields: list[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in fields if name in _ALONE]
    if len(set(names)) != len(names):
        raise HeadersTooLarge


def _refuse_size(path: str, query: bytes) -> None:
    if len(path) > PATH_LIMIT:
        raise UrlTooLong(PATH_LIMIT)
    if len(query) > QUERY_LIMIT:
        raise UrlTooLong(QUERY_LIMIT)
    raise HeadersTooLarge


async def send_answer(
    send: Send, answer: Answer, request_id: str, *, head: bool = False, https: bool = False
) -> int:
    """Send an answer that was not made by the endpoint.

    Returns:
        How many bytes its body had.
    """
    status, headers, body = answer
    more = [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id.encode())]
    if https:
        more.append(HSTS)
    if status in BODILESS:
        del more[0]
    if head:
        body = b""
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})
    return len(body)
