"""What an application or one of its modules shows to others, as data, and what differs between two of them.

Fields, tables, routes, permissions, contracts with their members, hooks, subscribers, seeds and bindings, each
by name.  ``apps plan`` compares an application with and without a module, ``module check`` a module with its
released wheel.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from prefiq.container.generics import label, origin
from prefiq.lowcode import ActionSpec, FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import ExtensionSpec

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["KINDS", "Difference", "Surface", "differences", "lines", "surface_of"]

Facts: TypeAlias = Mapping[str, Any]
Surface: TypeAlias = Mapping[str, Mapping[str, Facts]]
"""Kind → name → what is said of it; only texts, numbers, booleans, None, and lists and objects of these."""

KINDS = (
    "models",
    "fields",
    "actions",
    "tables",
    "columns",
    "indexes",
    "routes",
    "permissions",
    "contracts",
    "members",
    "bindings",
    "hooks",
    "subscribers",
    "seeds",
)
_LIMITS = ("min_length", "max_length", "pattern", "precision", "scale", "gt", "ge", "lt", "le")
_FLAGS = ("nullable", "unique", "index", "search", "filter", "sort", "read_only", "hidden", "label", "help")
_VERBS = ("read", "create", "update", "delete")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two surfaces do not have in common.

    Args:
        kind: One of ``KINDS``.
        name: Of the thing.
        deed: What happened to it.
        before: What was said of it; of a changed thing only what differs.
        after: What is said of it now; likewise.
    """

    kind: str
    name: str
    deed: Literal["added", "removed", "changed"]
    before: Facts
    after: Facts


def surface_of(app: Application, module: str = "") -> Surface:
    """What an application shows, or one module of it.

    Args:
        app: A prepared application.
        module: Name of a module; all where empty.
    """
    found: dict[str, dict[str, Facts]] = {kind: {} for kind in KINDS}
    for spec in app.catalog:
        if module in {"", spec.module}:
            _model(found, spec, tuned=not module)
        for extension in spec.extensions:
            if module in {"", extension.module}:
                _extension(found, spec, extension)
    _tables(found, app, module)
    _routes(found, app, module)
    _bindings(found, app, module)
    for hook in app.host.hooks():
        if module in {"", hook.module.name}:
            facts = {"event": hook.mark.event, "model": hook.mark.model.__name__, "place": hook.mark.place}
            found["hooks"][f"{hook.name} {hook.mark.event} {hook.mark.model.__name__}"] = facts
    for listed in app.host.modules:
        if module not in {"", listed.name}:
            continue
        for function in listed.provider.subscribers:
            _subscriber(found, listed.name, function)
        for seed in listed.provider.seeds:
            name = f"{listed.name}.{getattr(seed, 'name', seed)}"
            found["seeds"][name] = {"version": getattr(seed, "version", 0)}
    return found


def differences(before: Surface, after: Surface) -> Iterator[Difference]:
    """What was added, removed and changed, kind by kind and by name."""
    for kind in KINDS:
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in sorted({*old, *new}):
            if name not in new:
                yield Difference(kind, name, "removed", old[name], {})
            elif name not in old:
                yield Difference(kind, name, "added", {}, new[name])
            elif old[name] != new[name]:
                keys = [k for k in sorted({*old[name], *new[name]}) if old[name].get(k) != new[name].get(k)]
                yield Difference(
                    kind,
                    name,
                    "changed",
                    {key: old[name].get(key) for key in keys},
                    {key: new[name].get(key) for key in keys},
                )


