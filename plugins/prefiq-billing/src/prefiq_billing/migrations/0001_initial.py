"""Create model Rate and more."""

from prefiq.migrations import (
    AddField,
    AddIndex,
    CreateModel,
    FieldState,
    IndexState,
    Migration,
    RefState,
)

migration = Migration(
    1,
    "initial",
    "expand",
    requires={"projects": 1},
    operations=(
        CreateModel(
            "Rate",
            table="billing_rate",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("code", "str", max_length=32),
                FieldState("name", "str", max_length=120),
                FieldState("amount", "decimal", precision=12, scale=2),
                FieldState("is_default", "bool"),
            ),
            indexes=(
                IndexState("ix_billing_rate_is_default", ("tenant_id", "is_default")),
                IndexState("uq_billing_rate_code", ("tenant_id", "code"), unique=True),
            ),
        ),
        AddField(
            "projects.Project",
            FieldState(
                "x_billing_rate",
                "decimal",
                nullable=True,
                precision=12,
                scale=2,
            ),
        ),
        AddField(
            "projects.Project",
            FieldState(
                "x_billing_cap",
                "decimal",
                nullable=True,
                precision=12,
                scale=2,
            ),
        ),
        AddField(
            "projects.Project",
            FieldState(
                "x_billing_billed",
                "decimal",
                nullable=True,
                precision=12,
                scale=2,
            ),
        ),
        AddField(
            "projects.Project",
            FieldState(
                "x_billing_agreed_id",
                "uuid",
                nullable=True,
                ref=RefState("billing.Rate", "billing_rate"),
            ),
        ),
        AddIndex(
            "projects.Project",
            IndexState(
                "ix_projects_project_x_billing_agreed_id",
                ("tenant_id", "x_billing_agreed_id"),
            ),
        ),
        AddIndex(
            "projects.Project",
            IndexState(
                "ix_projects_project_x_billing_rate",
                ("tenant_id", "x_billing_rate"),
            ),
        ),
    ),
)
