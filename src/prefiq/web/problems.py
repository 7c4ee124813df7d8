"""Errors as problem documents (RFC 9457): the same form for every error, a row's or a router's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from prefiq.contracts import (
    ConcurrencyError,
    FieldError,
    Forbidden,
    ForeignKeyViolation,
    IllegalTransition,
    Refused,
    UniqueViolation,
    UnknownTenant,
    ValidationFailed,
)
from prefiq.errors import PrefiqError
from prefiq.lowcode.model_spec import words
from prefiq.sql.errors import CommitUnknown
from prefiq.web.answers import PROBLEM, Answer, Headers
from prefiq.web.errors import (
    MethodNotAllowed,
    QueryRefused,
    ServerFault,
    TenantRefused,
    Unauthenticated,
)

__all__ = ["ErrorItem", "Problem", "field_items", "problem_answer", "status_answer", "title_of"]

logger = logging.getLogger("prefiq.web")


class ErrorItem(msgspec.Struct, omit_defaults=True):
    """One entry of a problem's ``errors``."""

    detail: str
    code: str
    pointer: str = ""
    parameter: str = ""
    params: dict[str, Any] = {}


class Problem(msgspec.Struct, omit_defaults=True):
    """A problem document."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[ErrorItem] = []
    allowed: list[str] | None = None
    permission: str = ""


encode = msgspec.json.Encoder(enc_hook=str).encode
MOST_ERRORS = 100
"""An answer must not be many times as long as what was asked."""


def title_of(error: type[PrefiqError]) -> str:
    """The error's class in words; it never changes with the occurrence."""
    return words(error.__name__)


def field_items(errors: Iterable[FieldError]) -> list[ErrorItem]:
    """Faults in a body, by JSON pointer."""
    return [ErrorItem(e.message, e.code, pointer=e.pointer, params=e.params) for e in errors]


def problem_answer(
    error: BaseException,
    request_id: str,
    *,
    members: frozenset[str] = frozenset(),
    precondition: bool = False,
) -> Answer:
    """The answer to an error.

    Args:
        error: What was raised.  One that is not a ``PrefiqError``, or says 500, is logged whole and shown
            to nobody.
        request_id: A UUID.
        members: Names of the body's members, which a ``Refused`` may speak of.
        precondition: Whether the request had ``If-Match``.
    """
    if isinstance(error, UnknownTenant):
        error = TenantRefused()
    if not isinstance(error, PrefiqError) or error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed", request_id, exc_info=error, extra={"request_id": request_id})
        error = ServerFault()
    elif error.status > HTTPStatus.INTERNAL_SERVER_ERROR:
        # Everybody is told that it failed; the operator also where: the answer does not name a database.
        logger.warning("request %s: %s (%s)", request_id, error.what, error.where or error.code)
    describe = _describer(type(error))
    status, items, more = describe(error, members) if describe else (error.status, [], {})
    detail = more.pop("detail", error.what)
    if isinstance(error, ConcurrencyError) and not precondition:
        status = 409
    if isinstance(error, Unauthenticated) and error.reason:
        logger.info("request %s: token refused: %s", request_id, error.reason)
    problem = Problem(
        type=f"urn:prefiq:problem:{error.code}",
        title=title_of(type(error)),
        status=status,
        detail=detail,
        instance=f"urn:uuid:{request_id}",
        code=error.code,
        errors=items,
        **more,
    )
    headers = [*PROBLEM, *_headers_of(error, status)]
    return status, headers, encode(problem)


def status_answer(status: int, request_id: str, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer where a library names a status and nothing more."""
    phrase = HTTPStatus(status).phrase
    problem = Problem(
        type="about:blank",
        title=phrase,
        status=status,
        detail=phrase,
        instance=f"urn:uuid:{request_id}",
        code=f"HTTP{status}",
    )
    more = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
    ]
    return status, [*PROBLEM, *more], encode(problem)


def _headers_of(error: PrefiqError, status: int) -> Headers:
    if isinstance(error, Unauthenticated):
        challenge = (
            b'Bearer realm="prefiq", error="invalid_token"' if error.given else b'Bearer realm="prefiq"'
        )
        return [(b"www-authenticate", challenge)]
    if isinstance(error, MethodNotAllowed):
        return [(b"allow", error.allow.encode())]
    if status in {429, 503} and not isinstance(error, CommitUnknown):
        return [(b"retry-after", str(getattr(error, "retry_after", 1)).encode())]
    return []  # where a change may have been made, no client is to repeat it by itself


Described = tuple[int, list[ErrorItem], dict[str, Any]]
Describe = Callable[[Any, frozenset[str]], Described]


def _validation(error: ValidationFailed, _: frozenset[str]) -> Described:
    count = len(error.errors)
    detail = f"{count} {'value is' if count == 1 else 'values are'} not accepted"
    return error.status, field_items(error.errors[:MOST_ERRORS]), {"detail": detail}


def _query(error: QueryRefused, _: frozenset[str]) -> Described:
    items = [ErrorItem(e.message, e.code, parameter=e.field, params=e.params) for e in error.errors]
    return error.status, items, {}


def _refused(error: Refused, members: frozenset[str]) -> Described:
    # About a value that this request carries it is a validation error; else the state is against it.
    status = 422 if error.field.partition(".")[0] in members else error.status
    fault = FieldError(error.field, error.reason, error.message)
    return status, field_items([fault]), {}


def _transition(error: IllegalTransition, _: frozenset[str]) -> Described:
    return error.status, [], {"allowed": list(error.allowed)}


def _unique(error: UniqueViolation, _: frozenset[str]) -> Described:
    faults = [FieldError(name, "unique", "is taken") for name in error.fields]
    return error.status, field_items(faults), {}


def _foreign_key(error: ForeignKeyViolation, _: frozenset[str]) -> Described:
    if error.deleting:
        return error.status, [], {}
    # A foreign tenant's row is answered exactly as one that does not exist: a wrong value.
    faults = [FieldError(name, "reference", "leads to no existing row") for name in error.fields]
    return 422, field_items(faults), {}


def _forbidden(error: Forbidden, _: frozenset[str]) -> Described:
    return error.status, [], {"permission": error.permission}


_DESCRIBERS: dict[type[PrefiqError], Describe] = {
    ValidationFailed: _validation,
    QueryRefused: _query,
    Refused: _refused,
    IllegalTransition: _transition,
    UniqueViolation: _unique,
    ForeignKeyViolation: _foreign_key,
    Forbidden: _forbidden,
}


def _describer(kind: type[PrefiqError]) -> Describe | None:
    for base in kind.__mro__:
        found = _DESCRIBERS.get(base)
        if found is not None:
            return found
    return None
