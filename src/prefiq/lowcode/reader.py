"""Reads a declared class into a ``ModelSpec``; never raises for a mistake, the verifiers report those."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from prefiq.lowcode.action import Action, actions_of
from prefiq.lowcode.annotations import own_annotations
from prefiq.lowcode.field import MISSING, NOW, FieldDecl, with_default
from prefiq.lowcode.model_meta import ModelMeta
from prefiq.lowcode.model_spec import (
    SORTABLE,
    ActionSpec,
    ChildSpec,
    FieldSpec,
    IndexSpec,
    Kind,
    ModelSpec,
    RefSpec,
    StatusSpec,
    ValidatorSpec,
    plural_of,
    snake,
    words,
)
from prefiq.lowcode.status import Status

__all__ = ["Names", "read_model"]

Names = dict[type, str]
"""Every listed class and its qualified name."""

DEFAULT_MAX_LENGTH = 255

_KINDS: dict[Any, Kind] = {
    str: "str",
    int: "int",
    bool: "bool",
    Decimal: "decimal",
    float: "float",
    date: "date",
    datetime: "datetime",
    UUID: "uuid",
    Any: "json",
    dict: "json",
    list: "json",
}


def hints_of(cls: type) -> dict[str, Any]:
    """Annotations of a declared class, resolved; one that cannot be resolved is left as its text."""
    cached: dict[str, Any] | None = cls.__dict__.get("__prefiq_hints__")
    if cached is not None:
        return cached
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("msgspec"):
            continue
        scope = _scope_of(base)
        for name, annotation in own_annotations(base).items():
            hints[name] = _resolve(annotation, scope)
    cls.__prefiq_hints__ = hints  # type: ignore[attr-defined]
    return hints


def _scope_of(cls: type) -> dict[str, Any]:
    # The module's names come first: a field called `date` must not hide the type of that name.
    inner = {name: value for name, value in vars(cls).items() if isinstance(value, type)}
    module = sys.modules.get(cls.__module__)
    return {**inner, **(vars(module) if module is not None else {})}


def _resolve(annotation: Any, scope: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, scope)  # noqa: S307  the module's own annotation, as typing.get_type_hints does
    except Exception:  # noqa: BLE001  the verifier `field_type` names the field and the text
        return annotation


def meta_of(cls: type) -> ModelMeta:
    """The options that a class declares or inherits; the verifier ``options`` reports what is none."""
    meta = getattr(cls, "meta", None)
    return meta if isinstance(meta, ModelMeta) else ModelMeta()


def read_model(cls: type, module: str, names: Names, parent: ModelSpec | None = None) -> ModelSpec:
    """The specification of a class as declared, mistakes included.

    A child's rows live in its parent's scope, and its history is the parent's.
    """
    meta = meta_of(cls)
    declared: dict[str, FieldDecl] = cls.__prefiq_fields__  # type: ignore[attr-defined]
    hints = hints_of(cls)
    fields = tuple(
        read_field(name, hints.get(name), decl, names)
        for name, decl in declared.items()
        if decl.child is None
    )
    status = next((f for f in fields if f.is_status), None)
    plural = meta.plural or plural_of(snake(cls.__name__)).replace("_", "-")
    title = meta.title or words(cls.__name__)
    spec = ModelSpec(
        module=module,
        name=cls.__name__,
        cls=cls,
        table=f"{module}_{snake(cls.__name__)}",
        plural=plural,
        label=title,
        label_plural=words(meta.plural.replace("-", "_")) if meta.plural else plural_of(title),
        label_field=meta.label,
        doc=first_paragraph(cls.__dict__.get("__doc__")),
        fields=fields,
        children=(),
        indexes=_indexes(fields, meta),
        actions=tuple(read_action(name, act, module, cls, names) for name, act in actions_of(cls).items()),
        validators=read_validators(cls),
        status=StatusSpec(status.name, str(status.default), tuple(status.type)) if status else None,
        order_by=(meta.order_by,) if isinstance(meta.order_by, str) else listed(meta.order_by, str),
        scope=meta.scope if parent is None else parent.scope,
        audit=meta.audit if parent is None else parent.audit,
        soft_delete=meta.soft_delete and parent is None,
        remote=meta.remote and parent is None,
        parent=parent.qualified if parent is not None else "",
    )
    children = tuple(
        ChildSpec(name, read_model(decl.child, module, names, spec), decl.label or words(name))
        for name, decl in declared.items()
        if isinstance(decl.child, type) and hasattr(decl.child, "__prefiq_fields__")
    )
    return dataclasses.replace(spec, children=children)


T = TypeVar("T")


def listed(value: Any, kind: type[T]) -> tuple[T, ...]:
    """The entries of an option that are of the right kind; the verifier ``options`` reports the others."""
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(entry for entry in value if isinstance(entry, kind))


def read_field(name: str, annotation: Any, decl: FieldDecl, names: Names) -> FieldSpec:
    """One field as declared."""
    inner, nullable = _strip(annotation)
    kind, python = _kind_of(inner, text=decl.text)
    reference = _read_ref(name, decl, names)
    indexed = decl.index or decl.unique or reference is not None
    is_status = kind == "enum" and issubclass(python, Status)
    clock = decl.default is NOW
    return FieldSpec(
        name=name,
        kind=kind,
        type=python,
        annotation=_text_of(annotation),
        nullable=nullable,
        default=MISSING if clock else decl.default,
        default_factory=decl.default_factory,
        clock_default=clock,
        is_status=is_status,
        min_length=decl.min_length,
        max_length=decl.max_length if decl.max_length is not None or kind != "str" else DEFAULT_MAX_LENGTH,
        pattern=decl.pattern,
        precision=decl.precision,
        scale=decl.scale,
        gt=decl.gt,
        ge=decl.ge,
        lt=decl.lt,
        le=decl.le,
        unique=decl.unique,
        index=decl.index or is_status,
        search=decl.search,
        filter=(decl.filter if decl.filter is not None else indexed or is_status) and not decl.hidden,
        sort=(decl.sort if decl.sort is not None else (indexed or is_status) and kind in SORTABLE)
        and not decl.hidden,
        read_only=decl.read_only,
        hidden=decl.hidden,
        label=decl.label or words(name),
        help=decl.help,
        validators=decl.validators,
        ref=reference,
    )


def _read_ref(name: str, decl: FieldDecl, names: Names) -> RefSpec | None:
    if decl.ref is None:
        return None
    if not isinstance(decl.ref, (str, type)):
        return RefSpec(str(decl.ref), "", decl.on_delete, name.removesuffix("_id"))
    model = decl.ref if isinstance(decl.ref, str) else names.get(decl.ref, "")
    return RefSpec(decl.ref, model, decl.on_delete, name.removesuffix("_id"))


def read_validators(cls: type) -> tuple[ValidatorSpec, ...]:
    """Methods marked ``@validator``, in order of declaration; one that a subclass overrides stays in its place."""
    found: dict[str, Callable[[Any], None]] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if getattr(value, "__prefiq_validator__", False) is True:
                found[name] = value
            else:
                found.pop(name, None)
    return tuple(ValidatorSpec(name, function) for name, function in found.items())


def read_action(name: str, act: Action[Any, Any], module: str, cls: type, names: Names) -> ActionSpec:
    parameters: list[FieldSpec] = []
    if act.function is not None:
        scope = {**_scope_of(act.owner), **getattr(inspect.unwrap(act.function), "__globals__", {})}
        for parameter in list(inspect.signature(act.function).parameters.values())[1:]:
            annotation = _resolve(parameter.annotation, scope)
            decl = FieldDecl()
            if typing.get_origin(annotation) is typing.Annotated:
                extras = annotation.__metadata__
                decl = next((extra for extra in extras if isinstance(extra, FieldDecl)), decl)
            if parameter.default is not inspect.Parameter.empty:
                decl = with_default(decl, parameter.default)
            # A state given as an argument is a value like any other.
            field = dataclasses.replace(
                read_field(parameter.name, annotation, decl, names),
                is_status=False,
                index=False,
                filter=False,
                sort=False,
            )
            parameters.append(field)
    return ActionSpec(
        name=name,
        permission=act.permission or f"{module}.{snake(cls.__name__)}.{name}",
        parameters=tuple(parameters),
        sources=tuple(str(source) for source in act.sources),
        to=str(act.to) if act.to is not None else None,
        doc=first_paragraph(act.__doc__) if act.function is not None else "",
        action=act,
    )


def _indexes(fields: tuple[FieldSpec, ...], meta: ModelMeta) -> tuple[IndexSpec, ...]:
    single = (
        IndexSpec(f.name, (f.name,), unique=f.unique)
        for f in fields
        if f.unique or f.index or f.ref is not None
    )
    return (*single, *listed(meta.indexes, IndexSpec))


def _strip(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``| None`` and ``Annotated``, and whether None was allowed."""
    inner, nullable = _strip_none(_strip_metadata(annotation))
    return _strip_metadata(inner), nullable


