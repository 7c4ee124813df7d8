"""The OpenAPI 3.1 document, written from the declarations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from prefiq.lowcode import ActionSpec, Catalog, ModelSpec
from prefiq.web.openapi_parts import (
    ALWAYS,
    ERRORS,
    ETAG,
    WITH_BODY,
    common_parameters,
    common_schemas,
    filter_parameters,
    json_body,
    json_response,
    page_parameters,
    problem_response,
    ref,
    ref_parameter,
    ref_response,
    shape_parameters,
)
from prefiq.web.query import inclusions
from prefiq.web.routes import ApiRoute
from prefiq.web.schemas import Schema, field_schema, read_schema, write_schema

__all__ = ["Names", "build_openapi"]


class Names:
    """Names of models in schemas and operations: short where they are unique, else with their module.

    Args:
        specs: The models that have an API.
    """

    def __init__(self, specs: Iterable[ModelSpec]) -> None:
        specs = tuple(specs)
        self._names = Counter(spec.name for spec in specs)
        self._plurals = Counter(spec.plural for spec in specs)

    def schema(self, spec: ModelSpec) -> str:
        """``Project``, or ``ProjectsProject``."""
        return spec.name if self._names[spec.name] <= 1 else spec.module.title().replace("_", "") + spec.name

    def many(self, spec: ModelSpec) -> str:
        """``projects``, or ``projects_projects``."""
        plural = spec.plural.replace("-", "_")
        return plural if self._plurals[spec.plural] <= 1 else f"{spec.module}_{plural}"

    def one(self, spec: ModelSpec) -> str:
        """``project``, or ``projects_project``."""
        stem = spec.permission.partition(".")[2]
        unique = self._names[spec.name] <= 1 and self._plurals[spec.plural] <= 1
        return stem if unique else f"{spec.module}_{stem}"


def build_openapi(catalog: Catalog, routes: Iterable[tuple[str, Any]] = (), *, body_limit: int = 0) -> Schema:
    """The document.

    Args:
        catalog: The models.
        routes: Module and route, for those that are written by hand.
        body_limit: Bytes of the largest body, for the description.
    """
    specs = [spec for spec in catalog if spec.remote]
    names = Names(specs)
    paths: Schema = {}
    schemas: Schema = dict(common_schemas())
    for spec in specs:
        name = names.schema(spec)
        schemas |= _model_schemas(spec, name, catalog, names)
        paths |= _model_paths(spec, name, names, catalog)
    for module, route in routes:
        if isinstance(route, ApiRoute) and route.operation is not None:
            path = paths.setdefault(f"/api/{module}{route.path}", {})
            path |= {method.lower(): _with_errors(dict(route.operation)) for method in route.methods}
    paths |= _own_paths()
    limit = f" Bodies have at most {body_limit} bytes." if body_limit else ""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Prefiq",
            "version": "1",
            "description": "Every answer is for the tenant of the token." + limit,
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": names.schema(spec), "description": spec.doc or spec.label_plural} for spec in specs
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas,
            "responses": {f"Problem{status}": problem_response(text) for status, text in ERRORS.items()},
            "parameters": common_parameters(),
        },
    }


# ---- schemas


def _model_schemas(spec: ModelSpec, name: str, catalog: Catalog, names: Names) -> Schema:
    read = read_schema(spec)
    for included in inclusions(spec, catalog).values():
        target = {"anyOf": [ref(names.schema(included.target)), {"type": "null"}]}
        module, _, member = included.name.rpartition(".")
        properties = read["properties"][module]["properties"] if module else read["properties"]
        if member in properties:
            target["anyOf"].append(properties[member])
        properties[member] = target
    page: Schema = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": ref(name)},
            "next": {"type": ["string", "null"], "description": "Cursor of the next page."},
            "total": {"type": "integer", "description": "How many match in all; with count=exact."},
        },
        "required": ["items", "next"],
    }
    found: Schema = {name: read, f"{name}Page": page}
    if spec.scope == "tenant":
        found[f"{name}Create"] = write_schema(spec)
        found[f"{name}Patch"] = write_schema(spec, partial=True)
        for action in spec.actions:
            if action.parameters:
                found[f"{name}{action.name.title().replace('_', '')}"] = _parameters_schema(action)
    return found


def _parameters_schema(action: ActionSpec) -> Schema:
    return {
        "type": "object",
        "properties": {
            parameter.name: field_schema(parameter, write=True) for parameter in action.parameters
        },
        "required": [parameter.name for parameter in action.parameters if parameter.required],
        "additionalProperties": False,
    }


# ---- paths


def _model_paths(spec: ModelSpec, name: str, names: Names, catalog: Catalog) -> Schema:
    writes = spec.scope == "tenant"
    item_path = f"{spec.path}/{{id}}"
    collection: Schema = {"get": _list(spec, name, names, catalog)}
    item: Schema = {"parameters": [ref_parameter("id")], "get": _get(spec, name, names, catalog)}
    paths: Schema = {spec.path: collection, item_path: item}
    if writes:
        collection["post"] = _create(spec, name, names)
        item["patch"] = _patch(spec, name, names)
        item["delete"] = _delete(spec, name, names)
        for action in spec.actions:
            paths[f"{item_path}/{action.name}"] = {
                "parameters": [ref_parameter("id")],
                "post": _action(spec, action, name, names),
            }
        if spec.audit:
            paths[f"{item_path}/history"] = {
                "parameters": [ref_parameter("id")],
                "get": _history(spec, name, names),
            }
    return paths


def _operation(spec: ModelSpec, name: str, id_: str, summary: str, permission: str, **more: Any) -> Schema:
    del spec
    return _with_errors(
        {"operationId": id_, "summary": summary, "tags": [name], "x-permission": permission, **more}
    )


def _with_errors(operation: Schema) -> Schema:
    method_has_body = "requestBody" in operation
    wanted = [*ALWAYS, *(WITH_BODY if method_has_body else ()), *operation.pop("x-more-errors", ())]
    errors = {status: {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(wanted)}
    operation["responses"] = {**operation.get("responses", {}), **errors}
    operation.setdefault("parameters", []).append(ref_parameter("tenant"))
    return operation


def _list(spec: ModelSpec, name: str, names: Names, catalog: Catalog) -> Schema:
    link = {"description": 'Where the next page is (RFC 8288, rel="next").', "schema": {"type": "string"}}
    return _operation(
        spec,
        name,
        f"list_{names.many(spec)}",
        f"List {spec.label_plural.lower()}",
        f"{spec.permission}.read",
        parameters=[*page_parameters(spec), *shape_parameters(spec, catalog), *filter_parameters(spec)],
        responses={"200": json_response(f"{name}Page", "A page.", {"Link": link})},
    )


def _get(spec: ModelSpec, name: str, names: Names, catalog: Catalog) -> Schema:
    return _operation(
        spec,
        name,
        f"get_{names.one(spec)}",
        f"Read one {spec.label.lower()}",
        f"{spec.permission}.read",
        parameters=[ref_parameter("if_none_match"), *shape_parameters(spec, catalog)],
        responses={
            "200": json_response(name, "The row.", {"ETag": ETAG}),
            "304": {"description": "The caller's copy is the present one.", "headers": {"ETag": ETAG}},
        },
    )


def _create(spec: ModelSpec, name: str, names: Names) -> Schema:
    location = {
        "description": "Path of the new row.",
        "schema": {"type": "string", "format": "uri-reference"},
    }
    return _operation(
        spec,
        name,
        f"create_{names.one(spec)}",
        f"Create a {spec.label.lower()}",
        f"{spec.permission}.create",
        requestBody=json_body(ref(f"{name}Create"), "application/json"),
        responses={"201": json_response(name, "Created.", {"ETag": ETAG, "Location": location})},
        **{"x-more-errors": ["409"]},
    )


def _patch(spec: ModelSpec, name: str, names: Names) -> Schema:
    return _operation(
        spec,
        name,
        f"update_{names.one(spec)}",
        f"Change a {spec.label.lower()} (RFC 7396: null empties, what is absent stays)",
        f"{spec.permission}.update",
        parameters=[ref_parameter("if_match")],
        requestBody=json_body(ref(f"{name}Patch"), "application/merge-patch+json", "application/json"),
        responses={"200": json_response(name, "As it was written.", {"ETag": ETAG})},
        **{"x-more-errors": ["409", "412"]},
    )


def _delete(spec: ModelSpec, name: str, names: Names) -> Schema:
    return _operation(
        spec,
        name,
        f"delete_{names.one(spec)}",
        f"Delete a {spec.label.lower()}",
        f"{spec.permission}.delete",
        parameters=[ref_parameter("if_match")],
        responses={"204": {"description": "Deleted."}},
        **{"x-more-errors": ["409", "412"]},
    )


def _action(spec: ModelSpec, action: ActionSpec, name: str, names: Names) -> Schema:
    more: Schema = {}
    if action.parameters:
        schema = ref(f"{name}{action.name.title().replace('_', '')}")
        body = json_body(schema, "application/json")
        body["required"] = any(parameter.required for parameter in action.parameters)
        more["requestBody"] = body
    else:
        empty = {"type": "object", "additionalProperties": False, "maxProperties": 0}
        more["requestBody"] = {**json_body(empty, "application/json"), "required": False}
    moves = f"Possible in: {', '.join(action.sources)}." if action.sources else ""
    leads = f" Leads to: {action.to}." if action.to else ""
    return _operation(
        spec,
        name,
        f"{names.one(spec)}_{action.name}",
        action.doc or f"{action.name.replace('_', ' ').capitalize()} a {spec.label.lower()}",
        action.permission,
        description=(moves + leads).strip() or "Possible in every state.",
        parameters=[ref_parameter("if_match")],
        responses={"200": json_response(name, "As it was written.", {"ETag": ETAG})},
        **more,
        **{"x-more-errors": ["409", "412"]},
    )


def _history(spec: ModelSpec, name: str, names: Names) -> Schema:
    return _operation(
        spec,
        name,
        f"{names.one(spec)}_history",
        f"Who did what to a {spec.label.lower()}, oldest first",
        f"{spec.permission}.read",
        responses={"200": json_response("History", "Every entry.")},
    )


def _own_paths() -> Schema:
    me = _with_errors(
        {
            "operationId": "get_me",
            "summary": "Who the token speaks for, and what they may do",
            "responses": {"200": json_response("Me", "The actor.")},
        }
    )
    live: Schema = {
        "operationId": "get_livez",
        "summary": "Whether the process answers",
        "security": [],
        "responses": {"200": json_response("Health", "It does."), "405": ref_response("405")},
    }
    ready: Schema = {
        "operationId": "get_readyz",
        "summary": "Whether the application should get requests",
        "security": [],
        "responses": {
            "200": json_response("Health", "It should."),
            "405": ref_response("405"),
            "503": ref_response("503"),
        },
    }
    return {"/api/me": {"get": me}, "/livez": {"get": live}, "/readyz": {"get": ready}}
