"""Create model TenantLife and more."""

from prefiq.lowcode import now
from prefiq.migrations import (
    AddField,
    AlterField,
    CreateModel,
    FieldState,
    IndexState,
    Migration,
)

migration = Migration(
    2,
    "tenant_life",
    "contract",
    operations=(
        CreateModel(
            "TenantLife",
            table="prefiq_tenant_life",
            fields=(
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("tenant_key", "str", max_length=63),
                FieldState("at", "datetime"),
                FieldState("action", "str", max_length=40),
                FieldState("state_before", "str", max_length=16),
                FieldState("state_after", "str", max_length=16),
                FieldState("operator", "str", max_length=255),
                FieldState("reason", "str", max_length=500),
                FieldState("details", "json"),
            ),
            indexes=(IndexState("ix_prefiq_tenant_life_tenant_key_at", ("tenant_key", "at")),),
            shared=True,
        ),
        CreateModel(
            "TenantDomain",
            table="prefiq_tenant_domain",
            fields=(
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("host", "str", max_length=253),
                FieldState("tenant_key", "str", max_length=63),
                FieldState("verified_at", "datetime", nullable=True),
            ),
            indexes=(
                IndexState("ix_prefiq_tenant_domain_tenant_key", ("tenant_key",)),
                IndexState("uq_prefiq_tenant_domain_host", ("host",), unique=True),
            ),
            shared=True,
        ),
        AlterField(
            "Tenant",
            FieldState(
                "state",
                "enum",
                values=(
                    "provisioning",
                    "active",
                    "read_only",
                    "suspended",
                    "deleting",
                    "gone",
                ),
            ),
        ),
        AddField("Tenant", FieldState("state_since", "datetime"), fill=now),
        AddField(
            "Tenant",
            FieldState("mode", "enum", values=("row", "schema", "database")),
            fill="row",
        ),
        AddField(
            "Tenant",
            FieldState("database", "str", max_length=63),
            fill="default",
        ),
        AddField("Tenant", FieldState("hint", "str", max_length=63), fill=""),
        AddField("Tenant", FieldState("epoch", "int"), fill=0),
        AddField("Tenant", FieldState("hold", "str", max_length=500), fill=""),
        AddField("Tenant", FieldState("retain_until", "datetime", nullable=True)),
        AddField("Tenant", FieldState("delete_after", "datetime", nullable=True)),
        AddField("Tenant", FieldState("purging_since", "datetime", nullable=True)),
    ),
)
