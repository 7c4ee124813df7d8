"""Reads extensions and puts them into the specifications of the models that they extend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefiq.lowcode.action import actions_of
from prefiq.lowcode.extension_meta import ExtensionMeta, Tuning
from prefiq.lowcode.field import MISSING, FieldDecl
from prefiq.lowcode.model_spec import SORTABLE, ExtensionSpec, FieldSpec, IndexSpec, ModelSpec
from prefiq.lowcode.reader import (
    Names,
    first_paragraph,
    hints_of,
    listed,
    read_action,
    read_field,
    read_validators,
)

__all__ = ["extend", "extension_meta_of", "read_extension", "tuned"]

NARROWER = {"max_length": min, "lt": min, "le": min, "min_length": max, "gt": max, "ge": max}
"""Limits, and which of two is the narrower."""


def extension_meta_of(cls: type) -> ExtensionMeta:
    """The options that an extension declares; the verifier ``extensions`` reports what is none."""
    meta = getattr(cls, "meta", None)
    return meta if isinstance(meta, ExtensionMeta) else ExtensionMeta()


def read_extension(cls: Any, module: str, base: ModelSpec, names: Names) -> ExtensionSpec:
    """The specification of an extension as declared, mistakes included."""
    declared = listed(extension_meta_of(cls).indexes, IndexSpec)
    alone = {index.fields[0] for index in declared if len(index.fields) == 1}
    fields = tuple(
        _read_own_field(cls, module, name, names, indexed=name in alone) for name in cls.__prefiq_fields__
    )
    single = (
        IndexSpec(f.attribute, (f.attribute,), f.unique) for f in fields if f.unique or f.index or f.ref
    )
    return ExtensionSpec(
        module=module,
        name=cls.__name__,
        cls=cls,
        base=base.qualified,
        doc=first_paragraph(cls.__dict__.get("__doc__")),
        fields=fields,
        indexes=tuple(
            IndexSpec(
                f"x_{module}_{index.name}", tuple(f"{module}.{name}" for name in index.fields), index.unique
            )
            for index in (*single, *declared)
        ),
        actions=tuple(
            read_action(name, act, module, base.cls, names) for name, act in actions_of(cls).items()
        ),
        validators=read_validators(cls),
    )


def _read_own_field(cls: Any, module: str, name: str, names: Names, *, indexed: bool) -> FieldSpec:
    decl: FieldDecl = cls.__prefiq_fields__[name]
    field = read_field(name, hints_of(cls).get(name), decl, names)
    if (
        indexed and not field.hidden
    ):  # an index of its own opens it to filter and sort, wherever it is declared
        field = dataclasses.replace(
            field, filter=decl.filter is not False, sort=decl.sort is not False and field.kind in SORTABLE
        )
    return dataclasses.replace(field, name=f"{module}.{name}", owner=cls)


def extend(base: ModelSpec, extensions: Sequence[ExtensionSpec]) -> ModelSpec:
    """The model with what its extensions bring, and its fields as they tune them."""
    tunings = list(_tunings(extensions))
    return dataclasses.replace(
        base,
        fields=tuple(tuned(f, [t for name, t in tunings if name == f.name]) for f in base.fields),
        actions=(*base.actions, *(action for extension in extensions for action in extension.actions)),
        extensions=tuple(extensions),
    )


def tuned(field: FieldSpec, tunings: Sequence[Tuning]) -> FieldSpec:
    """The field as extensions want it; of two limits the narrower counts."""
    if not tunings:
        return field
    changed: dict[str, Any] = {}
    for tuning in tunings:
        given = tuning.given()
        for limit, narrower in NARROWER.items():
            if limit in given:
                present = changed.get(limit, getattr(field, limit))
                changed[limit] = (
                    given[limit] if present is None else _narrower(narrower, present, given[limit])
                )
        changed |= {
            option: given[option]
            for option in ("label", "help", "hidden", "read_only", "pattern")
            if option in given
        }
        if "default" in given:
            changed |= {"default": given["default"], "default_factory": None, "clock_default": False}
        if given.get("required"):
            changed |= {
                "nullable": False,
                "default": MISSING,
                "default_factory": None,
                "clock_default": False,
            }
    if changed.get("hidden"):
        changed |= {"filter": False, "sort": False, "search": False}
    return dataclasses.replace(field, **changed, declared=field)


def _narrower(choose: Any, present: Any, given: Any) -> Any:
    try:
        return choose(present, given)
    except TypeError:  # a limit of another kind: the verifier `bounds` says so
        return given


def _tunings(extensions: Sequence[ExtensionSpec]) -> Iterator[tuple[str, Tuning]]:
    for extension in extensions:
        wanted = extension_meta_of(extension.cls).tune
        for name, tuning in wanted.items() if isinstance(wanted, Mapping) else ():
            if isinstance(tuning, Tuning):
                yield name, tuning
