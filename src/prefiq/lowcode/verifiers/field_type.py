"""Rule ``field_type``: a field's annotation is one that every engine stores."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.field import FieldDecl
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Annotations that cannot be stored."""
    del context
    for base in spec.cls.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, FieldDecl):
                yield Violation(
                    "field_type",
                    spec.qualified,
                    name,
                    "a field needs an annotation",
                    f"write {name}: … = field(…)",
                )
    for field in spec.fields:
        name = field.name
        if field.kind == "unknown":
            yield Violation(
                "field_type",
                spec.qualified,
                name,
                f"{field.annotation} is not a field type",
                "use str, int, bool, Decimal, float, date, datetime, UUID, a Status or StrEnum, dict or list; "
                "import the type where the class is declared, outside TYPE_CHECKING",
            )
        if field.kind == "enum" and not len(field.type):
            yield Violation(
                "field_type", spec.qualified, name, f"{field.type.__name__} has no members", "declare some"
            )
        if field.ref is not None and field.kind != "uuid":
            yield Violation(
                "field_type", spec.qualified, name, "a reference holds a UUID", "annotate it UUID"
            )
