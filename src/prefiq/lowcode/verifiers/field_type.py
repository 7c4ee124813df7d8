"""Rule ``field_type``: a field's annotation is one that every engine stores."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context, all_fields


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Annotations that cannot be stored."""
    del context
    for name, field in all_fields(spec):
        if field.kind == "unknown":
            yield Violation(
                "field_type",
                spec.qualified,
                name,
                f"{field.annotation or 'no annotation'} is not a field type",
                "use str, int, bool, Decimal, float, date, datetime, UUID, a Status or StrEnum, dict or list; "
                "import the type where the class is declared",
            )
        if field.ref is not None and field.kind != "uuid":
            yield Violation(
                "field_type", spec.qualified, name, "a reference holds a UUID", "annotate it UUID"
            )
