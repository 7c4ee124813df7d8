"""Rule ``references``: a reference leads to a listed model that its rows may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.field import OnDelete
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context
from prefiq.nearest import nearest

ON_DELETE: tuple[str, ...] = get_args(OnDelete)


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """References that lead nowhere, or across the wall between tenants."""
    for field in spec.fields:
        if field.ref is None:
            continue
        if not field.name.endswith("_id"):
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                "include= could not tell the row from its id",
                f"call the field {field.name}_id",
            )
        if field.ref.on_delete not in ON_DELETE:
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                "on_delete is unknown",
                f"say one of {', '.join(ON_DELETE)}",
            )
        if field.ref.on_delete == "set_null" and not field.nullable:
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                "set_null needs None to be a value",
                "annotate it UUID | None",
            )
        target = context.catalog.get(field.ref.model) if field.ref.model else None
        named = field.ref.target if isinstance(field.ref.target, str) else field.ref.target.__name__
        if target is None:
            if not context.open_world:
                yield Violation(
                    "references",
                    spec.qualified,
                    field.name,
                    f"{named} belongs to no listed module",
                    _advice(field.ref.target, context),
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
        if spec.scope == "tenant" and target.scope == "shared" and field.ref.on_delete != "restrict":
            yield Violation(
                "references",
                spec.qualified,
                field.name,
                f"deleting a shared {named} would reach into every tenant",
                'say on_delete="restrict"',
            )
    yield from _include_names(spec)


def _advice(target: type | str, context: Context) -> str:
    if isinstance(target, str):
        near = nearest(target, (model.qualified for model in context.catalog))
        if near:
            return f"did you mean {near}?"
    return "list its module in APPS, and require its distribution"


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
