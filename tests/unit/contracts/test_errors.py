from __future__ import annotations

import uuid

import pytest

from prefiq.contracts import (
    ConcurrencyError,
    FieldError,
    Forbidden,
    ForeignKeyViolation,
    IllegalTransition,
    NotFound,
    Refused,
    TenantNotBound,
    UniqueViolation,
    UnknownTenant,
    ValidationFailed,
)

ID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            NotFound("projects.Project", ID),
            404,
            f"There is no such projects.Project (projects.Project {ID}) [PFQ510]",
        ),
        (
            Forbidden("projects.close"),
            403,
            (
                "You may not do this (permission projects.close) [PFQ511]\n"
                "  Try: ask for a role that grants projects.close"
            ),
        ),
        (Refused("reason", "say why"), 409, "say why (reason) [PFQ513]"),
        (
            IllegalTransition("projects.Project", "close", "draft", ("activate",)),
            409,
            (
                "close is not possible while the state is draft (projects.Project.close) [PFQ514]\n"
                "  Try: possible now: activate"
            ),
        ),
        (
            IllegalTransition("projects.Project", "", "closed", ()),
            409,
            (
                "The state closed can only be left by an action (projects.Project) [PFQ514]\n"
                "  Try: possible now: no action"
            ),
        ),
        (
            ConcurrencyError("projects.Project", ID),
            412,
            (
                f"This projects.Project was changed by somebody else since it was read (projects.Project {ID})"
                " [PFQ515]\n  Try: read it again and repeat the change"
            ),
        ),
        (
            UniqueViolation("projects.Project", ("code",)),
            409,
            (
                "code is taken: another projects.Project has the same (projects.Project) [PFQ516]\n"
                "  Try: choose another value"
            ),
        ),
        (
            ForeignKeyViolation("projects.Task", ("project_id",)),
            409,
            (
                "The reference leads to no existing row (projects.Task.project_id) [PFQ517]\n"
                "  Try: give the id of a row that exists"
            ),
        ),
        (
            ForeignKeyViolation("projects.Project", deleting=True),
            409,
            (
                "Other rows still refer to this projects.Project (projects.Project) [PFQ517]\n"
                "  Try: delete or change those first"
            ),
        ),
        (
            TenantNotBound("projects_project"),
            500,
            (
                "No tenant is bound (table projects_project) [PFQ503]\n"
                '  Try: open the scope with a tenant: "app.scope(tenant=…)"'
            ),
        ),
        (
            UnknownTenant("acme"),
            403,
            (
                "This tenant is not served here (tenant acme) [PFQ504]\n"
                "  Try: look at `prefiq tenants list`; `prefiq tenants create` makes one"
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_answer_has_a_status_and_a_text(error, status, text):
    """What a service answers is one readable block and one HTTP status."""
    assert str(error) == text
    assert error.status == status


def test_a_failed_validation_names_every_fault():
    """All faults are in one text; the whole entity goes by its model's name."""
    error = ValidationFailed(
        "projects.Project",
        (FieldError("code", "required", "a value is required"), FieldError("", "dates", "must fit together")),
    )
    assert str(error) == (
        "code: a value is required; projects.Project: must fit together (projects.Project) [PFQ512]"
    )
    assert error.status == 422


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("", "#"),
        ("budget", "#/budget"),
        ("checklist.2.title", "#/checklist/2/title"),
        ("a/b~c", "#/a~1b~0c"),
        ("größe 100%", "#/gr%C3%B6%C3%9Fe%20100%25"),
    ],
)
def test_a_pointer_is_a_uri_fragment(field, pointer):
    """RFC 6901, section 6: the path escaped as a JSON pointer, then as a fragment."""
    assert FieldError(field, "x", "y").pointer == pointer
