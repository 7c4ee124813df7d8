"""The reference page: drawn from the declarations, in plain HTML and CSS that come with the package.

It needs no script and nothing from another host, so its content security policy allows neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import groupby
from typing import Any

import jinja2

from prefiq.contracts import errors as use_case_errors
from prefiq.errors import PrefiqError
from prefiq.lowcode import ActionSpec, Catalog, FieldSpec, ModelSpec
from prefiq.web import errors as web_errors
from prefiq.web.query import OPERATORS

__all__ = ["PAGE_POLICY", "reference_style", "render_reference"]

PAGE_POLICY = (
    b"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_EXAMPLES: dict[str, Any] = {
    "int": 1, "bool": True, "decimal": "10.00", "float": 0.5, "date": "2026-01-31",
    "datetime": "2026-01-31T09:00:00Z", "uuid": "01890000-0000-7000-8000-000000000000", "json": {},
}  # fmt: skip
_TYPES = {
    "str": "text",
    "text": "long text",
    "int": "whole number",
    "bool": "true or false",
    "datetime": "instant",
}


def reference_style() -> bytes:
    """The page's style sheet."""
    return _asset("reference.css").encode()


def render_reference(catalog: Catalog) -> bytes:
    """The page.

    Args:
        catalog: The models.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_asset("reference.html.j2"))
    specs = sorted((spec for spec in catalog if spec.remote), key=lambda spec: spec.module)
    modules = [
        {"name": module, "models": [_model(spec) for spec in group]}
        for module, group in groupby(specs, key=lambda spec: spec.module)
    ]
    return template.render(modules=modules, errors=list(_errors())).encode()


def _asset(name: str) -> str:
    return files("prefiq.web").joinpath("assets", name).read_text(encoding="utf-8")


def _model(spec: ModelSpec) -> dict[str, Any]:
    return {
        "title": spec.label_plural,
        "anchor": spec.qualified,
        "path": spec.path,
        "doc": spec.doc,
        "fields": list(_fields(spec)),
        "initial": spec.status.initial if spec.status else "",
        "states": list(_states(spec)),
        "requests": list(_requests(spec)),
    }


def _fields(spec: ModelSpec) -> Iterator[dict[str, Any]]:
    for field in spec.all_fields:
        if not field.hidden:
            yield {
                "name": field.name,
                "type": _type(field),
                "required": field.required and field.writable,
                "given": not field.writable,
                "limits": ", ".join(_limits(field)),
                "lists": ", ".join(_lists(field)),
                "help": field.help or (f"the id of a {field.ref.model}" if field.ref else field.label),
            }
    for child in spec.children:
        names = ", ".join(field.name for field in child.model.fields if not field.hidden)
        yield {
            "name": child.name, "type": f"list of rows: {names}", "required": False, "given": False, "limits": "",
            "lists": "", "help": child.label,
        }  # fmt: skip


def _type(field: FieldSpec) -> str:
    name = " | ".join(field.type) if field.kind == "enum" else _TYPES.get(field.kind, field.kind)
    return f"{name}, or null" if field.nullable else name


def _limits(field: FieldSpec) -> Iterator[str]:
    if field.max_length:
        yield f"at most {field.max_length} characters"
    if field.min_length:
        yield f"at least {field.min_length} characters"
    if field.pattern:
        yield f"matches {field.pattern}"
    if field.kind == "decimal":
        yield f"{field.precision} digits, {field.scale} behind the point"
    for sign, bound in ((">", field.gt), ("≥", field.ge), ("<", field.lt), ("≤", field.le)):
        if bound is not None:
            yield f"{sign} {bound}"
    if field.unique:
        yield "unique"


def _lists(field: FieldSpec) -> Iterator[str]:
    if field.filter:
        operators = [*OPERATORS.get(field.kind, ()), *(("isnull",) if field.nullable else ())]
        yield f"filter ({', '.join(operators)})"
    if field.sort:
        yield "sort"
    if field.search:
        yield "search (q)"


def _states(spec: ModelSpec) -> Iterator[dict[str, Any]]:
    for state in spec.status.states if spec.status else ():
        moves = [
            {"action": action.name, "to": action.to} for action in spec.actions if state in action.sources
        ]
        yield {"name": state, "moves": moves}


def _requests(spec: ModelSpec) -> Iterator[dict[str, str]]:
    item, one = f"{spec.path}/{{id}}", spec.label.lower()
    yield _request("GET", spec.path, f"list {spec.label_plural.lower()}", f"{spec.permission}.read")
    yield _request("GET", item, f"read one {one}", f"{spec.permission}.read")
    if spec.scope != "tenant":
        return
    writable = [field for field in spec.fields if field.writable]
    required = _example(field for field in writable if field.required)
    yield _request("POST", spec.path, f"create a {one}", f"{spec.permission}.create", required)
    changed = _example(writable[:1])
    yield _request("PATCH", item, f"change a {one}", f"{spec.permission}.update", changed)
    yield _request("DELETE", item, f"delete a {one}", f"{spec.permission}.delete")
    for action in spec.actions:
        yield _action_request(action, item)
    if spec.audit:
        yield _request("GET", f"{item}/history", "who did what to it", f"{spec.permission}.read")


def _action_request(action: ActionSpec, item: str) -> dict[str, str]:
    parameters = _example(action.parameters) if action.parameters else None
    found = _request("POST", f"{item}/{action.name}", action.doc, action.permission, parameters)
    if action.sources:
        found["note"] = f"Possible in {', '.join(action.sources)}" + (
            f"; leads to {action.to}." if action.to else "."
        )
    return found


def _request(
    method: str, path: str, summary: str, permission: str, body: dict[str, Any] | None = None
) -> dict[str, str]:
    parts = ["curl", *([] if method == "GET" else [f"-X {method}"]), '-H "Authorization: Bearer $TOKEN"']
    if body is not None:
        parts.append('-H "Content-Type: application/json"')
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        parts.append(f"-d '{text}'")
    curl = " \\\n  ".join([" ".join(parts[:2]), *parts[2:], '"$BASE' + path.replace("{id}", "$ID") + '"'])
    return {
        "method": method,
        "path": path,
        "summary": summary,
        "permission": permission,
        "curl": curl,
        "note": "",
    }


def _example(fields: Iterable[FieldSpec]) -> dict[str, Any]:
    return {
        field.name: next(iter(field.type)) if field.kind == "enum" else _EXAMPLES.get(field.kind, "…")
        for field in fields
    }


def _errors() -> Iterator[dict[str, Any]]:
    kinds = [getattr(room, name) for room in (use_case_errors, web_errors) for name in room.__all__]
    errors = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, PrefiqError))
    for error in sorted(errors, key=lambda kind: kind.code):
        if error.status != 500 or error is web_errors.ServerFault:
            text = " ".join((error.__doc__ or "").split("\n\n")[0].split())
            yield {"code": error.code, "status": error.status, "text": text.replace("``", "")}