def _model(found: dict[str, dict[str, Facts]], spec: ModelSpec, *, tuned: bool) -> None:
    found["models"][spec.qualified] = {
        "label": spec.label,
        "plural": spec.plural,
        "scope": spec.scope,
        "audit": spec.audit,
        "soft_delete": spec.soft_delete,
        "remote": spec.remote,
        "order_by": list(spec.order_by),
        "states": list(spec.status.states) if spec.status else [],
    }
    for field in spec.fields:
        # What another module tunes is not this one's doing.
        own = field if tuned or field.declared is None else field.declared
        found["fields"][f"{spec.qualified}.{field.name}"] = _field(own)
    for child in spec.children:
        for field in child.model.fields:
            found["fields"][f"{spec.qualified}.{child.name}.{field.name}"] = _field(field)
    added = {action.name for extension in spec.extensions for action in extension.actions}
    _actions(found, spec, [action for action in spec.actions if action.name not in added])
    for verb in _VERBS:
        found["permissions"][f"{spec.permission}.{verb}"] = {}
    if spec.remote:
        for route, verb in _generated(spec):
            found["routes"][route] = {"permission": f"{spec.permission}.{verb}"}


def _extension(found: dict[str, dict[str, Facts]], spec: ModelSpec, extension: ExtensionSpec) -> None:
    """What a module adds to another one's model."""
    for field in extension.fields:
        found["fields"][f"{spec.qualified}.{field.name}"] = _field(field)
    _actions(found, spec, extension.actions)


def _actions(found: dict[str, dict[str, Facts]], spec: ModelSpec, actions: Iterable[ActionSpec]) -> None:
    for action in actions:
        found["actions"][f"{spec.qualified}.{action.name}"] = {
            "permission": action.permission,
            "from": list(action.sources),
            "to": action.to,
        }
        for parameter in action.parameters:
            found["fields"][f"{spec.qualified}.{action.name}({parameter.name})"] = _field(parameter)
        found["permissions"][action.permission] = {}
        if spec.remote and spec.scope == "tenant":
            found["routes"][f"POST {spec.path}/{{id}}/{action.name}"] = {"permission": action.permission}


def _generated(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    one = f"{spec.path}/{{id}}"
    yield f"GET {spec.path}", "read"
    yield f"GET {one}", "read"
    if spec.scope != "tenant":  # shared rows are written by the system alone
        return
    yield f"POST {spec.path}", "create"
    yield f"PATCH {one}", "update"
    yield f"DELETE {one}", "delete"
    if spec.audit:
        yield f"GET {one}/history", "read"


def _field(field: FieldSpec) -> Facts:
    facts: dict[str, Any] = {"kind": field.kind, "required": field.required}
    facts |= {name: getattr(field, name) for name in _FLAGS}
    for name in _LIMITS:
        limit = getattr(field, name)
        facts[name] = limit if isinstance(limit, int | str | None) else str(limit)
    facts["default"] = None if field.default is MISSING else _plain(field.default)
    facts["choices"] = [str(member.value) for member in field.type] if field.kind == "enum" else []
    facts["ref"] = field.ref.model or str(field.ref.target) if field.ref is not None else ""
    facts["on_delete"] = field.ref.on_delete if field.ref is not None else ""
    facts["validators"] = [check.__name__ for check in field.validators]
    return facts


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | str | None) else str(value)


def _tables(found: dict[str, dict[str, Facts]], app: Application, module: str) -> None:
    from prefiq.sql import Tables

    tables = Tables(app.catalog)
    for table in tables:
        spec = tables.spec_of(table.name)
        added = {
            field.column: extension.module
            for extension in (spec.extensions if spec is not None else ())
            for field in extension.fields
        }
        owner = spec.module if spec is not None else ""
        if module in {"", owner}:
            found["tables"][table.name] = {"scope": tables.scope_of(table.name)}
        for column in table.columns:
            if module not in {"", added.get(column.name, owner)}:
                continue
            found["columns"][f"{table.name}.{column.name}"] = {
                "type": str(column.type),
                "nullable": bool(column.nullable),
            }
        for index in table.indexes:
            owners = {added[column.name] for column in index.columns if column.name in added} or {owner}
            if module not in {"", *owners}:
                continue
            found["indexes"][str(index.name)] = {
                "columns": [column.name for column in index.columns],
                "unique": bool(index.unique),
            }


