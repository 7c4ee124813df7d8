"""The OpenAPI 3.1 document, written from the declarations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from prefiq.lowcode import ActionSpec, Catalog, FieldSpec, ModelSpec
from prefiq.web.query import (
    ID,
    LIMIT,
    MOST_LIMIT,
    MOST_OFFSET,
    MOST_SORTS,
    MOST_TEXT,
    inclusions,
    sortable_names,
)
from prefiq.web.representation import visible_names
from prefiq.web.routes import ApiRoute
from prefiq.web.schemas import NO_NUL, Schema, field_schema, filter_schemas, read_schema, write_schema

__all__ = ["Names", "build_openapi"]

ERRORS: dict[str, str] = {
    "400": "The request cannot be parsed.",
    "401": "No token, or one that is not accepted.",
    "403": "The tenant is refused, or a permission is missing.",
    "404": "There is no such row or path; another tenant's row is none.",
    "405": "The path does not answer to this method.",
    "408": "The body did not arrive in time.",
    "409": "The present state is against it: a value is taken, an action is not possible, a rule says no.",
    "412": "The row is no longer at the version of If-Match.",
    "413": "The body is too large.",
    "414": "Path or query are too long.",
    "415": "The body is of another content type.",
    "422": "Values or parameters are not accepted; every fault is listed.",
    "431": "Too many header fields.",
    "500": "Something failed on the server; the log knows the request's id.",
    "503": "The server is busy, or not ready; try again after Retry-After.",
    "507": "The database's disk is full.",
}
ALWAYS = ("400", "401", "403", "404", "405", "414", "422", "431", "500", "503", "507")
WITH_BODY = ("408", "413", "415")

UUID: Schema = {"type": "string", "format": "uuid"}


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
    schemas: Schema = dict(_common_schemas())
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
            "responses": {f"Problem{status}": _problem_response(text) for status, text in ERRORS.items()},
            "parameters": _common_parameters(),
        },
    }


# ---- schemas


def _model_schemas(spec: ModelSpec, name: str, catalog: Catalog, names: Names) -> Schema:
    read = read_schema(spec)
    for included in inclusions(spec, catalog).values():
        target = {"anyOf": [_ref(names.schema(included.target)), {"type": "null"}]}
        if included.name in read["properties"]:
            target["anyOf"].append(read["properties"][included.name])
        read["properties"][included.name] = target
    page: Schema = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": _ref(name)},
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


def _common_schemas() -> Schema:
    text, entry = {"type": "string"}, {"type": "object", "additionalProperties": True}
    return {
        "Problem": {
            "type": "object",
            "description": "A problem document (RFC 9457).",
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "instance": {
                    "type": "string",
                    "format": "uri",
                    "description": "urn:uuid: and the request's id.",
                },
                "code": {"type": "string", "description": "Stable: a heading of the page of errors."},
                "errors": {"type": "array", "items": _ref("ProblemError")},
                "allowed": {"type": "array", "items": text, "description": "Actions that are possible now."},
                "permission": {"type": "string", "description": "What was needed."},
            },
            "required": ["type", "title", "status", "detail", "instance", "code"],
        },
        "ProblemError": {
            "type": "object",
            "properties": {
                "pointer": {
                    "type": "string",
                    "description": "JSON Pointer fragment (RFC 6901) into the body.",
                },
                "parameter": {"type": "string", "description": "Name of a query parameter."},
                "code": text,
                "detail": text,
                "params": entry,
            },
            "required": ["code", "detail"],
        },
        "HistoryEntry": {
            "type": "object",
            "properties": {
                "at": {"type": "string", "format": "date-time"},
                "actor": text,
                "actor_name": text,
                "action": text,
                "version": {"type": "integer"},
                "changes": {**entry, "description": "Field → value before and after."},
                "arguments": entry,
            },
            "required": ["at", "actor", "action", "version", "changes"],
        },
        "History": {
            "type": "object",
            "properties": {"items": {"type": "array", "items": _ref("HistoryEntry")}},
            "required": ["items"],
        },
        "Me": {
            "type": "object",
            "properties": {
                "actor": {
                    "type": "object",
                    "properties": {"id": text, "name": text},
                    "required": ["id", "name"],
                },
                "tenant": text,
                "permissions": {
                    "type": "array",
                    "items": text,
                    "description": "Patterns that the token grants.",
                },
                "allowed": {
                    "type": "array",
                    "items": text,
                    "description": "Every permission that they cover.",
                },
            },
            "required": ["actor", "tenant", "permissions", "allowed"],
        },
        "Health": {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]},
    }


# ---- paths


def _model_paths(spec: ModelSpec, name: str, names: Names, catalog: Catalog) -> Schema:
    writes = spec.scope == "tenant"
    item_path = f"{spec.path}/{{id}}"
    collection: Schema = {"get": _list(spec, name, names, catalog)}
    item: Schema = {"parameters": [_ref_parameter("id")], "get": _get(spec, name, names, catalog)}
    paths: Schema = {spec.path: collection, item_path: item}
    if writes:
        collection["post"] = _create(spec, name, names)
        item["patch"] = _patch(spec, name, names)
        item["delete"] = _delete(spec, name, names)
        for action in spec.actions:
            paths[f"{item_path}/{action.name}"] = {
                "parameters": [_ref_parameter("id")],
                "post": _action(spec, action, name, names),
            }
        if spec.audit:
            paths[f"{item_path}/history"] = {
                "parameters": [_ref_parameter("id")],
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
    operation.setdefault("parameters", []).append(_ref_parameter("tenant"))
    return operation


def _list(spec: ModelSpec, name: str, names: Names, catalog: Catalog) -> Schema:
    link = {"description": 'Where the next page is (RFC 8288, rel="next").', "schema": {"type": "string"}}
    return _operation(
        spec,
        name,
        f"list_{names.many(spec)}",
        f"List {spec.label_plural.lower()}",
        f"{spec.permission}.read",
        parameters=[*_page_parameters(spec), *_shape_parameters(spec, catalog), *_filter_parameters(spec)],
        responses={"200": _json_response(f"{name}Page", "A page.", {"Link": link})},
    )


def _get(spec: ModelSpec, name: str, names: Names, catalog: Catalog) -> Schema:
    return _operation(
        spec,
        name,
        f"get_{names.one(spec)}",
        f"Read one {spec.label.lower()}",
        f"{spec.permission}.read",
        parameters=[_ref_parameter("if_none_match"), *_shape_parameters(spec, catalog)],
        responses={
            "200": _json_response(name, "The row.", {"ETag": ETAG}),
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
        requestBody=_body(_ref(f"{name}Create"), "application/json"),
        responses={"201": _json_response(name, "Created.", {"ETag": ETAG, "Location": location})},
        **{"x-more-errors": ["409"]},
    )


def _patch(spec: ModelSpec, name: str, names: Names) -> Schema:
    return _operation(
        spec,
        name,
        f"update_{names.one(spec)}",
        f"Change a {spec.label.lower()} (RFC 7396: null empties, what is absent stays)",
        f"{spec.permission}.update",
        parameters=[_ref_parameter("if_match")],
        requestBody=_body(_ref(f"{name}Patch"), "application/merge-patch+json", "application/json"),
        responses={"200": _json_response(name, "As it was written.", {"ETag": ETAG})},
        **{"x-more-errors": ["409", "412"]},
    )


def _delete(spec: ModelSpec, name: str, names: Names) -> Schema:
    return _operation(
        spec,
        name,
        f"delete_{names.one(spec)}",
        f"Delete a {spec.label.lower()}",
        f"{spec.permission}.delete",
        parameters=[_ref_parameter("if_match")],
        responses={"204": {"description": "Deleted."}},
        **{"x-more-errors": ["409", "412"]},
    )


def _action(spec: ModelSpec, action: ActionSpec, name: str, names: Names) -> Schema:
    more: Schema = {}
    if action.parameters:
        schema = _ref(f"{name}{action.name.title().replace('_', '')}")
        body = _body(schema, "application/json")
        body["required"] = any(parameter.required for parameter in action.parameters)
        more["requestBody"] = body
    else:
        empty = {"type": "object", "additionalProperties": False, "maxProperties": 0}
        more["requestBody"] = {**_body(empty, "application/json"), "required": False}
    moves = f"Possible in: {', '.join(action.sources)}." if action.sources else ""
    leads = f" Leads to: {action.to}." if action.to else ""
    return _operation(
        spec,
        name,
        f"{names.one(spec)}_{action.name}",
        action.doc or f"{action.name.replace('_', ' ').capitalize()} a {spec.label.lower()}",
        action.permission,
        description=(moves + leads).strip() or "Possible in every state.",
        parameters=[_ref_parameter("if_match")],
        responses={"200": _json_response(name, "As it was written.", {"ETag": ETAG})},
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
        responses={"200": _json_response("History", "Every entry.")},
    )


def _own_paths() -> Schema:
    me = _with_errors(
        {
            "operationId": "get_me",
            "summary": "Who the token speaks for, and what they may do",
            "responses": {"200": _json_response("Me", "The actor.")},
        }
    )
    live: Schema = {
        "operationId": "get_livez",
        "summary": "Whether the process answers",
        "security": [],
        "responses": {"200": _json_response("Health", "It does."), "405": _ref_response("405")},
    }
    ready: Schema = {
        "operationId": "get_readyz",
        "summary": "Whether the application should get requests",
        "security": [],
        "responses": {
            "200": _json_response("Health", "It should."),
            "405": _ref_response("405"),
            "503": _ref_response("503"),
        },
    }
    return {"/api/me": {"get": me}, "/livez": {"get": live}, "/readyz": {"get": ready}}


# ---- parameters


def _common_parameters() -> Schema:
    tag = {"type": "string"}
    return {
        "id": {"name": "id", "in": "path", "required": True, "schema": UUID},
        "tenant": _parameter(
            "Prefiq-Tenant",
            {"type": "string"},
            "Which of the token's tenants is meant, where it has several.",
            "header",
        ),
        "if_match": _parameter("If-Match", tag, "The ETag that the row must still have.", "header"),
        "if_none_match": _parameter("If-None-Match", tag, "The ETag of the caller's copy.", "header"),
    }


def _parameter(name: str, schema: Mapping[str, Any], description: str, place: str = "query") -> Schema:
    found: Schema = {"name": name, "in": place, "schema": dict(schema), "description": description}
    if schema.get("type") == "array":
        found |= {"style": "form", "explode": False}
    return found


def _page_parameters(spec: ModelSpec) -> list[Schema]:
    found = [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": LIMIT}, "Rows at most."),
        _parameter("offset", {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET}, "Rows to leave out; not with cursor."),
        _parameter("cursor", {"type": "string", "minLength": 1}, "`next` of the page before."),
        _parameter("count", {"type": "string", "enum": ["exact"]}, "Count all rows that match, as `total`."),
    ]  # fmt: skip
    sortable = sortable_names(spec)
    entries = {"type": "string", "enum": [*sortable, *(f"-{name}" for name in sortable)]}
    many = {"type": "array", "items": entries, "minItems": 1, "maxItems": MOST_SORTS, "uniqueItems": True}
    found.append(_parameter("sort", many, "Order; `-` before a field for descending."))
    if any(f.search and not f.hidden for f in spec.fields):
        phrase = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT, "pattern": NO_NUL}
        found.append(_parameter("q", phrase, "Phrase to search for."))
    return found


def _shape_parameters(spec: ModelSpec, catalog: Catalog) -> list[Schema]:
    members = {"type": "string", "enum": list(visible_names(spec))}
    many = {"type": "array", "items": members, "minItems": 1, "uniqueItems": True}
    found = [_parameter("fields", many, "Members wanted; id and version always come.")]
    names = list(inclusions(spec, catalog))
    if names:
        related = {
            "type": "array",
            "items": {"type": "string", "enum": names},
            "minItems": 1,
            "uniqueItems": True,
        }
        found.append(_parameter("include", related, "References to follow."))
    return found


def _filter_parameters(spec: ModelSpec) -> list[Schema]:
    fields: tuple[FieldSpec, ...] = (ID, *spec.fields)
    return [
        _parameter(name, schema, f"Filter by {field.name}.")
        for field in fields
        for name, schema in filter_schemas(field).items()
    ]


# ---- small parts

ETAG: Schema = {"description": "The row's version, for If-Match.", "schema": {"type": "string"}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _ref_parameter(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}


def _ref_response(status: str) -> Schema:
    return {"$ref": f"#/components/responses/Problem{status}"}


def _body(schema: Schema, *kinds: str) -> Schema:
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}


def _json_response(name: str, description: str, headers: Schema | None = None) -> Schema:
    response: Schema = {"description": description, "content": {"application/json": {"schema": _ref(name)}}}
    if headers:
        response["headers"] = headers
    return response


def _problem_response(description: str) -> Schema:
    return {"description": description, "content": {"application/problem+json": {"schema": _ref("Problem")}}}
