"""Reads a declared class into a ``ModelSpec``; never raises for a mistake, the verifiers report those."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from prefiq.lowcode.action import Action, actions_of
from prefiq.lowcode.field import MISSING, NOW, FieldDecl
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
        scope = dict(vars(sys.modules[base.__module__])) if base.__module__ in sys.modules else {}
        for name, annotation in vars(base).get("__annotations__", {}).items():
            hints[name] = _resolve(annotation, scope)
    cls.__prefiq_hints__ = hints  # type: ignore[attr-defined]
    return hints


def _resolve(annotation: Any, scope: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, scope)  # noqa: S307  the module's own annotation, as typing.get_type_hints does
    except Exception:  # noqa: BLE001  the verifier `field_type` names the field and the text
        return annotation


def read_model(cls: type, module: str, names: Names, parent: str = "") -> ModelSpec:
    """The specification of a class as declared, mistakes included."""
    meta: ModelMeta = getattr(cls, "meta", None) or ModelMeta()
    declared: dict[str, FieldDecl] = cls.__prefiq_fields__  # type: ignore[attr-defined]
    hints = hints_of(cls)
    qualified = f"{module}.{cls.__name__}"
    fields = tuple(
        read_field(name, hints.get(name), decl, names)
        for name, decl in declared.items()
        if decl.child is None
    )
    status = next((f for f in fields if f.is_status), None)
    plural = meta.plural or plural_of(snake(cls.__name__)).replace("_", "-")
    title = meta.title or words(cls.__name__)
    return ModelSpec(
        module=module,
        name=cls.__name__,
        cls=cls,
        table=f"{module}_{snake(cls.__name__)}",
        plural=plural,
        label=title,
        label_plural=plural_of(title),
        label_field=meta.label,
        doc=_first_paragraph(cls.__dict__.get("__doc__")),
        fields=fields,
        children=tuple(
            ChildSpec(name, read_model(decl.child, module, names, qualified), decl.label or words(name))
            for name, decl in declared.items()
            if isinstance(decl.child, type) and hasattr(decl.child, "__prefiq_fields__")
        ),
        indexes=_indexes(fields, meta),
        actions=tuple(_read_action(act, module, cls, names) for act in actions_of(cls).values()),
        validators=tuple(
            ValidatorSpec(name, value)
            for name, value in inspect.getmembers(cls, inspect.isfunction)
            if getattr(value, "__prefiq_validator__", False)
        ),
        status=StatusSpec(status.name, str(status.default), tuple(status.type)) if status else None,
        order_by=(meta.order_by,) if isinstance(meta.order_by, str) else tuple(meta.order_by),
        scope=meta.scope,
        audit=meta.audit,
        soft_delete=meta.soft_delete,
        remote=meta.remote and not parent,
        parent=parent,
    )


def read_field(name: str, annotation: Any, decl: FieldDecl, names: Names) -> FieldSpec:
    """One field as declared."""
    inner, nullable = _strip_none(annotation)
    kind, python = _kind_of(inner, text=decl.text)
    reference = _read_ref(name, decl, names)
    indexed = decl.index or decl.unique or reference is not None
    is_status = kind == "enum" and issubclass(python, Status)
    clock = decl.default is NOW
    return FieldSpec(
        name=name,
        kind=kind,
        type=python,
        annotation=annotation if isinstance(annotation, str) else _text_of(annotation),
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
    model = decl.ref if isinstance(decl.ref, str) else names.get(decl.ref, "")
    return RefSpec(decl.ref, model, decl.on_delete, name.removesuffix("_id"))


def _read_action(act: Action[Any, Any], module: str, cls: type, names: Names) -> ActionSpec:
    parameters: list[FieldSpec] = []
    if act.function is not None:
        scope = getattr(act.function, "__globals__", {})
        for parameter in list(inspect.signature(act.function).parameters.values())[1:]:
            annotation = _resolve(parameter.annotation, scope)
            decl = FieldDecl()
            if typing.get_origin(annotation) is typing.Annotated:
                annotation, *extras = typing.get_args(annotation)
                decl = next((extra for extra in extras if isinstance(extra, FieldDecl)), decl)
            if parameter.default is not inspect.Parameter.empty:
                from prefiq.lowcode.field import with_default

                decl = with_default(decl, parameter.default)
            parameters.append(read_field(parameter.name, annotation, decl, names))
    return ActionSpec(
        name=act.name,
        permission=act.permission or f"{module}.{snake(cls.__name__)}.{act.name}",
        parameters=tuple(parameters),
        sources=tuple(str(source) for source in act.sources),
        to=str(act.to) if act.to is not None else None,
        doc=_first_paragraph(act.__doc__) if act.function is not None else "",
        action=act,
    )


def _indexes(fields: tuple[FieldSpec, ...], meta: ModelMeta) -> tuple[IndexSpec, ...]:
    single = (
        IndexSpec(f.name, (f.name,), unique=f.unique)
        for f in fields
        if f.unique or f.index or f.ref is not None
    )
    return (*single, *meta.indexes)


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
    return kind, origin if kind != "json" else object


def _text_of(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _first_paragraph(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc).split("\n\n")[0].split()) if doc else ""
