"""Create model Currency and more."""

from prefiq.migrations import CreateModel, FieldState, IndexState, Migration, RefState

migration = Migration(
    1,
    "initial",
    "expand",
    operations=(
        CreateModel(
            "Currency",
            table="masters_currency",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("code", "str", max_length=12),
                FieldState("name", "str", max_length=200),
                FieldState("sort_order", "int"),
                FieldState("active", "bool"),
                FieldState("numeric", "str", nullable=True, max_length=3),
            ),
            indexes=(
                IndexState("ix_masters_currency_active", ("tenant_id", "active")),
                IndexState("ix_masters_currency_name", ("tenant_id", "name")),
                IndexState(
                    "uq_masters_currency_code",
                    ("tenant_id", "code"),
                    unique=True,
                ),
            ),
        ),
        CreateModel(
            "Country",
            table="masters_country",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("code", "str", max_length=12),
                FieldState("name", "str", max_length=200),
                FieldState("sort_order", "int"),
                FieldState("active", "bool"),
                FieldState("alpha_3", "str", max_length=3),
                FieldState("numeric", "str", nullable=True, max_length=3),
            ),
            indexes=(
                IndexState("ix_masters_country_active", ("tenant_id", "active")),
                IndexState("ix_masters_country_name", ("tenant_id", "name")),
                IndexState(
                    "uq_masters_country_alpha_3",
                    ("tenant_id", "alpha_3"),
                    unique=True,
                ),
                IndexState(
                    "uq_masters_country_code",
                    ("tenant_id", "code"),
                    unique=True,
                ),
            ),
        ),
        CreateModel(
            "Unit",
            table="masters_unit",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("code", "str", max_length=12),
                FieldState("name", "str", max_length=200),
                FieldState("sort_order", "int"),
                FieldState("active", "bool"),
                FieldState("symbol", "str", max_length=12),
            ),
            indexes=(
                IndexState("ix_masters_unit_active", ("tenant_id", "active")),
                IndexState("ix_masters_unit_name", ("tenant_id", "name")),
                IndexState("uq_masters_unit_code", ("tenant_id", "code"), unique=True),
            ),
        ),
        CreateModel(
            "Subdivision",
            table="masters_subdivision",
            fields=(
                FieldState("tenant_id", "str", max_length=63),
                FieldState("id", "uuid"),
                FieldState("version", "int"),
                FieldState("code", "str", max_length=12),
                FieldState("name", "str", max_length=200),
                FieldState("sort_order", "int"),
                FieldState("active", "bool"),
                FieldState(
                    "country_id",
                    "uuid",
                    ref=RefState("masters.Country", "masters_country"),
                ),
                FieldState("kind", "str", max_length=80),
            ),
            indexes=(
                IndexState("ix_masters_subdivision_active", ("tenant_id", "active")),
                IndexState(
                    "ix_masters_subdivision_country_id",
                    ("tenant_id", "country_id"),
                ),
                IndexState("ix_masters_subdivision_name", ("tenant_id", "name")),
                IndexState(
                    "uq_masters_subdivision_code",
                    ("tenant_id", "code"),
                    unique=True,
                ),
            ),
        ),
    ),
)
