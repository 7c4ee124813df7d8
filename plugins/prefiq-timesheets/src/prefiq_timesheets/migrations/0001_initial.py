"""Create model Entry and more."""

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
            "Entry",
            table="timesheets_entry",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState(
                    "project_id",
                    "uuid",
                    ref=RefState("projects.Project", "projects_project"),
                ),
                FieldState(
                    "task_id",
                    "uuid",
                    nullable=True,
                    ref=RefState("projects.Task", "projects_task"),
                ),
                FieldState("person", "str", max_length=120),
                FieldState("date", "date"),
                FieldState("hours", "decimal", precision=5, scale=2),
                FieldState("note", "str", max_length=500),
            ),
            indexes=(
                IndexState("ix_timesheets_entry_date", ("tenant_id", "date")),
                IndexState("ix_timesheets_entry_person", ("tenant_id", "person")),
                IndexState(
                    "ix_timesheets_entry_project_id",
                    ("tenant_id", "project_id"),
                ),
                IndexState(
                    "ix_timesheets_entry_project_id_date",
                    ("tenant_id", "project_id", "date"),
                ),
                IndexState("ix_timesheets_entry_task_id", ("tenant_id", "task_id")),
            ),
        ),
        AddField(
            "projects.Project",
            FieldState(
                "x_timesheets_budget_hours",
                "decimal",
                nullable=True,
                precision=9,
                scale=2,
            ),
        ),
        AddField(
            "projects.Project",
            FieldState(
                "x_timesheets_spent_hours",
                "decimal",
                nullable=True,
                precision=9,
                scale=2,
            ),
        ),
        AddField(
            "projects.Project",
            FieldState("x_timesheets_confidential", "bool", nullable=True),
        ),
        AddIndex(
            "projects.Project",
            IndexState(
                "ix_projects_project_x_timesheets_budget_hours",
                ("tenant_id", "x_timesheets_budget_hours"),
            ),
        ),
    ),
)
