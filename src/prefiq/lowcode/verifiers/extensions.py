"""Rule ``extensions``: what a module adds to another's model can stand in the other's table and come and go."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.extending import extension_meta_of, tuned
from prefiq.lowcode.extension_meta import ExtensionMeta, Tuning
from prefiq.lowcode.model_spec import ExtensionSpec, FieldSpec, IndexSpec, ModelSpec
from prefiq.lowcode.reader import listed
from prefiq.lowcode.verifiers.context import Context

OWN = ("id", "version")


def verify(extension: ExtensionSpec, base: ModelSpec, context: Context) -> Iterator[Violation]:
    """Extensions of a module's own model, and fields that the base could not do without."""
    del context
    if extension.module == base.module:
        yield _violation(
            extension, "", f"{base.qualified} is the module's own", "declare the fields in the model itself"
        )
    yield from _options(extension)
    for name in OWN:
        if name in extension.cls.__struct_fields__:
            yield _violation(extension, name, f"{name} is Prefiq's own", "choose another name")
    for name, decl in extension.cls.__prefiq_fields__.items():
        if decl.child is not None:
            yield _violation(
                extension, name, "an extension has no children", "declare a model that refers to the base"
            )
    for field in extension.fields:
        for problem, fix in _problems(field):
            yield _violation(extension, field.attribute, problem, fix)


def as_model(extension: ExtensionSpec, base: ModelSpec) -> ModelSpec:
    """The extension as a model of its own fields and of those that it tunes, for the rules of models."""
    wanted: Any = extension_meta_of(extension.cls).tune
    own = [dataclasses.replace(field, name=field.attribute, owner=None) for field in extension.fields]
    names = {field.name for field in own}
    changed = [
        tuned(field, [tuning])
        for field in base.fields
        if isinstance(tuning := wanted.get(field.name) if isinstance(wanted, dict) else None, Tuning)
        and field.name not in names
        and not field.is_status
    ]
    stem = len(f"x_{extension.module}_")
    return dataclasses.replace(
        base,
        module=extension.module,
        name=extension.name,
        cls=extension.cls,
        label_field="",
        fields=(*own, *(dataclasses.replace(field, ref=None) for field in changed)),
        children=(),
        indexes=tuple(
            IndexSpec(index.name[stem:], tuple(n.rpartition(".")[2] for n in index.fields), index.unique)
            for index in extension.indexes
        ),
        actions=extension.actions,
        validators=extension.validators,
        status=None,
        order_by=(),
        remote=False,
    )


def _options(extension: ExtensionSpec) -> Iterator[Violation]:
    meta = getattr(extension.cls, "meta", None)
    if meta is None:
        return
    if not isinstance(meta, ExtensionMeta):
        yield _violation(extension, "meta", "meta is not an ExtensionMeta", "write meta = ExtensionMeta(…)")
        return
    wanted: object = meta.tune
    if not isinstance(wanted, dict) or not all(isinstance(tuning, Tuning) for tuning in wanted.values()):
        yield _violation(
            extension, "meta", "tune does not map fields to tune(…)", 'say tune={"name": tune(label="Title")}'
        )
    indexes: object = meta.indexes
    if not isinstance(indexes, (list, tuple)) or len(listed(indexes, IndexSpec)) != len(indexes):
        yield _violation(extension, "meta", "indexes does not list indexes", 'say indexes=(index("rate"),)')


def _problems(field: FieldSpec) -> Iterator[tuple[str, str]]:
    if len(field.column) > 63:
        yield f"its column {field.column} is longer than PostgreSQL's names", "shorten its name"
    if field.is_status:
        yield "an extension brings no status of its own", "make it a StrEnum"
    if field.nullable:
        return
    if field.clock_default:
        yield "rows that exist have no such moment", f"annotate it {field.annotation} | None"
    elif field.required:
        yield (
            "rows that exist have no value for it",
            f"give it a default, or annotate it {field.annotation} | None",
        )
    elif field.unique:
        yield "all rows that exist have its default, and would have to differ", "let it be None by default"
    elif callable(field.default_factory) and field.default_factory() != field.default_factory():
        yield (
            "its default is another one each time, and rows that exist read it",
            f"annotate it {field.annotation} | None",
        )
    elif field.default is None:
        yield "the default is None but None is not a value", f"annotate it {field.annotation} | None"


def _violation(extension: ExtensionSpec, name: str, problem: str, fix: str) -> Violation:
    return Violation("extensions", extension.qualified, name, problem, fix)
