"""Rule ``children_of``: children belong to one parent and have no life of their own."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.reader import hints_of
from prefiq.lowcode.verifiers.context import Context


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Children with a life of their own, or with two parents."""
    for child in spec.children:
        model = child.model
        if model.actions or model.status or model.children:
            yield Violation(
                "children_of",
                spec.qualified,
                child.name,
                f"{model.name} has actions, a status or children of its own",
                "make it a model with a reference",
            )
        if context.catalog.get(model.cls) is not None:
            yield Violation(
                "children_of",
                spec.qualified,
                child.name,
                f"{model.name} is also listed as a model",
                "leave it out of the provider's models",
            )
        if model.parent_column in {field.name for field in model.fields}:
            yield Violation(
                "children_of",
                spec.qualified,
                child.name,
                f"{model.name} declares {model.parent_column}, which Prefiq adds",
                "leave the field out",
            )
        if "version" in model.cls.__struct_fields__:
            yield Violation(
                "children_of",
                spec.qualified,
                child.name,
                f"{model.name} is an entity, with a version of its own",
                "derive it from Child",
            )
        held = f"{spec.qualified}.{child.name}"
        if context.parents.setdefault(model.cls, held) != held:
            yield Violation(
                "children_of",
                spec.qualified,
                child.name,
                f"{model.name} already belongs to {context.parents[model.cls]}",
                "derive a class for each field that holds some",
            )
        if hints_of(spec.cls).get(child.name) != list[model.cls]:  # type: ignore[name-defined]
            yield Violation(
                "children_of",
                spec.qualified,
                child.name,
                "its annotation does not say what it holds",
                f"annotate it list[{model.name}]",
            )
    for name, decl in spec.cls.__prefiq_fields__.items():
        if decl.child is not None and not hasattr(decl.child, "__prefiq_fields__"):
            yield Violation(
                "children_of", spec.qualified, name, "it holds no entities", "derive its items from Child"
            )
