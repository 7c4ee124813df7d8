"""Requests that cannot be understood or served, and mistakes in what is served; codes PFQ7xx.

::

    PrefiqError
    ├── Unauthenticated             401  no token, or one that is not accepted
    ├── TenantRefused               403  the credential does not lead to one active tenant
    ├── NoSuchPath                  404
    ├── MethodNotAllowed            405
    ├── Malformed                   400  the body is not JSON, or says a thing twice
    ├── UnsupportedMediaType        415
    ├── BodyTooLarge                413
    ├── BodyTimeout                 408
    ├── UrlTooLong                  414
    ├── HeadersTooLarge             431
    ├── QueryRefused                422  query parameters; every fault at once
    ├── PreconditionFailed          412
    ├── Overloaded                  503
    ├── TookTooLong                 504  the request's time is over
    ├── IssuerUnreachable           503
    ├── NotReady                    503
    ├── ServerFault                 500  what a caller sees of any error that is not theirs
    ├── TokenNotMade                     ``prefiq token`` in production, or without a key
    └── RouteConflict                    two things want one path
"""

from __future__ import annotations

from typing import ClassVar

from prefiq.contracts import FieldError
from prefiq.errors import PrefiqError

__all__ = [
    "BodyTimeout",
    "BodyTooLarge",
    "HeadersTooLarge",
    "IssuerUnreachable",
    "Malformed",
    "MethodNotAllowed",
    "NoSuchPath",
    "NotReady",
    "Overloaded",
    "PreconditionFailed",
    "QueryRefused",
    "RouteConflict",
    "ServerFault",
    "TenantRefused",
    "TokenNotMade",
    "TookTooLong",
    "Unauthenticated",
    "UnsupportedMediaType",
    "UrlTooLong",
]


class Unauthenticated(PrefiqError):
    """The request carries no bearer token, or one that is not accepted.

    Send ``Authorization: Bearer <token>`` with a token that is signed by a known key, is not expired and is
    meant for this application.  The answer does not say which of these failed; the log does, at level INFO.

    Args:
        reason: Why, for the log alone.
        given: Whether a token was sent at all.
    """

    code: ClassVar[str] = "PFQ701"
    status: ClassVar[int] = 401

    def __init__(self, reason: str = "", *, given: bool = True) -> None:
        self.reason = reason
        self.given = given
        self.what = "The token is not accepted" if given else "A bearer token is required"
        self.fix = 'send "Authorization: Bearer <token>"; `prefiq token` makes one in development'


class TenantRefused(PrefiqError):
    """The token and the request's hints do not lead to one tenant that is served.

    The hints are the header ``Prefiq-Tenant``, the path ``/t/<tenant>/api`` and, with ``TENANT_DOMAIN``, the
    host; they must agree, and name one of the token's tenants.  The answer is the same whether the tenant is
    unknown, suspended, or not one of the token's.  A token that names several tenants needs one of the hints.
    """

    code: ClassVar[str] = "PFQ702"
    status: ClassVar[int] = 403
    what = "The token and what the request names do not lead to one tenant that is served"
    fix = "use a token of that tenant; name one of its tenants in Prefiq-Tenant if it has several"


class NoSuchPath(PrefiqError):
    """Nothing is served at this path; look at ``/openapi.json`` for what is."""

    code: ClassVar[str] = "PFQ703"
    status: ClassVar[int] = 404
    what = "Nothing is served at this path"
    fix = "look at /openapi.json"


class MethodNotAllowed(PrefiqError):
    """The path exists and does not answer to this method; the header ``Allow`` lists those it does.

    Args:
        allow: As in the header: ``"GET, HEAD, OPTIONS"``.
    """

    code: ClassVar[str] = "PFQ704"
    status: ClassVar[int] = 405

    def __init__(self, allow: str) -> None:
        self.allow = allow
        self.what = f"This path answers to {allow}"


class Malformed(PrefiqError):
    """The body is not the JSON that was announced: not UTF-8, not JSON, a member twice, too deep, or NaN.

    Correct the text; nothing of it was used.

    Args:
        what: One sentence, without anything of the body.
    """

    code: ClassVar[str] = "PFQ705"
    status: ClassVar[int] = 400

    def __init__(self, what: str) -> None:
        self.what = what


class UnsupportedMediaType(PrefiqError):
    """The body's ``Content-Type`` (or ``Content-Encoding``) is not one that this path takes.

    Args:
        accepted: What it takes.
    """

    code: ClassVar[str] = "PFQ706"
    status: ClassVar[int] = 415

    def __init__(self, accepted: str) -> None:
        self.accepted = accepted
        self.what = f"The body must be {accepted}, not compressed"
        self.fix = f"send Content-Type: {accepted.split(' or ', maxsplit=1)[0]}"


class BodyTooLarge(PrefiqError):
    """The body is larger than ``BODY_LIMIT``; it was not read.

    Args:
        limit: In bytes.
    """

    code: ClassVar[str] = "PFQ707"
    status: ClassVar[int] = 413

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.what = f"The body is larger than {limit} bytes"
        self.fix = "send less at once; the operator sets BODY_LIMIT"


