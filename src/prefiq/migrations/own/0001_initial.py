"""Create model Tenant and more."""

from prefiq.migrations import CreateModel, FieldState, IndexState, Migration

migration = Migration(
    1,
    "initial",
    "expand",
    operations=(
        CreateModel(
            "Tenant",
            table="prefiq_tenant",
            fields=(
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("key", "str", max_length=63),
                FieldState("name", "str", max_length=200),
                FieldState("state", "enum", values=("active", "suspended")),
                FieldState("created_at", "datetime"),
            ),
            indexes=(
                IndexState("ix_prefiq_tenant_state", ("state",)),
                IndexState("uq_prefiq_tenant_key", ("key",), unique=True),
            ),
            shared=True,
        ),
        CreateModel(
            "HistoryEntry",
            table="prefiq_history_entry",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("model", "str", max_length=120),
                FieldState("entity_id", "uuid"),
                FieldState("at", "datetime"),
                FieldState("actor", "str", max_length=255),
                FieldState("actor_name", "str", max_length=255),
                FieldState("action", "str", max_length=64),
                FieldState("entity_version", "int"),
                FieldState("changes", "json"),
                FieldState("arguments", "json"),
            ),
            indexes=(
                IndexState(
                    "ix_prefiq_history_entry_model_entity_id",
                    ("tenant_id", "model", "entity_id"),
                ),
            ),
        ),
        CreateModel(
            "SeedRecord",
            table="prefiq_seed_record",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("module", "str", max_length=63),
                FieldState("name", "str", max_length=100),
                FieldState("seed_version", "int"),
                FieldState("at", "datetime"),
            ),
            indexes=(
                IndexState(
                    "uq_prefiq_seed_record_module_name",
                    ("tenant_id", "module", "name"),
                    unique=True,
                ),
            ),
        ),
    ),
)
