"""Rule ``references``: a reference leads to a listed model that its rows may see."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """References that lead nowhere, or across the wall between tenants."""
    for field in spec.fields:
        if field.ref is None:
            continue
        target = context.catalog.get(field.ref.model) if field.ref.model else None
        named = field.ref.target if isinstance(field.ref.target, str) else field.ref.target.__name__
        if target is None:
            if not context.open_world:
                yield Violation(
                    "references",
                    spec.qualified,
                    field.name,
                    f"{named} belongs to no listed module",
                    "list its module in APPS, and require its distribution",
                )
            continue
        if spec.scope == "shared" and target.scope == "tenant":
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                f"a shared row cannot refer to {named}, whose rows belong to tenants",
                'say scope="tenant", or refer to a shared model',
            )
        if field.ref.on_delete == "set_null" and not field.nullable:
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                "set_null needs None to be a value",
                "annotate it UUID | None",
            )
    yield from _include_names(spec)


def _include_names(spec: ModelSpec) -> Iterator[Violation]:
    taken = {field.name for field in spec.fields} | {child.name for child in spec.children}
    for field in spec.fields:
        if field.ref is not None and field.ref.name != field.name and field.ref.name in taken:
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                f"include={field.ref.name} would hide the field {field.ref.name}",
                "rename one of them",
            )