def _strip_metadata(annotation: Any) -> Any:
    return annotation.__origin__ if typing.get_origin(annotation) is typing.Annotated else annotation


def _strip_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        members = typing.get_args(annotation)
        rest = [member for member in members if member is not types.NoneType]
        if len(rest) == 1 and len(members) > 1:
            return rest[0], True
    return annotation, False


def _kind_of(annotation: Any, *, text: bool) -> tuple[Kind, Any]:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "enum", annotation
    origin = typing.get_origin(annotation) or annotation
    try:
        kind = _KINDS.get(origin, "unknown")
    except TypeError:  # an unhashable annotation
        kind = "unknown"
    if kind == "str" and text:
        return "text", str
    if kind == "json":
        return (
            ("json", object if annotation is Any else annotation)
            if _is_json(annotation)
            else ("unknown", object)
        )
    return kind, origin


def _is_json(annotation: Any) -> bool:
    """Whether JSON holds every value of the annotation: a list of dates can be written, never stored."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return arguments[0] is str and _is_json(arguments[1])
    if origin is list or origin in {typing.Union, types.UnionType}:
        return all(map(_is_json, arguments))
    return annotation in {Any, dict, list, str, int, float, bool, types.NoneType}


def _text_of(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if annotation is None or annotation is inspect.Parameter.empty:
        return "no annotation"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def first_paragraph(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc).split("\n\n")[0].split()) if doc else ""
