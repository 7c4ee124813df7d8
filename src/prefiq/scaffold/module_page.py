"""A module's reference page in Markdown, from its declarations alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prefiq.lowcode import Catalog, FieldSpec, ModelSpec, StatusSpec
from prefiq.lowcode.field import MISSING

__all__ = ["HookLine", "Operation", "module_page"]


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One request of the API.

    Args:
        method: In capitals.
        path: The path.
        says: What it does.
    """

    method: str
    path: str
    says: str


@dataclasses.dataclass(frozen=True, slots=True)
class HookLine:
    """One hook of the module.

    Args:
        name: ``<module>.<function>``.
        event: ``before_create`` and the like.
        model: Name of the model's class.
        says: First line of its docstring.
    """

    name: str
    event: str
    model: str
    says: str


def module_page(
    module: str,
    doc: str,
    catalog: Catalog,
    *,
    operations: Sequence[Operation] = (),
    hooks: Sequence[HookLine] = (),
    settings: type[Any] | None = None,
) -> str:
    """The page; the same declarations give the same text.

    Args:
        module: The module's name.
        doc: What its provider says about it.
        catalog: All models of the application.
        operations: Those of the module.
        hooks: Those of the module.
        settings: The dataclass of its settings.
    """
    own = [spec for spec in catalog if spec.module == module]
    extended = [spec for spec in catalog if any(one.module == module for one in spec.extensions)]
    parts = [f"# {module}\n", f"{_plain(doc)}\n" if doc else ""]
    parts += _relations(own)
    for spec in own:
        parts += _model(spec, f"## {spec.name}")
        for child in spec.children:
            if all(child.model is not other for other in own):
                parts += _model(child.model, f"### {child.model.name}")
    for spec in extended:
        parts += _extension(spec, module)
    if operations:
        parts.append("## API\n")
        parts.append(_table(("request", "does"), ((f"`{o.method} {o.path}`", o.says) for o in operations)))
    if hooks:
        parts.append("## Hooks\n")
        rows = ((f"`{h.name}`", f"`{h.event}`", h.model, h.says) for h in hooks)
        parts.append(_table(("hook", "called", "model", "does"), rows))
    if settings is not None:
        parts.append("## Settings\n")
        parts.append(f"They stand in `prefiq.toml` under `[settings.{module}]`.\n")
        parts.append(_table(("setting", "type", "default"), _settings(settings)))
    return "\n".join(part for part in parts if part).rstrip("\n") + "\n"


def _model(spec: ModelSpec, heading: str) -> Iterator[str]:
    yield f"{heading}\n"
    yield f"{_plain(spec.doc)}\n" if spec.doc else ""
    yield _fields(spec.fields)
    if spec.children:
        rows = ((f"`{child.name}`", child.model.name, child.label) for child in spec.children)
        yield _table(("rows of its own", "model", "label"), rows)
    if unique := [index for index in spec.indexes if index.unique and len(index.fields) > 1]:
        yield "".join(f"- Unique together: {_code(index.fields)}\n" for index in unique)
    if spec.validators:
        yield _table(
            ("check", "says"), ((f"`{v.name}`", _first(v.function.__doc__)) for v in spec.validators)
        )
    if not spec.parent:
        verbs = ("create", "read", "update", "delete") if spec.scope == "tenant" else ("read",)
        yield f"Permissions: {_code(f'{spec.permission}.{verb}' for verb in verbs)}.\n"
    others = {action.name for extension in spec.extensions for action in extension.actions}
    yield _actions(spec, [action for action in spec.actions if action.name not in others])
    if spec.status is not None:
        yield _machine(spec, spec.status)


def _extension(spec: ModelSpec, module: str) -> Iterator[str]:
    for extension in spec.extensions:
        if extension.module == module:
            yield f"## {extension.name}\n"
            yield f"Extends `{spec.qualified}`. {_plain(extension.doc)}\n"
            yield _fields(extension.fields)
            if extension.actions:
                yield _actions(spec, extension.actions)


