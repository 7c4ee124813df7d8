import inspect
import re

import pytest

from prefiq.contracts import (
    ConcurrencyError,
    FieldError,
    ForeignKeyViolation,
    Refused,
    UniqueViolation,
    UnknownTenant,
    ValidationFailed,
)
from prefiq.errors import PrefiqError
from prefiq.sql import errors as database
from prefiq.web import errors as web_errors
from prefiq.web.problems import problem_answer, status_answer, title_of

ID = "0189aaaa-0000-7000-8000-0123456789ab"


def document(error, **options):
    import json

    status, headers, body = problem_answer(error, ID, **options)
    return status, dict(headers), json.loads(body)


class Special(UniqueViolation):
    """A module's own kind of conflict."""


def test_an_error_is_described_by_its_nearest_ancestor():
    """A subclass that nobody knows is answered as what it is a kind of."""
    status, _, body = document(Special("projects.Project", ("code", "name")))
    assert status == 409
    assert [entry["pointer"] for entry in body["errors"]] == ["#/code", "#/name"]
    assert body["title"] == "Special"


def test_values_of_callers_stand_in_no_text():
    """The detail counts faults; what they are stands with each of them."""
    error = ValidationFailed("projects.Project", (FieldError("a.0.b", "x", "is wrong", {"limit": 3}),))
    _, _, body = document(error)
    assert body["detail"] == "1 value is not accepted"
    assert body["errors"] == [
        {"detail": "is wrong", "code": "x", "pointer": "#/a/0/b", "params": {"limit": 3}}
    ]


@pytest.mark.parametrize(("precondition", "status"), [(True, 412), (False, 409)])
def test_a_lost_race(precondition, status):
    """It is a failed precondition where there was one, else a conflict."""
    assert document(ConcurrencyError("p.P", 1), precondition=precondition)[0] == status


@pytest.mark.parametrize(
    ("field", "status"), [("reason", 422), ("steps.0.title", 422), ("effort", 409), ("", 409)]
)
def test_a_rule_that_speaks_of_the_body_is_a_validation_error(field, status):
    """Else the state is against it."""
    assert document(Refused(field, "no"), members=frozenset({"reason", "steps"}))[0] == status


def test_an_answer_lists_a_hundred_faults():
    """A small body with thousands of faults does not get megabytes in return; their number is told."""
    faults = tuple(FieldError(f"rows.{number}", "required", "a value is required") for number in range(5000))
    _, _, body = document(ValidationFailed("projects.Project", faults))
    assert len(body["errors"]) == 100
    assert body["detail"] == "5000 values are not accepted"


def test_references():
    """A wrong reference is a wrong value; a row that is still referred to is a conflict."""
    assert document(ForeignKeyViolation("p.T", ("project_id",)))[0] == 422
    assert document(ForeignKeyViolation("p.T", deleting=True))[0] == 409


def test_a_database_that_is_busy_says_when_to_come_back():
    """503 always carries Retry-After."""
    status, headers, _ = document(database.DatabaseLocked())
    assert status == 503
    assert headers[b"retry-after"] == b"1"


BUSY = {
    database.ConnectionsExhausted, database.DatabaseLocked, database.Deadlock, database.Disconnected,
    database.SerializationFailure, database.TransactionLost,
}  # fmt: skip
LATE = {database.DeadlineExceeded, database.StatementTimeout}
DATABASE_ERRORS = [
    error
    for name in sorted(database.__all__)
    if issubclass(error := getattr(database, name), database.DatabaseError)
]


@pytest.mark.parametrize("kind", DATABASE_ERRORS, ids=lambda kind: kind.__name__)
def test_what_a_database_says_is_answered_without_its_words(kind, caplog):
    """Busy is 503 and late 504, full is 507; all else is a fault of the server.  The operator is told where."""
    error = kind("ledger", "55P03")
    error.__cause__ = RuntimeError("role hunter2 of database payroll")
    status, headers, body = document(error)
    others = {"CommitUnknown": 503, "DiskFull": 507, "StatementTooLarge": 413}
    assert status == (503 if kind in BUSY else 504 if kind in LATE else others.get(kind.__name__, 500))
    assert (b"retry-after" in headers) is (kind in BUSY)
    for word in ("hunter2", "payroll", "ledger", "55P03"):
        assert word not in str(body)
    if status >= 500:
        assert ID in caplog.text
        assert "ledger" in caplog.text


def test_a_change_that_may_be_there_is_not_to_be_repeated_blindly():
    """A client that repeats a 503 by itself does so where Retry-After invites it."""
    status, headers, body = document(database.CommitUnknown())
    assert (status, body["code"]) == (503, "PFQ416")
    assert b"retry-after" not in headers
    assert document(web_errors.TookTooLong())[0] == 504


def test_a_tenant_that_is_not_served_is_not_named():
    """Whoever asks for it gets the answer of every refused tenant."""
    status, _, body = document(UnknownTenant("secret-customer"))
    assert (status, body["code"]) == (403, "PFQ702")
    assert "secret-customer" not in str(body)


@pytest.mark.parametrize("error", [RuntimeError("hunter2"), PrefiqError(), KeyError("hunter2")])
def test_what_is_not_the_callers_fault_is_logged_and_not_shown(error, caplog):
    """One answer for all of them."""
    status, _, body = document(error)
    assert (status, body["code"]) == (500, "PFQ716")
    assert "hunter2" not in str(body)
    assert ID in caplog.text
    assert caplog.records[0].exc_info


def test_a_status_of_a_library_has_the_same_form():
    """Its phrase is all there is to say."""
    import json

    status, headers, body = status_answer(405, ID, {"Allow": "GET"})
    assert status == 405
    assert dict(headers)[b"allow"] == b"GET"
    assert json.loads(body)["title"] == "Method Not Allowed"


ERRORS = [getattr(web_errors, name) for name in web_errors.__all__]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_says_what_to_do(error):
    """A code of this room, a status, a title, and a docstring that a page of errors can be made of."""
    assert re.fullmatch(r"PFQ7\d\d", error.code)
    assert error.status >= 400
    assert title_of(error)
    assert len(inspect.getdoc(error)) > 60


def test_codes_are_told_apart():
    """No two errors share one."""
    assert len({error.code for error in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            web_errors.RouteConflict("GET /api/x", "the generated API", "a route of y"),
            (
                "GET /api/x belongs to the generated API and is wanted by a route of y too (route GET /api/x) [PFQ718]\n"
                "  Try: give one of them another path"
            ),
        ),
        (
            web_errors.Unauthenticated(given=False),
            (
                "A bearer token is required [PFQ701]\n"
                '  Try: send "Authorization: Bearer <token>"; `prefiq token` makes one in development'
            ),
        ),
        (web_errors.MethodNotAllowed("GET, HEAD"), "This path answers to GET, HEAD [PFQ704]"),
        (
            web_errors.UnsupportedMediaType("application/json"),
            "The body must be application/json, not compressed [PFQ706]\n  Try: send Content-Type: application/json",
        ),
        (
            web_errors.IssuerUnreachable("corp"),
            "Tokens of this issuer cannot be checked at the moment (issuer corp) [PFQ714]",
        ),
    ],
)
def test_texts(error, text):
    """What a person reads, whole."""
    assert str(error) == text
