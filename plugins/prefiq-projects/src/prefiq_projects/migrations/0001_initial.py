"""Create model Project and more."""

from prefiq.migrations import CreateModel, FieldState, IndexState, Migration, RefState

migration = Migration(
    1,
    "initial",
    "expand",
    operations=(
        CreateModel(
            "Project",
            table="projects_project",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("code", "str", max_length=32),
                FieldState("name", "str", max_length=200),
                FieldState("budget", "decimal", nullable=True, precision=12, scale=2),
                FieldState("starts", "date", nullable=True),
                FieldState("ends", "date", nullable=True),
                FieldState("stage", "enum", values=("draft", "active", "closed")),
            ),
            indexes=(
                IndexState("ix_projects_project_name", ("tenant_id", "name")),
                IndexState("ix_projects_project_stage", ("tenant_id", "stage")),
                IndexState("ix_projects_project_starts", ("tenant_id", "starts")),
                IndexState(
                    "uq_projects_project_code",
                    ("tenant_id", "code"),
                    unique=True,
                ),
            ),
        ),
        CreateModel(
            "Message",
            table="projects_message",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("subject", "str", max_length=200),
                FieldState("body", "text"),
                FieldState("sent_at", "datetime"),
            ),
            indexes=(IndexState("ix_projects_message_sent_at", ("tenant_id", "sent_at")),),
        ),
        CreateModel(
            "Task",
            table="projects_task",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState(
                    "project_id",
                    "uuid",
                    ref=RefState("projects.Project", "projects_project"),
                ),
                FieldState("title", "str", max_length=200),
                FieldState("due", "date", nullable=True),
                FieldState("state", "enum", values=("open", "done")),
            ),
            indexes=(
                IndexState("ix_projects_task_due", ("tenant_id", "due")),
                IndexState("ix_projects_task_project_id", ("tenant_id", "project_id")),
                IndexState(
                    "ix_projects_task_project_id_state",
                    ("tenant_id", "project_id", "state"),
                ),
                IndexState("ix_projects_task_state", ("tenant_id", "state")),
            ),
        ),
        CreateModel(
            "ChecklistItem",
            table="projects_checklist_item",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState(
                    "task_id",
                    "uuid",
                    ref=RefState("projects.Task", "projects_task", on_delete="cascade"),
                ),
                FieldState("position", "int"),
                FieldState("title", "str", max_length=200),
                FieldState("done", "bool"),
            ),
            indexes=(
                IndexState(
                    "ix_projects_checklist_item_task_id",
                    ("tenant_id", "task_id", "position"),
                ),
            ),
        ),
    ),
)