def _fields(fields: Iterable[FieldSpec]) -> str:
    rows = (
        (
            f"`{one.name}`",
            _type(one),
            _limits(one),
            "yes" if one.required else "",
            "yes" if one.unique else "",
            _default(one),
            one.help or ("" if one.label.lower() == one.attribute.replace("_", " ") else one.label),
        )
        for one in fields
    )
    return _table(("field", "type", "limits", "required", "unique", "default", "says"), rows)


def _type(one: FieldSpec) -> str:
    shown: str = one.kind
    if one.ref is not None:
        target = one.ref.model or (one.ref.target if isinstance(one.ref.target, str) else "")
        shown = f"reference to `{target}`, {one.ref.on_delete} on delete"
    elif one.kind == "enum":
        shown = ", ".join(f"`{member.value}`" for member in one.type)
    return f"{shown}, may be empty" if one.nullable else shown


def _limits(one: FieldSpec) -> str:
    found = []
    if one.kind == "decimal":
        found.append(f"{one.precision} digits, {one.scale} behind the point")
    if one.min_length is not None:
        found.append(f"at least {one.min_length} characters")
    if one.max_length is not None and one.kind == "str":
        found.append(f"at most {one.max_length} characters")
    if one.pattern:
        found.append(f"`{one.pattern}`")
    signs = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
    found += [f"{sign} {getattr(one, name)}" for name, sign in signs if getattr(one, name) is not None]
    found += [word for word, is_so in (("read only", one.read_only), ("hidden", one.hidden)) if is_so]
    return ", ".join(found)


def _default(one: FieldSpec) -> str:
    if one.clock_default:
        return "the time"
    if one.default_factory is not None:
        return f"made by `{getattr(one.default_factory, '__name__', 'a function')}`"
    if one.default is MISSING:
        return ""
    if one.default is None:
        return "empty"
    if one.default == "":
        return '`""`'
    return f"`{getattr(one.default, 'value', one.default)}`"


def _actions(spec: ModelSpec, actions: Iterable[Any]) -> str:
    rows = (
        (
            f"`{action.name}`",
            f"{', '.join(action.sources)} → {action.to}" if action.to else "",
            _code([parameter.name for parameter in action.parameters]),
            f"`{action.permission}`",
            f"`POST {spec.path}/{{id}}/{action.name}`" if spec.remote else "",
            action.doc,
        )
        for action in actions
    )
    return _table(("action", "leads", "takes", "permission", "request", "says"), rows)


def _machine(spec: ModelSpec, status: StatusSpec) -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_id(status.initial)}"]
    lines += [f'    state "{state}" as {_id(state)}' for state in status.states if state != _id(state)]
    lines += [
        f"    {_id(source)} --> {_id(action.to)}: {action.name}"
        for action in spec.actions
        if action.to
        for source in action.sources
    ]
    return "\n".join([*lines, "```\n"])


def _relations(own: Sequence[ModelSpec]) -> Iterator[str]:
    lines = []
    for spec in own:
        for one in spec.fields:
            if one.ref is not None and one.ref.model:
                far = "|o" if one.nullable else "||"
                lines.append(f"    {_id(one.ref.model)} {far}--o{{ {_id(spec.qualified)} : {one.ref.name}")
        lines += [
            f"    {_id(spec.qualified)} ||--o{{ {_id(child.model.qualified)} : {child.name}"
            for child in spec.children
        ]
    if lines:
        yield "\n".join(["```mermaid", "erDiagram", *lines, "```\n"])


def _settings(kind: type[Any]) -> Iterator[tuple[str, str, str]]:
    for one in dataclasses.fields(kind):
        shown = one.type if isinstance(one.type, str) else getattr(one.type, "__name__", str(one.type))
        default = "" if one.default is dataclasses.MISSING else f"`{one.default!r}`"
        # What may be a secret is never repeated, a default neither.
        yield f"`{one.name}`", f"`{shown}`", "" if "Secret" in shown else default


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    kept = [[_cell(cell) for cell in row] for row in rows]
    if not kept:
        return ""
    wanted = [n for n in range(len(headings)) if n == 0 or any(row[n] for row in kept)]
    lines = [
        [headings[n] for n in wanted],
        ["---"] * len(wanted),
        *([row[n] for n in wanted] for row in kept),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _first(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)