def _routes(found: dict[str, dict[str, Facts]], app: Application, module: str) -> None:
    for owner, route in app.host.routes([]):
        if module not in {"", owner.name}:
            continue
        path = f"/api/{owner.name}{getattr(route, 'path', '')}"
        methods = sorted(set(getattr(route, "methods", None) or ()) - {"HEAD", "OPTIONS"}) or ["*"]
        for method in methods:
            found["routes"][f"{method} {path}"] = {"permission": getattr(route, "permission", "")}
        if permission := getattr(route, "permission", ""):
            found["permissions"].setdefault(permission, {})


def _bindings(found: dict[str, dict[str, Facts]], app: Application, module: str) -> None:
    graph = app.container.graph
    for node in graph.nodes:
        binding = node.binding
        if module not in {"", binding.module}:
            continue
        role = "" if binding.role in {"owner", "default"} else f" {binding.role}: {node.implementation}"
        found["bindings"][f"{binding.module}.{node.name}{role}"] = {
            "implementation": node.implementation,
            "lifetime": node.lifetime,
            "private": binding.private,
        }
        if binding.private or binding.role in {"collected", "decorator"}:
            continue
        for contract in node.contracts:
            found["contracts"][label(contract)] = {"lifetime": node.lifetime}
            for name, facts in _members(contract):
                found["members"][f"{label(contract)}.{name}"] = facts


def _members(contract: Any) -> Iterator[tuple[str, Facts]]:
    """The public methods and attributes that a contract of a module itself declares."""
    cls = origin(contract)
    if not isinstance(cls, type):
        return
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] in {"prefiq", "builtins", "typing", "typing_extensions", "abc"}:
            continue  # those change with Prefiq, not with the module
        for name, member in vars(base).items():
            if name.startswith("_"):
                continue
            plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            if inspect.isfunction(plain):
                yield name, _signature(plain)
            elif isinstance(member, property):
                yield name, {"parameters": None, "returns": _annotation(member.fget)}
        for name, annotation in inspect.get_annotations(base).items():
            if not name.startswith("_"):
                yield name, {"parameters": None, "returns": str(annotation)}


def _signature(function: Callable[..., Any]) -> Facts:
    parameters = list(inspect.signature(function).parameters.values())
    return {
        "parameters": [
            {
                "name": parameter.name,
                "kind": parameter.kind.name.lower(),
                "required": parameter.default is parameter.empty
                and parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL},
                "type": _written(parameter.annotation),
            }
            for parameter in parameters
            if parameter.name not in {"self", "cls"}
        ],
        "returns": _written(inspect.signature(function).return_annotation),
    }


def _annotation(function: Callable[..., Any] | None) -> str:
    return _written(inspect.signature(function).return_annotation) if function is not None else ""


def _written(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _subscriber(found: dict[str, dict[str, Facts]], module: str, function: Any) -> None:
    from prefiq.foundation.events import subscriptions_of

    for wanted in subscriptions_of(function):
        model = wanted.model.__name__ if wanted.model is not None else ""
        words = [f"{module}.{function.__name__}", wanted.event.__name__, model, wanted.action]
        facts = {"event": wanted.event.__name__, "model": model, "action": wanted.action}
        found["subscribers"][" ".join(word for word in words if word)] = {
            **facts,
            "after_commit": wanted.after_commit,
        }


def lines(changes: Iterable[Difference]) -> Iterator[str]:
    """The differences for people, one line each, a heading for each kind."""
    kind = ""
    for change in changes:
        if change.kind != kind:
            kind = change.kind
            yield f"{kind}:"
        mark = {"added": "+", "removed": "-", "changed": "~"}[change.deed]
        yield f"  {mark} {change.name}{_told(change)}"


def _told(change: Difference) -> str:
    if change.deed == "changed":
        told = [f"{key}: {_short(change.before[key])} → {_short(change.after[key])}" for key in change.before]
        return f" ({'; '.join(told)})"
    facts = change.after or change.before
    told = [
        f"{key} {_short(value)}"
        for key, value in facts.items()
        if key in {"implementation", "type", "permission", "event", "unique"} and value
    ]
    return f" ({', '.join(told)})" if told and change.kind not in {"fields", "hooks", "subscribers"} else ""


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