class BodyTimeout(PrefiqError):
    """The body did not arrive within ``REQUEST_TIMEOUT``; send the request again."""

    code: ClassVar[str] = "PFQ708"
    status: ClassVar[int] = 408
    what = "The body did not arrive in time"
    fix = "send it again"


class UrlTooLong(PrefiqError):
    """Path or query string are longer than this application reads.

    Args:
        limit: In bytes.
    """

    code: ClassVar[str] = "PFQ709"
    status: ClassVar[int] = 414

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.what = f"Path or query are longer than {limit} bytes"


class HeadersTooLarge(PrefiqError):
    """There are too many header fields, or one that must stand alone stands twice."""

    code: ClassVar[str] = "PFQ710"
    status: ClassVar[int] = 431
    what = "Too many header fields, or one that must stand alone stands twice"


class QueryRefused(PrefiqError):
    """Query parameters that are unknown, given twice, or of the wrong form; all faults at once.

    An unknown parameter is never ignored: a filter that does not filter would show rows that were not asked
    for.  Each entry of ``errors`` names the parameter and says what is accepted.

    Args:
        errors: ``field`` is the parameter's name.
    """

    code: ClassVar[str] = "PFQ711"
    status: ClassVar[int] = 422

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        self.errors = errors
        self.what = "The query cannot be answered as it stands"
        self.where = ", ".join(error.field for error in errors)


class PreconditionFailed(PrefiqError):
    """The row is no longer at the version that ``If-Match`` names; nothing was written.

    Read it again, look at what changed, and repeat the change with the new ``ETag``.
    """

    code: ClassVar[str] = "PFQ712"
    status: ClassVar[int] = 412
    what = "The row is no longer at the version that If-Match names"
    fix = "read it again and repeat the change"


class Overloaded(PrefiqError):
    """More requests are waiting than can be served in time; this one was not started.

    Try again after the seconds in ``Retry-After``.  If it happens often, raise ``THREADS`` (with
    ``DB_MODE=async``: ``CONCURRENCY``) and ``DB_POOL_SIZE``, or start more workers.

    Args:
        retry_after: In seconds.
    """

    code: ClassVar[str] = "PFQ713"
    status: ClassVar[int] = 503

    def __init__(self, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        self.what = "The server is busy; the request was not started"
        self.fix = f"try again after {retry_after} s"


class TookTooLong(PrefiqError):
    """The request took longer than ``REQUEST_TIMEOUT`` and was ended; what it had not committed is undone.

    Look whether a change is there before it is sent again: the end may have met the very moment of the commit.
    """

    code: ClassVar[str] = "PFQ719"
    status: ClassVar[int] = 504
    what = "The request took longer than it may, and was ended"
    fix = "ask for less at once, or raise REQUEST_TIMEOUT; look before a change is repeated"


class IssuerUnreachable(PrefiqError):
    """The keys of an outside issuer could not be fetched, and none are at hand from before.

    Look at the issuer's ``jwks_uri`` in ``[issuers]`` and at the network between; the log has the cause.

    Args:
        issuer: Its name in ``[issuers]``.
    """

    code: ClassVar[str] = "PFQ714"
    status: ClassVar[int] = 503
    retry_after = 30

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.what = "Tokens of this issuer cannot be checked at the moment"
        self.where = f"issuer {issuer}"


class NotReady(PrefiqError):
    """``/readyz``: the application should get no requests now.

    ``prefiq doctor database`` says what is missing: the database, or migrations that were not applied.
    """

    code: ClassVar[str] = "PFQ715"
    status: ClassVar[int] = 503
    retry_after = 1
    what = "The application is not ready"
    fix = "run `prefiq doctor database`"


class ServerFault(PrefiqError):
    """Something failed that is not the caller's fault; what it was stands in the log under the request's id.

    The id is the member ``instance`` of the answer and the header ``X-Request-Id``.
    """

    code: ClassVar[str] = "PFQ716"
    status: ClassVar[int] = 500
    what = "Something went wrong on the server; the log knows this request's id"


class TokenNotMade(PrefiqError):
    """A token was not made: in production they come from an issuer; elsewhere ``JWT_SECRET_KEY`` is needed.

    Args:
        what: Which of the two.
        fix: What to do.
    """

    code: ClassVar[str] = "PFQ717"
    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix


class RouteConflict(PrefiqError):
    """A module's own route would hide, or be hidden by, another one; found when the application starts.

    Args:
        path: The path that two want.
        first: Who has it.
        second: Who wants it too.
    """

    code: ClassVar[str] = "PFQ718"
    exit_code: ClassVar[int] = 2

    def __init__(self, path: str, first: str, second: str) -> None:
        self.path = path
        self.what = f"{path} belongs to {first} and is wanted by {second} too"
        self.where = f"route {path}"
        self.fix = "give one of them another path"
